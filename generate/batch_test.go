package generate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// batchRun is what a batch printed and said.
type batchRun struct {
	lines    []string
	failed   []string // "name: why"
	warnings []string
	err      error
}

func runBatch(t testing.TB, b Batch, paths ...string) (r batchRun) {
	t.Helper()
	b.Warn = func(path, text string) { r.warnings = append(r.warnings, filepath.Base(path)+": "+text) }
	b.Fail = func(path string, err error) {
		r.failed = append(r.failed, filepath.Base(path)+": "+err.Error())
	}
	var out bytes.Buffer
	var failed int
	failed, r.err = b.Run(t.Context(), &out, paths)
	if failed != len(r.failed) {
		t.Errorf("%d failures counted, %d told", failed, len(r.failed))
	}
	if out.Len() > 0 {
		r.lines = strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	}
	return r
}

func writeFile(t testing.TB, path string, data ...[]byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, slices.Concat(data...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBatchOrder holds that many files, read by many goroutines, come out in
// the order of their names, and those named in the order given.
func TestBatchOrder(t *testing.T) {
	folder, ca := t.TempDir(), newTestCA(t)
	const files = 5 * chunkSize
	var paths, want []string
	for i := range files {
		path := filepath.Join(folder, fmt.Sprintf("%04d.pem", i))
		leaf := ca.leaf(t, fmt.Sprintf("mx%d.example.com", i))
		if i%7 == 3 {
			leaf = leaf[1:]
		} else {
			want = append(want, fmt.Sprintf("_25._tcp.mx%d.example.com.", i))
		}
		writeFile(t, path, encodePEM("CERTIFICATE", leaf), encodePEM("CERTIFICATE", ca.cert.Raw))
		paths = append(paths, path)
	}
	inOrder := slices.IsSorted[[]string]
	check := func(r batchRun) {
		t.Helper()
		var owners []string
		for _, line := range r.lines {
			owner, _, _ := strings.Cut(line, " ")
			owners = append(owners, owner)
		}
		if diff := cmp.Diff(want, slices.Compact(owners)); diff != "" || len(r.lines) != 2*len(want) {
			t.Errorf("%d lines, owners (-want +got):\n%s", len(r.lines), diff)
		}
		if len(r.failed) != files-len(want) || !inOrder(r.failed) || r.err != nil {
			t.Errorf("failures %q, %v", r.failed, r.err)
		}
	}
	check(runBatch(t, Batch{Folders: true}, folder))
	check(runBatch(t, Batch{}, paths...))
	slices.Reverse(paths)
	slices.Reverse(want)
	inOrder = func(s []string) bool { slices.Reverse(s); return slices.IsSorted(s) }
	check(runBatch(t, Batch{}, paths...))
}

// TestBatchOnce holds that each line is printed once, wherever it comes from.
func TestBatchOnce(t *testing.T) {
	folder, ca := t.TempDir(), newTestCA(t)
	one := writeFile(t, filepath.Join(folder, "a"), encodePEM("CERTIFICATE", ca.leaf(t, "a.example")), encodePEM("CERTIFICATE", ca.cert.Raw))
	two := writeFile(t, filepath.Join(folder, "b"), encodePEM("CERTIFICATE", ca.leaf(t, "b.example")), encodePEM("CERTIFICATE", ca.cert.Raw))
	for format, want := range map[Format]int{RData: 3, Zone: 4, Dig: 3} {
		if r := runBatch(t, Batch{Format: format}, one, two, one); len(r.lines) != want || r.err != nil {
			t.Errorf("%s: %d lines, want %d, %v:\n%s", format, len(r.lines), want, r.err, strings.Join(r.lines, "\n"))
		}
	}
	r := runBatch(t, Batch{Format: Nsupdate, TTL: 60}, one, one)
	if len(r.lines) != 3 || r.lines[2] != "send" || !strings.HasPrefix(r.lines[0], "update add _25._tcp.a.example. 60 IN TLSA 3 1 1 ") {
		t.Errorf("nsupdate: %q", r.lines)
	}
	if r := runBatch(t, Batch{Format: JSON}); cmp.Diff([]string{"[]"}, r.lines) != "" {
		t.Errorf("no files as JSON: %q", r.lines)
	}
}

// TestFolder holds what is read of a folder, and what is not.
func TestFolder(t *testing.T) {
	folder, ca := t.TempDir(), newTestCA(t)
	in := func(name string) string { return filepath.Join(folder, name) }
	leaf := func(name string) []byte { return encodePEM("CERTIFICATE", ca.leaf(t, name)) }
	writeFile(t, in("mx1/cert.pem"), leaf("mx1.example"))
	writeFile(t, in("mx1/chain.pem"), encodePEM("CERTIFICATE", ca.cert.Raw))
	writeFile(t, in("mx1/privkey.pem"), encodePEM("PRIVATE KEY", pkcs8(t, testKeys(t)["P-256"])))
	writeFile(t, in("README"), []byte("words\n"))
	writeFile(t, in(".hidden.pem"), []byte("-----BEGIN CERTIFICATE-----\n"))
	writeFile(t, in(".git/x.pem"), leaf("hidden.example"))
	writeFile(t, in("damaged.pem"), leaf("x.example")[:100])
	writeFile(t, in("deep/er/cert.der"), ca.leaf(t, "der.example"))
	for name, target := range map[string]string{"linked.pem": in("mx1/cert.pem"), "up": "..", "loop": "loop", "gone": "nowhere"} {
		if err := os.Symlink(target, in(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(in("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := runBatch(t, Batch{Folders: true, Options: Options{Params: paramsOf(t, "3 1 1")}}, folder+"/")
	var owners []string
	for _, line := range r.lines {
		owner, _, _ := strings.Cut(line, " ")
		owners = append(owners, owner)
	}
	if diff := cmp.Diff([]string{"_25._tcp.der.example.", "_25._tcp.mx1.example."}, owners); diff != "" || r.err != nil {
		t.Errorf("%v, owners (-want +got):\n%s", r.err, diff)
	}
	var failed []string
	for _, text := range r.failed {
		name, _, _ := strings.Cut(text, ":")
		failed = append(failed, name)
	}
	if diff := cmp.Diff([]string{"damaged.pem", "fifo", "gone", "loop"}, failed); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	if len(r.warnings) != 1 || !strings.Contains(r.warnings[0], "no server's certificate: 4 (") { // README, up, chain, key
		t.Errorf("warnings %q", r.warnings)
	}
}

// TestEmptyFolder holds that finding nothing is not taken for success in silence.
func TestEmptyFolder(t *testing.T) {
	r := runBatch(t, Batch{Folders: true}, t.TempDir())
	if r.lines != nil || r.failed != nil || len(r.warnings) != 1 || !strings.Contains(r.warnings[0], "no certificate of a server was found") {
		t.Errorf("%q, %q, %q", r.lines, r.failed, r.warnings)
	}
}

// TestSpecialFiles holds that nothing is opened that could hang or has no end.
func TestSpecialFiles(t *testing.T) {
	folder := t.TempDir()
	fifo := filepath.Join(folder, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{fifo: "not a regular file", "/dev/zero": "not a regular file", "/dev/null": "not a regular file", folder: "a folder", filepath.Join(folder, "none"): "no such file", "": "no such file"} {
		r := runBatch(t, Batch{}, path)
		if len(r.failed) != 1 || !strings.Contains(r.failed[0], want) || r.lines != nil {
			t.Errorf("%s: got %q, %q, want %q", path, r.lines, r.failed, want)
		}
	}
}

// TestSizes holds that files larger than the first read are read whole, and
// those larger than the limit not at all.
func TestSizes(t *testing.T) {
	ca := newTestCA(t)
	text := encodePEM("CERTIFICATE", ca.leaf(t, "mx1.example.com"))
	for _, size := range []int{firstRead - 1, firstRead, firstRead + 1, 2 * firstRead, 5*firstRead + 7} {
		padding := bytes.Repeat([]byte("#\n"), (size-len(text)+1)/2)[:size-len(text)]
		path := writeFile(t, filepath.Join(t.TempDir(), "x.pem"), padding[:len(padding)-1], []byte("\n"), text)
		if r := runBatch(t, Batch{MaxSize: int64(size)}, path); len(r.lines) != 1 || r.failed != nil {
			t.Errorf("%d bytes: %q, %q", size, r.lines, r.failed)
		}
		if r := runBatch(t, Batch{MaxSize: int64(size - 1)}, path); len(r.failed) != 1 || !strings.Contains(r.failed[0], "larger than") {
			t.Errorf("%d bytes, one too many: %q, %q", size, r.lines, r.failed)
		}
		if r := runBatch(t, Batch{MaxSize: int64(size - 1), Folders: true}, filepath.Dir(path)); len(r.failed) != 1 || !strings.Contains(r.failed[0], "larger than") {
			t.Errorf("%d bytes, one too many, in a folder: %q, %q", size, r.lines, r.failed)
		}
	}
}

func TestStandardInput(t *testing.T) {
	text := encodePEM("CERTIFICATE", newTestCA(t).leaf(t, "mx1.example.com"))
	if r := runBatch(t, Batch{In: bytes.NewReader(text)}, Stdin); len(r.lines) != 1 || r.failed != nil {
		t.Errorf("%q, %q", r.lines, r.failed)
	}
	if r := runBatch(t, Batch{In: bytes.NewReader(text), MaxSize: 100}, Stdin); len(r.failed) != 1 || !strings.HasPrefix(r.failed[0], "standard input: larger") {
		t.Errorf("too much: %q, %q", r.lines, r.failed)
	}
}

// TestIssuerCache holds that a cached issuer gives what a fresh one does, and
// that other files' leaves do not mix with it.
func TestIssuerCache(t *testing.T) {
	folder := t.TempDir()
	var want []string
	for i := range maxCached + 10 { // more CAs than the cache holds, each seen several times
		ca := newTestCA(t)
		for j := range 3 {
			name := fmt.Sprintf("mx%d.n%d.example", i, j)
			leaf := ca.leaf(t, name)
			writeFile(t, filepath.Join(folder, fmt.Sprintf("%d-%03d.pem", j, i)), encodePEM("CERTIFICATE", leaf), encodePEM("CERTIFICATE", ca.cert.Raw))
			for _, set := range recordsOf(t, Options{}, leaf, ca.cert.Raw).Sets {
				want = append(want, strings.Split(strings.TrimSpace(string(Zone.Append(nil, set, 1))), "\n")...)
			}
		}
	}
	r := runBatch(t, Batch{Folders: true, TTL: 1}, folder)
	slices.Sort(want)
	slices.Sort(r.lines)
	if diff := cmp.Diff(want, r.lines); diff != "" || r.err != nil || r.failed != nil || r.warnings != nil {
		t.Errorf("%v, %q, %q (-want +got):\n%s", r.err, r.failed, r.warnings, diff)
	}
}

// TestBatchEnds holds that a batch ends, and closes what it has opened, when
// nobody wants its answer any more.
func TestBatchEnds(t *testing.T) {
	folder, ca := t.TempDir(), newTestCA(t)
	for i := range 20 * chunkSize {
		writeFile(t, filepath.Join(folder, fmt.Sprint(i%10), fmt.Sprint(i)), encodePEM("CERTIFICATE", ca.leaf(t, "mx.example")))
	}
	before := openFiles(t)
	batch := &Batch{Folders: true, Options: Options{Ports: []int{25}}, Format: Zone, Warn: func(string, string) {}, Fail: func(string, error) {}}
	full := errors.New("disk full")
	if _, err := batch.Run(t.Context(), writerFunc(func([]byte) (int, error) { return 0, full }), []string{folder}); !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	_, err := batch.Run(ctx, writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }), []string{folder})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d files are open, there were %d", after, before)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
