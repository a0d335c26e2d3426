package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestEveryChangedByteIsDetected flips every bit of a state file in turn. The
// previous generation must be used each time, and that must be said.
func TestEveryChangedByteIsDetected(t *testing.T) {
	s := twoGenerations(t)
	text := contents(t, s, "mx1.json")
	for i := range text {
		for bit := range 8 {
			changed := bytes.Clone(text)
			changed[i] ^= 1 << bit
			damaged(t, s, changed)
		}
	}
}

func TestEveryTruncationIsDetected(t *testing.T) {
	s := twoGenerations(t)
	text := contents(t, s, "mx1.json")
	for n := range text {
		damaged(t, s, text[:n])
		damaged(t, s, append(bytes.Clone(text[:n]), make([]byte, len(text)-n)...)) // as after a power failure
	}
}

func TestOtherDamageIsDetected(t *testing.T) {
	s := twoGenerations(t)
	text := contents(t, s, "mx1.json")
	for name, changed := range map[string][]byte{
		"twice":           append(bytes.Clone(text), text...),
		"space behind":    append(bytes.Clone(text), '\n'),
		"space in front":  append([]byte{' '}, text...),
		"other case":      bytes.Replace(text, []byte("version"), []byte("Version"), 1),
		"key repeated":    bytes.Replace(text, []byte("{\n"), []byte("{\n\"serial\": 3,\n"), 1),
		"key added":       bytes.Replace(text, []byte("{\n"), []byte("{\n\"more\": 3,\n"), 1),
		"compact":         bytes.ReplaceAll(text, []byte("\n"), nil),
		"serial":          bytes.Replace(text, []byte(`"serial": 2`), []byte(`"serial": 3`), 1),
		"another version": bytes.Replace(text, []byte(`"version": 1`), []byte(`"version": 2`), 1),
		"too large":       bytes.Repeat([]byte{' '}, maxFile+1),
	} {
		if bytes.Equal(changed, text) {
			t.Fatalf("%s: nothing was changed", name)
		}
		damaged(t, s, changed)
	}
}

// damaged holds that a current generation of these contents is not used.
func damaged(t *testing.T, s *Store, text []byte) {
	t.Helper()
	overwrite(t, s, "mx1.json", text)
	loads(t, s, Loaded{Found: true, Serial: 1, Recovered: "mx1.json: not a state"}, first())
}

