package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// note is a document such as the state of a unit: nested, with text in it.
type note struct {
	Owner string         `json:"owner"`
	TTL   int            `json:"ttl"`
	Seen  map[string]int `json:"seen,omitempty"`
}

func first() note { return note{Owner: "_25._tcp.mx1.example.com.", TTL: 3600} }
func second() note {
	return note{Owner: "_25._tcp.mx1.example.com.", TTL: 7200, Seen: map[string]int{"ns1": 1, "<ns2>": 2}}
}

// open opens a store in a new folder.
func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// save saves or fails the test.
func save(t *testing.T, s *Store, serial uint64, doc note) {
	t.Helper()
	if err := s.Save("mx1", serial, doc); err != nil {
		t.Fatal(err)
	}
}

// twoGenerations gives a store in which first is the previous generation and
// second the current one.
func twoGenerations(t *testing.T) *Store {
	t.Helper()
	s := open(t)
	save(t, s, 1, first())
	save(t, s, 2, second())
	return s
}

// loads holds what Load answers.
func loads(t *testing.T, s *Store, want Loaded, doc note) {
	t.Helper()
	var got note
	loaded, err := s.Load("mx1", &got)
	if err != nil {
		t.Fatal(err)
	}
	if (loaded.Recovered != "") != (want.Recovered != "") || !strings.Contains(loaded.Recovered, want.Recovered) {
		t.Errorf("recovered: got %q, want %q in it", loaded.Recovered, want.Recovered)
	}
	loaded.Recovered = want.Recovered
	if diff := cmp.Diff(want, loaded); diff != "" {
		t.Errorf("loaded (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(doc, got); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
}

func TestLoadGivesWhatWasSaved(t *testing.T) {
	s := open(t)
	loads(t, s, Loaded{}, note{})
	save(t, s, 1, first())
	loads(t, s, Loaded{Found: true, Serial: 1}, first())
	save(t, s, 7, second())
	loads(t, s, Loaded{Found: true, Serial: 7}, second())

	again, err := Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	loads(t, again, Loaded{Found: true, Serial: 7}, second())
}

func TestModes(t *testing.T) {
	s := twoGenerations(t)
	release, err := s.Lock(t.Context(), "mx1")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	for name, want := range map[string]fs.FileMode{".": fs.ModeDir | 0o711, "mx1.json": 0o600, "mx1.json.prev": 0o600, "mx1.lock": 0o600} {
		info, err := os.Stat(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s: mode %v, want %v", name, info.Mode(), want)
		}
	}
}

func TestLoadLeavesTheTargetAloneOnErrors(t *testing.T) {
	s := twoGenerations(t)
	for _, name := range []string{"mx1.json", "mx1.json.prev"} {
		overwrite(t, s, name, []byte("{"))
	}
	got := first()
	if _, err := s.Load("mx1", &got); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", err)
	}
	if diff := cmp.Diff(first(), got); diff != "" {
		t.Errorf("the target has changed (-want +got):\n%s", diff)
	}
	if _, err := s.Load("mx1", got); err == nil || !strings.Contains(err.Error(), "pointer") {
		t.Errorf("a target that is no pointer: got %v", err)
	}
}

func TestSaveRefusesToOverwriteSomethingNewer(t *testing.T) {
	s := twoGenerations(t)
	for _, serial := range []uint64{0, 1, 2} {
		if err := s.Save("mx1", serial, first()); !errors.Is(err, ErrStale) {
			t.Errorf("serial %d over 2: got %v, want ErrStale", serial, err)
		}
	}
	loads(t, s, Loaded{Found: true, Serial: 2}, second())

	overwrite(t, s, "mx1.json", nil)
	if err := s.Save("mx1", 1, second()); !errors.Is(err, ErrStale) {
		t.Errorf("serial 1 over a previous generation of 1: got %v, want ErrStale", err)
	}
}

// TestSaveKeepsTheIntactGeneration: a damaged file must never push the good
// previous generation out.
func TestSaveKeepsTheIntactGeneration(t *testing.T) {
	s := twoGenerations(t)
	overwrite(t, s, "mx1.json", []byte("damaged"))
	save(t, s, 2, second())
	overwrite(t, s, "mx1.json", []byte("damaged again"))
	loads(t, s, Loaded{Found: true, Serial: 1, Recovered: "mx1.json: not a state"}, first())
}

func TestSaveReportsWhatCannotBeWritten(t *testing.T) {
	s := open(t)
	if err := s.Save("mx1", 1, func() {}); err == nil || !strings.Contains(err.Error(), "save the state of mx1") {
		t.Errorf("a document that is no JSON: got %v", err)
	}
	if err := s.Save("mx1", 1, strings.Repeat("x", maxFile)); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a document that is too large: got %v", err)
	}
	loads(t, s, Loaded{}, note{})
}

