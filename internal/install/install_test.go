package install

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// newDirectory gives a directory whose live link does not exist yet.
func newDirectory(t *testing.T) Directory {
	t.Helper()
	top := t.TempDir()
	if err := os.Mkdir(filepath.Join(top, "live"), 0o711); err != nil {
		t.Fatal(err)
	}
	return Directory{Root: filepath.Join(top, "certs", "mx1"), Live: filepath.Join(top, "live", "mx1")}
}

func stage(t *testing.T, d Directory, pairs ...Pair) Generation {
	t.Helper()
	g, err := d.Stage(pairs)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func switchTo(t *testing.T, d Directory, id string) {
	t.Helper()
	if err := d.Switch(id); err != nil {
		t.Fatal(err)
	}
}

func contents(t *testing.T, parts ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestFilesOfOneKey holds every file against its exact contents and mode.
func TestFilesOfOneKey(t *testing.T) {
	a, key, d := newAuthority(t), ecKey(t), newDirectory(t)
	leaf, secret := a.leaf(t, key), keyPEM(t, key)
	g := stage(t, d, Pair{Chain: certificates(leaf, a.issuer, a.root), Key: secret})
	full := certificates(leaf, a.issuer, a.root)
	want := map[string][]byte{
		"key.pem": secret, "cert.pem": certificates(leaf), "chain.pem": certificates(a.issuer, a.root),
		"fullchain.pem": full, "combined.pem": slices.Concat(secret, full),
	}
	got, modes := map[string][]byte{}, map[string]fs.FileMode{}
	entries, err := os.ReadDir(g.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name()], modes[e.Name()] = contents(t, g.Path, e.Name()), info.Mode()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	wantModes := map[string]fs.FileMode{"key.pem": 0o600, "combined.pem": 0o600, "cert.pem": 0o644, "chain.pem": 0o644, "fullchain.pem": 0o644}
	if diff := cmp.Diff(wantModes, modes); diff != "" {
		t.Errorf("modes (-want +got):\n%s", diff)
	}
	for _, dir := range []string{g.Path, d.Root, filepath.Dir(d.Root)} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o711 {
			t.Errorf("%s: %v, %v; want a folder that can be passed through", dir, info.Mode(), err)
		}
	}
}

// TestFilesOfSeveralKeys holds the names, and the order of combined.pem, which
// Postfix wants to be: a key, its certificates, the next key.
func TestFilesOfSeveralKeys(t *testing.T) {
	a, d := newAuthority(t), newDirectory(t)
	r, e, ed := a.pair(t, rsaKey(t)), a.pair(t, ecKey(t)), a.pair(t, edKey(t))
	g := stage(t, d, r, e, ed)
	var names []string
	entries, err := os.ReadDir(g.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	want := strings.Fields(`cert-ecdsa.pem cert-ed25519.pem cert-rsa.pem chain-ecdsa.pem chain-ed25519.pem chain-rsa.pem combined.pem
		fullchain-ecdsa.pem fullchain-ed25519.pem fullchain-rsa.pem key-ecdsa.pem key-ed25519.pem key-rsa.pem`)
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	combined := slices.Concat(ed.Key, ed.Chain, e.Key, e.Chain, r.Key, r.Chain)
	if got := contents(t, g.Path, "combined.pem"); !bytes.Equal(got, combined) {
		t.Errorf("combined.pem is\n%s", labels(got))
	}
	var algorithms []string
	for _, c := range g.Chains {
		algorithms = append(algorithms, c.Algorithm())
	}
	if diff := cmp.Diff([]string{"ed25519", "ecdsa", "rsa"}, algorithms); diff != "" {
		t.Errorf("chains (-want +got):\n%s", diff)
	}
	if again := stage(t, d, e, ed, r); again.ID != g.ID {
		t.Errorf("in another order the generation is called %s instead of %s", again.ID, g.ID)
	}
}

// labels shows what is in a PEM file without its contents.
func labels(text []byte) string {
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "-----BEGIN") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// TestStage follows a unit from nothing to its second certificate.
func TestStage(t *testing.T) {
	a, d := newAuthority(t), newDirectory(t)
	for name, ask := range map[string]func() (*Generation, error){"Staged": d.Staged, "Current": d.Current} {
		if g, err := ask(); g != nil || err != nil {
			t.Errorf("%s of nothing: %v, %v", name, g, err)
		}
	}
	first := stage(t, d, a.pair(t, ecKey(t)))
	names(t, d, "", first.ID)
	switchTo(t, d, first.ID)
	switchTo(t, d, first.ID)
	names(t, d, first.ID, first.ID)
	if err := d.Unstage(); err != nil {
		t.Fatal(err)
	}
	if err := d.Unstage(); err != nil {
		t.Errorf("Unstage of nothing: %v", err)
	}
	names(t, d, first.ID, "")

	second := stage(t, d, a.pair(t, ecKey(t)))
	names(t, d, first.ID, second.ID)
	switchTo(t, d, second.ID)
	names(t, d, second.ID, second.ID)
	all, err := d.All()
	if err != nil || len(all) != 2 || all[0].ID != first.ID || all[1].ID != second.ID {
		t.Errorf("All gives %v, %v; want both, the older one first", all, err)
	}
	if g, err := d.Current(); err != nil || g.Chains[0].ID() != second.Chains[0].ID() || g.Path != filepath.Join(d.Root, second.ID) || time.Since(g.StagedAt) > time.Minute {
		t.Errorf("Current gives %+v, %v", g, err)
	}
}

// names holds what is live and what is staged.
func names(t *testing.T, d Directory, live, staged string) {
	t.Helper()
	for _, one := range []struct {
		ask  func() (*Generation, error)
		want string
	}{{d.Current, live}, {d.Staged, staged}} {
		got := ""
		g, err := one.ask()
		if g != nil {
			got = g.ID
		}
		if err != nil || got != one.want {
			t.Errorf("generation %q, %v; want %q", got, err, one.want)
		}
	}
}

// TestStageIsIdempotent: the same certificate again writes not one file, also
// when its key is written in another way.
func TestStageIsIdempotent(t *testing.T) {
	a, key, d := newAuthority(t), ecKey(t), newDirectory(t)
	p := a.pair(t, key)
	g := stage(t, d, p)
	before := inodes(t, g.Path)
	sec1, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p.Key = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})
	again := stage(t, d, p)
	if again.ID != g.ID || !again.StagedAt.Equal(g.StagedAt) {
		t.Errorf("staged again: %s at %s, first %s at %s", again.ID, again.StagedAt, g.ID, g.StagedAt)
	}
	if diff := cmp.Diff(before, inodes(t, g.Path)); diff != "" {
		t.Errorf("files were written anew (-first +again):\n%s", diff)
	}
}