// TestStateOfAnotherNameIsDetected: a file that was copied to another name
// tells about other keys and servers.
func TestStateOfAnotherNameIsDetected(t *testing.T) {
	s := twoGenerations(t)
	overwrite(t, s, "mx2.json", contents(t, s, "mx1.json"))
	if _, err := s.Load("mx2", &note{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", err)
	}
}

// TestNewerDocumentIsDetected: to drop a field that is not known in silence
// would lose what senders believe.
func TestNewerDocumentIsDetected(t *testing.T) {
	s := open(t)
	if err := s.Save("mx1", 1, first()); err != nil {
		t.Fatal(err)
	}
	if err := s.Save("mx1", 2, map[string]any{"owner": "x", "ttl": 1, "belief": "new"}); err != nil {
		t.Fatal(err)
	}
	loads(t, s, Loaded{Found: true, Serial: 1, Recovered: "belief"}, first())
}

// TestNeverASilentNewStart: every way of having lost both generations is an
// error; only where nothing was ever saved there is nothing.
func TestNeverASilentNewStart(t *testing.T) {
	lost := map[string]func(path string) error{
		"missing": os.Remove,
		"empty":   func(path string) error { return os.Truncate(path, 0) },
		"damaged": func(path string) error { return os.WriteFile(path, []byte("{}"), 0o600) },
	}
	for now, loseCurrent := range lost {
		for before, losePrevious := range lost {
			s := twoGenerations(t)
			err := errors.Join(loseCurrent(filepath.Join(s.dir, "mx1.json")), losePrevious(filepath.Join(s.dir, "mx1.json.prev")))
			if err != nil {
				t.Fatal(err)
			}
			loaded, err := s.Load("mx1", &note{})
			if now == "missing" && before == "missing" {
				if err != nil || loaded.Found {
					t.Errorf("nothing there: got %+v, %v", loaded, err)
				}
				continue
			}
			var hinted interface{ Hint() string }
			if !errors.Is(err, ErrDamaged) || !errors.As(err, &hinted) || loaded.Found {
				t.Errorf("current %s, previous %s: got %+v, %v; want ErrDamaged with a hint", now, before, loaded, err)
			}
		}
	}
}

// TestMissingCurrentIsRecovered: the previous generation alone is used, and
// that is reported too.
func TestMissingCurrentIsRecovered(t *testing.T) {
	s := twoGenerations(t)
	if err := os.Remove(filepath.Join(s.dir, "mx1.json")); err != nil {
		t.Fatal(err)
	}
	loads(t, s, Loaded{Found: true, Serial: 1, Recovered: "no such file"}, first())
}

// TestCrash leaves the folder as a crash between any two steps of the third
// Save would, and holds that a whole generation is there and that the next
// Save goes through and cleans up.
func TestCrash(t *testing.T) {
	third := note{Owner: "third", TTL: 1}
	sealed, err := seal("mx1", 3, third)
	if err != nil {
		t.Fatal(err)
	}
	text := sealed.text()
	in := func(s *Store, name string) string { return filepath.Join(s.dir, name) }
	steps := []struct {
		name string
		do   func(s *Store) error
		want Loaded
		doc  note
	}{
		{"new file made", func(s *Store) error { return os.WriteFile(in(s, ".mx1.json.new"), nil, 0o600) }, Loaded{Found: true, Serial: 2}, second()},
		{"half written", func(s *Store) error { return os.WriteFile(in(s, ".mx1.json.new"), text[:len(text)/2], 0o600) }, Loaded{Found: true, Serial: 2}, second()},
		{"written", func(s *Store) error { return os.WriteFile(in(s, ".mx1.json.new"), text, 0o600) }, Loaded{Found: true, Serial: 2}, second()},
		{"second name given", func(s *Store) error { return os.Link(in(s, "mx1.json"), in(s, ".mx1.json.keep")) }, Loaded{Found: true, Serial: 2}, second()},
		{"previous replaced", func(s *Store) error { return os.Rename(in(s, ".mx1.json.keep"), in(s, "mx1.json.prev")) }, Loaded{Found: true, Serial: 2}, second()},
		{"current replaced", func(s *Store) error { return os.Rename(in(s, ".mx1.json.new"), in(s, "mx1.json")) }, Loaded{Found: true, Serial: 3}, third},
	}
	for last := range steps {
		t.Run(steps[last].name, func(t *testing.T) {
			s := twoGenerations(t)
			for _, step := range steps[:last+1] {
				if err := step.do(s); err != nil {
					t.Fatal(err)
				}
			}
			loads(t, s, steps[last].want, steps[last].doc)
			save(t, s, 4, first())
			loads(t, s, Loaded{Found: true, Serial: 4}, first())
			onlyFiles(t, s, "mx1.json", "mx1.json.prev")
			overwrite(t, s, "mx1.json", nil)
			loads(t, s, Loaded{Found: true, Serial: steps[last].want.Serial, Recovered: "empty"}, steps[last].doc)
		})
	}
}

// TestLockCleansUp: what a crash left behind goes when somebody works on the
// name again, even without saving.
func TestLockCleansUp(t *testing.T) {
	s := twoGenerations(t)
	overwrite(t, s, ".mx1.json.new", []byte("x"))
	overwrite(t, s, ".mx1.json.keep", []byte("x"))
	release, err := s.Lock(t.Context(), "mx1")
	if err != nil {
		t.Fatal(err)
	}
	release()
	onlyFiles(t, s, "mx1.json", "mx1.json.prev", "mx1.lock")
}

// onlyFiles holds that the folder has these files and no others.
func onlyFiles(t *testing.T, s *Store, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range entries {
		if i >= len(want) || e.Name() != want[i] {
			t.Fatalf("the folder holds %v, want %v", entries, want)
		}
	}
	if len(entries) != len(want) {
		t.Fatalf("the folder holds %v, want %v", entries, want)
	}
}

// FuzzUnseal: whatever is read as an envelope is, octet for octet, what would
// be written for it.
func FuzzUnseal(f *testing.F) {
	e, err := seal("mx1", 42, second())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(e.text())
	f.Add([]byte(`{"version":1,"serial":1,"sha256":"","document":null}`))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := unseal("mx1", text)
		if err != nil {
			return
		}
		if !bytes.Equal(e.text(), text) || !json.Valid(e.Document) {
			t.Errorf("read as %+v, which is written as\n%s", e, e.text())
		}
	})
}