func TestNames(t *testing.T) {
	s := open(t)
	bad := []string{"", ".", "..", "../mx1", "a/b", "/etc/passwd", "mx1.json", "mx 1", "mx1\x00", "-rf", "ümlaut", strings.Repeat("x", 64)}
	for _, name := range bad {
		if err := s.Save(name, 1, first()); err == nil {
			t.Errorf("Save accepts the name %q", name)
		}
		if _, err := s.Load(name, &note{}); err == nil {
			t.Errorf("Load accepts the name %q", name)
		}
		if _, err := s.Lock(t.Context(), name); err == nil {
			t.Errorf("Lock accepts the name %q", name)
		}
	}
	for _, name := range []string{"mx1", "MX_1-a", "_x", strings.Repeat("x", 63)} {
		if err := s.Save(name, 1, first()); err != nil {
			t.Errorf("Save refuses the name %q: %v", name, err)
		}
	}
}

func TestOpenRefusesFoldersThatOthersCanChange(t *testing.T) {
	for _, mode := range []fs.FileMode{0o720, 0o702, 0o777, 0o770} {
		dir := filepath.Join(t.TempDir(), "state")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		refused(t, dir, "others can write to it", "chmod go-w "+dir)
	}
}

// TestOpenRefusesFoldersOfOthers takes a folder that belongs to somebody else:
// root's, or for root one that is given away.
func TestOpenRefusesFoldersOfOthers(t *testing.T) {
	dir := "/"
	if os.Geteuid() == 0 {
		dir = t.TempDir()
		if err := os.Chown(dir, 12345, -1); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, dir, "it belongs to user", "state_dir")
}

func TestOpenRefusesWhatIsNoFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", file, filepath.Join(file, "below")} {
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "state folder") {
			t.Errorf("Open(%q): got %v", dir, err)
		}
	}
}

func refused(t *testing.T, dir, text, hint string) {
	t.Helper()
	_, err := Open(dir)
	var hinted interface{ Hint() string }
	if err == nil || !strings.Contains(err.Error(), text) || !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), hint) {
		t.Errorf("Open(%s): got %v, want %q and the hint %q", dir, err, text, hint)
	}
}

// overwrite puts other contents into a file of the store.
func overwrite(t *testing.T, s *Store, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// contents reads a file of the store.
func contents(t *testing.T, s *Store, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestFilesThatAreNoFiles: whatever stands in the place of the state is not
// followed and does not hang.
func TestFilesThatAreNoFiles(t *testing.T) {
	plant := map[string]func(path string) error{
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"fifo":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"link":   func(path string) error { return os.Symlink("mx1.json.prev", path) },
		"loop":   func(path string) error { return os.Symlink("mx1.json", path) },
		"away":   func(path string) error { return os.Symlink("/etc/passwd", path) },
	}
	for name, make := range plant {
		t.Run(name, func(t *testing.T) {
			s := twoGenerations(t)
			path := filepath.Join(s.dir, "mx1.json")
			if err := errors.Join(os.Remove(path), make(path)); err != nil {
				t.Fatal(err)
			}
			loads(t, s, Loaded{Found: true, Serial: 1, Recovered: "mx1.json"}, first())
		})
	}
}