// inodes gives a mark of every file that changes when the file is replaced.
func inodes(t *testing.T, dir string) map[string]string {
	t.Helper()
	marks := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		marks[e.Name()] = info.ModTime().String()
	}
	return marks
}

// TestStageLeavesAloneWhatIsThere: a bad certificate changes nothing.
func TestStageLeavesAloneWhatIsThere(t *testing.T) {
	a, d := newAuthority(t), newDirectory(t)
	g := stage(t, d, a.pair(t, ecKey(t)))
	switchTo(t, d, g.ID)
	bad := a.pair(t, ecKey(t))
	bad.Key = keyPEM(t, ecKey(t))
	if _, err := d.Stage([]Pair{bad}); err == nil {
		t.Fatal("a key that does not belong was taken")
	}
	names(t, d, g.ID, g.ID)
	if _, err := d.Stage(nil); err == nil {
		t.Error("no pair at all was taken")
	}
	if _, err := d.Stage([]Pair{a.pair(t, ecKey(t)), a.pair(t, ecKey(t))}); err == nil || !strings.Contains(err.Error(), "same algorithm") {
		t.Errorf("two certificates of one algorithm: %v", err)
	}
	names(t, d, g.ID, g.ID)
}

// TestStageAfterACrash: what an interrupted run left behind is in nobody's way.
func TestStageAfterACrash(t *testing.T) {
	a, d := newAuthority(t), newDirectory(t)
	p := a.pair(t, ecKey(t))
	g := stage(t, d, p)
	switchTo(t, d, g.ID)
	p2 := a.pair(t, ecKey(t))
	elsewhere := newDirectory(t)
	id := stage(t, elsewhere, p2).ID
	err := errors.Join(
		os.Mkdir(filepath.Join(d.Root, building+id), 0o700),
		os.WriteFile(filepath.Join(d.Root, building+id, "key.pem"), []byte("half"), 0o600),
		os.Symlink("gone", filepath.Join(d.Root, ".staged.new")),
		os.Symlink("gone", filepath.Join(filepath.Dir(d.Live), d.temporaryLink())),
		os.WriteFile(filepath.Join(g.Path, ".key.pem.new"), []byte("half"), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	g2 := stage(t, d, p2)
	names(t, d, g.ID, g2.ID)
	switchTo(t, d, g2.ID)
	if err := d.Prune(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(d.Root)
	if err != nil || len(entries) != 2 { // the generation and the staged link
		t.Errorf("the folder holds %v, %v", entries, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(d.Live)); err != nil || len(entries) != 1 {
		t.Errorf("beside the live link lies %v, %v", entries, err)
	}
}

func TestPrune(t *testing.T) {
	a, d := newAuthority(t), newDirectory(t)
	if err := d.Prune(); err != nil {
		t.Errorf("Prune of nothing: %v", err)
	}
	live, kept, gone, waiting := stage(t, d, a.pair(t, ecKey(t))), stage(t, d, a.pair(t, ecKey(t))), stage(t, d, a.pair(t, ecKey(t))), stage(t, d, a.pair(t, ecKey(t)))
	switchTo(t, d, live.ID)
	if err := os.WriteFile(filepath.Join(d.Root, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Prune(kept.ID); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{live.ID: true, kept.ID: true, gone.ID: false, waiting.ID: true, "notes.txt": true} {
		if _, err := os.Stat(filepath.Join(d.Root, id)); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", id, err == nil, want)
		}
	}
	names(t, d, live.ID, waiting.ID)
}

func TestOwnerAndGroup(t *testing.T) {
	a, d := newAuthority(t), newDirectory(t)
	p := a.pair(t, ecKey(t))
	g := stage(t, d, p)
	d.Group = "no-such-group-here"
	if _, err := d.Stage([]Pair{p}); err == nil || !strings.Contains(err.Error(), `group "no-such-group-here"`) {
		t.Errorf("a group that does not exist: %v", err)
	}
	d.Group, d.Owner = strconv.Itoa(os.Getgid()), strconv.Itoa(os.Getuid())
	switchTo(t, d, g.ID) // the group is configured after the certificate was staged
	for name, want := range map[string]fs.FileMode{"key.pem": 0o640, "combined.pem": 0o640, "cert.pem": 0o644, ".": 0o751} {
		if info, err := os.Stat(filepath.Join(g.Path, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
}
