package install

import (
	"bytes"
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestForeign: what is not our link is never replaced, by no method.
func TestForeign(t *testing.T) {
	a := newAuthority(t)
	elsewhere := newDirectory(t)
	other := stage(t, elsewhere, a.pair(t, ecKey(t)))
	plant := map[string]func(live string) error{
		"file":                func(live string) error { return os.WriteFile(live, []byte("mine"), 0o600) },
		"folder":              func(live string) error { return os.Mkdir(live, 0o700) },
		"link elsewhere":      func(live string) error { return os.Symlink("/etc", live) },
		"link to nowhere":     func(live string) error { return os.Symlink("/nonexistent/mx1", live) },
		"link to another one": func(live string) error { return os.Symlink(other.Path, live) },
	}
	for name, do := range plant {
		t.Run(name, func(t *testing.T) {
			d := newDirectory(t)
			p := a.pair(t, ecKey(t))
			g := stage(t, d, p)
			if err := do(d.Live); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Lstat(d.Live)
			_, staging := d.Stage([]Pair{p})
			_, asking := d.Current()
			for what, err := range map[string]error{"Switch": d.Switch(g.ID), "Stage": staging, "Current": asking, "Prune": d.Prune()} {
				var hinted interface{ Hint() string }
				if !errors.Is(err, ErrForeign) || !errors.As(err, &hinted) || !strings.Contains(err.Error(), d.Live) {
					t.Errorf("%s: %v, want ErrForeign with a hint", what, err)
				}
			}
			after, err := os.Lstat(d.Live)
			if err != nil || !os.SameFile(before, after) {
				t.Errorf("it was replaced: %v, %v", after, err)
			}
			if _, err := d.Probe(g.ID); err != nil {
				t.Errorf("the generation is gone: %v", err)
			}
		})
	}
}

func TestLiveFolderIsMissing(t *testing.T) {
	a, d := newAuthority(t), newDirectory(t)
	if err := os.Remove(filepath.Dir(d.Live)); err != nil {
		t.Fatal(err)
	}
	_, err := d.Stage([]Pair{a.pair(t, ecKey(t))})
	var hinted interface{ Hint() string }
	if !errors.As(err, &hinted) || !strings.Contains(err.Error(), "does not exist") || hinted.Hint() != "mkdir -p "+filepath.Dir(d.Live) {
		t.Errorf("got %v", err)
	}
}

// TestLinkWrittenByOthers: a relative link, and one by another path to the
// same folder, are ours as well.
func TestLinkWrittenByOthers(t *testing.T) {
	a, d := newAuthority(t), newDirectory(t)
	g, next := stage(t, d, a.pair(t, ecKey(t))), stage(t, d, a.pair(t, ecKey(t)))
	around := filepath.Join(t.TempDir(), "around")
	if err := os.Symlink(d.Root, around); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{filepath.Join("..", "certs", "mx1", g.ID), filepath.Join(around, g.ID)} {
		if err := os.Symlink(target, d.Live); err != nil {
			t.Fatal(err)
		}
		names(t, d, g.ID, next.ID)
		switchTo(t, d, next.ID)
		names(t, d, next.ID, next.ID)
		if err := os.Remove(d.Live); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDamagedGenerations changes one octet of each file at many places, and
// takes each file away: Probe says so, Switch does nothing, and staging the
// certificate again puts it right.
func TestDamagedGenerations(t *testing.T) {
	a, d := newAuthority(t), newDirectory(t)
	old := stage(t, d, a.pair(t, ecKey(t)))
	switchTo(t, d, old.ID)
	p := a.pair(t, ecKey(t))
	g := stage(t, d, p)
	for _, name := range []string{"key.pem", "cert.pem", "chain.pem", "fullchain.pem", "combined.pem"} {
		path := filepath.Join(g.Path, name)
		text := contents(t, path)
		damages := [][]byte{nil, text[:len(text)/2], append(bytes.Clone(text), '\n')}
		for i := 0; i < len(text); i += 29 {
			changed := bytes.Clone(text)
			changed[i] ^= 0x01
			damages = append(damages, changed)
		}
		for _, changed := range damages {
			if err := os.WriteFile(path, changed, 0o600); err != nil {
				t.Fatal(err)
			}
			refusesDamaged(t, d, old.ID, g.ID)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		refusesDamaged(t, d, old.ID, g.ID)
		if again := stage(t, d, p); again.ID != g.ID {
			t.Errorf("staged again as %s", again.ID)
		}
		if _, err := d.Probe(g.ID); err != nil {
			t.Errorf("%s is not put right: %v", name, err)
		}
	}
}

// refusesDamaged holds that a damaged staged generation is of no use.
func refusesDamaged(t *testing.T, d Directory, live, damaged string) {
	t.Helper()
	if _, err := d.Probe(damaged); !errors.Is(err, ErrDamaged) {
		t.Fatalf("Probe gives %v, want ErrDamaged", err)
	}
	if err := d.Switch(damaged); !errors.Is(err, ErrDamaged) {
		t.Fatalf("Switch gives %v, want ErrDamaged", err)
	}
	g, err := d.Staged()
	if !errors.Is(err, ErrDamaged) || g == nil || g.ID != damaged {
		t.Fatalf("Staged gives %v, %v", g, err)
	}
	if all, err := d.All(); err != nil || len(all) != 1 || all[0].ID != live {
		t.Fatalf("All gives %v, %v", all, err)
	}
	if g, err := d.Current(); err != nil || g.ID != live {
		t.Fatalf("Current gives %v, %v", g, err)
	}
}

// TestLiveGenerationIsLost: the link of a generation whose folder is gone is
// an error, not "nothing live", and staging it again brings it back.
func TestLiveGenerationIsLost(t *testing.T) {
	a, d := newAuthority(t), newDirectory(t)
	p := a.pair(t, ecKey(t))
	g := stage(t, d, p)
	switchTo(t, d, g.ID)
	for _, gone := range []string{g.Path, d.Root} {
		if err := os.RemoveAll(gone); err != nil {
			t.Fatal(err)
		}
		lost, err := d.Current()
		if !errors.Is(err, ErrDamaged) || lost == nil || lost.ID != g.ID {
			t.Errorf("Current gives %v, %v; want ErrDamaged", lost, err)
		}
		stage(t, d, p)
		names(t, d, g.ID, g.ID)
	}
}

func TestBadNames(t *testing.T) {
	a, d := newAuthority(t), newDirectory(t)
	g := stage(t, d, a.pair(t, ecKey(t)))
	for _, id := range []string{"", ".", "..", "staged", "../mx1", g.ID + "/", g.ID[:15], strings.ToUpper(g.ID) + "x"} {
		if err := d.Switch(id); err == nil {
			t.Errorf("Switch takes %q", id)
		}
		if _, err := d.Probe(id); err == nil {
			t.Errorf("Probe takes %q", id)
		}
	}
	if err := d.Switch("0123456789abcdef"); !errors.Is(err, ErrDamaged) {
		t.Errorf("a generation that is not there: %v", err)
	}
	if _, err := os.Lstat(d.Live); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a live link: %v", err)
	}
}

func TestRootThatOthersCanWriteTo(t *testing.T) {
	a, d := newAuthority(t), newDirectory(t)
	g := stage(t, d, a.pair(t, ecKey(t)))
	if err := os.Chmod(d.Root, 0o777); err != nil {
		t.Fatal(err)
	}
	_, staging := d.Stage([]Pair{a.pair(t, ecKey(t))})
	for what, err := range map[string]error{"Stage": staging, "Switch": d.Switch(g.ID)} {
		var hinted interface{ Hint() string }
		if !errors.As(err, &hinted) || !strings.Contains(err.Error(), "others can write to it") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestSwitchIsOneStep reads combined.pem again and again while the link is
// switched to and fro: there is always one, and its key is always that of its
// certificate.
func TestSwitchIsOneStep(t *testing.T) {
	a, d := newAuthority(t), newDirectory(t)
	ids := []string{stage(t, d, a.pair(t, ecKey(t))).ID, stage(t, d, a.pair(t, ecKey(t))).ID}
	switchTo(t, d, ids[0])
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				text, err := os.ReadFile(filepath.Join(d.Live, "combined.pem"))
				if err == nil {
					_, err = tls.X509KeyPair(text, text)
				}
				if err != nil {
					t.Errorf("a mail server would read: %v", err)
					return
				}
			}
		})
	}
	for i := range 200 {
		switchTo(t, d, ids[(i+1)%2])
	}
	close(stop)
	readers.Wait()
}

// TestAtOnce lets hooks stage while a timer switches and cleans up: nobody
// meets a half-made generation, and what was staged last is there.
func TestAtOnce(t *testing.T) {
	a, d := newAuthority(t), newDirectory(t)
	switchTo(t, d, stage(t, d, a.pair(t, ecKey(t))).ID)
	var pairs []Pair
	for range 4 {
		pairs = append(pairs, a.pair(t, ecKey(t)))
	}
	var hooks sync.WaitGroup
	for _, p := range pairs {
		hooks.Go(func() {
			for range 10 {
				if _, err := d.Stage([]Pair{p}); err != nil {
					t.Errorf("Stage: %v", err)
				}
			}
		})
	}
	for range 40 {
		if g, err := d.Staged(); err != nil || g == nil {
			t.Errorf("Staged gives %v, %v", g, err)
		}
		if _, err := d.All(); err != nil {
			t.Errorf("All: %v", err)
		}
		if err := d.Prune(); err != nil {
			t.Errorf("Prune: %v", err)
		}
	}
	hooks.Wait()
	if g, err := d.Staged(); err != nil || g == nil {
		t.Errorf("in the end Staged gives %v, %v", g, err)
	}
}
