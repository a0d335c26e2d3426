package providers_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestZoneFileTakenBack: when the check or the reload fails the old file comes
// back, and the serial of a reload that failed is not used again.
func TestZoneFileTakenBack(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fails string
		want  outcome
		ran   []string
		next  string // serial of the next edit
	}{
		"check":  {"check", outcome{err: "check /", temporary: false}, []string{"check"}, "2026112402"},
		"reload": {"reload", outcome{err: "reload example.test.: exit 1", temporary: true}, []string{"check", "reload", "reload"}, "2026112402"},
		"tell":   {"tell", outcome{err: "reload example.test.: exit 1", temporary: true}, []string{"check", "reload", "tell", "reload", "tell"}, "2026112402"},
	}
	for name, test := range tests {
		for _, included := range []string{"", "own"} {
			t.Run(name+included, func(t *testing.T) {
				w := newFileWorld(t, head)
				text := head
				if included != "" {
					w.include = filepath.Join(filepath.Dir(w.file), included)
					text += "$INCLUDE own\n"
					w.write(w.file, text)
					w.write(w.include, "; mine\n")
				}
				w.run = func(argv []string) error {
					if argv[0] == test.fails {
						return errors.New("exit 1")
					}
					return nil
				}
				err := w.open().Apply(t.Context(), adding(t, "3 1 1 01"))
				test.want.check(t, err)
				w.same(w.file, text)
				if included != "" {
					w.same(w.include, "; mine\n")
				}
				for i, argv := range w.ran {
					w.ran[i], _, _ = strings.Cut(argv, " ")
				}
				if diff := cmp.Diff(test.ran, w.ran); diff != "" {
					t.Errorf("commands (-want +got):\n%s", diff)
				}
				if names := w.left(); len(names) > 0 {
					t.Errorf("left behind: %q", names)
				}
				w.run = nil
				for range 2 {
					if err := w.open().Apply(t.Context(), adding(t, "3 1 1 01")); err != nil {
						t.Fatal(err)
					}
					if !strings.Contains(w.read(w.file), test.next) {
						t.Errorf("want serial %s: %s", test.next, w.read(w.file))
					}
				}
			})
		}
	}
}

// TestZoneFileKilled: a process that dies at any moment of an edit leaves the
// zone such that the next one finishes the work: it is listed as not done, and
// done again with the check, the reload and a new serial.
func TestZoneFileKilled(t *testing.T) {
	t.Parallel()
	type died struct{}
	for _, at := range []string{"check", "reload", "tell"} {
		for _, included := range []string{"", "own"} {
			t.Run(at+included, func(t *testing.T) {
				w := newFileWorld(t, head+"; BEGIN tlsamgr\n"+line("mx", "3 1 1 01")+"; END tlsamgr\n")
				if included != "" {
					w.include = filepath.Join(filepath.Dir(w.file), included)
					w.write(w.file, head+"$INCLUDE own\n")
					w.write(w.include, line("mx", "3 1 1 01"))
				}
				w.run = func(argv []string) error {
					if argv[0] == at {
						panic(died{})
					}
					return nil
				}
				func() {
					defer func() {
						if recover() != (died{}) {
							t.Error("the process did not die")
						}
					}()
					_ = w.open().Apply(t.Context(), adding(t, "3 1 1 02"))
				}()
				w.run, w.ran = nil, nil
				if set := list(t, w.open(), mx); len(set.Records) != 1 {
					t.Errorf("listed before it is finished: %v", set)
				}
				if err := w.open().Apply(t.Context(), adding(t, "3 1 1 02")); err != nil {
					t.Fatal(err)
				}
				if set := list(t, w.open(), mx); len(set.Records) != 2 {
					t.Errorf("listed when it is finished: %v", set)
				}
				if len(w.ran) != 3 || !strings.Contains(w.read(w.file), "2026112402") {
					t.Errorf("%q and %s", w.ran, w.read(w.file))
				}
				if names := w.left(); len(names) > 0 {
					t.Errorf("left behind: %q", names)
				}
			})
		}
	}
}

// TestZoneFileHalfWritten: a process died between the writing of the included
// file and that of the serial.
func TestZoneFileHalfWritten(t *testing.T) {
	t.Parallel()
	w := newFileWorld(t, head+"$INCLUDE own\n")
	dir := filepath.Dir(w.file)
	w.include = filepath.Join(dir, "own")
	w.write(w.include, line("mx", "3 1 1 01")+line("mx", "3 1 1 02"))
	w.write(filepath.Join(dir, ".own.tlsamgr-old"), line("mx", "3 1 1 01"))
	w.write(filepath.Join(dir, ".db.example.test.tlsamgr-old"), head+"$INCLUDE own\n")
	if set := list(t, w.open(), mx); len(set.Records) != 1 {
		t.Errorf("listed before it is finished: %v", set)
	}
	if err := w.open().Apply(t.Context(), adding(t, "3 1 1 02")); err != nil {
		t.Fatal(err)
	}
	w.same(w.file, strings.Replace(head, "2026112301", "2026112401", 1)+"$INCLUDE own\n")
	w.same(w.include, line("mx", "3 1 1 01")+line("mx", "3 1 1 02"))
	if names := w.left(); len(names) > 0 || len(w.ran) != 3 {
		t.Errorf("left behind: %q, run: %q", names, w.ran)
	}
}

// TestZoneFileInlineSigning: BIND's journal of a file that it signs is no
// reason to refuse.
func TestZoneFileInlineSigning(t *testing.T) {
	t.Parallel()
	w := newFileWorld(t, head)
	w.write(w.file+".signed", "")
	w.journal(2026112301)
	if err := w.open().Apply(t.Context(), adding(t, "3 1 1 01")); err != nil {
		t.Fatal(err)
	}
}

// TestZoneFileLeftovers: files that a dead process left are swept away.
func TestZoneFileLeftovers(t *testing.T) {
	t.Parallel()
	w := newFileWorld(t, head)
	w.write(filepath.Join(filepath.Dir(w.file), ".db.example.test.tlsamgr-new"), "half a file")
	if err := w.open().Apply(t.Context(), adding(t, "3 1 1 01")); err != nil {
		t.Fatal(err)
	}
	if names := w.left(); len(names) > 0 {
		t.Errorf("left behind: %q", names)
	}
}

// TestZoneFileMeanwhile: what somebody else does to the file in the middle of
// an edit is not overwritten.
func TestZoneFileMeanwhile(t *testing.T) {
	t.Parallel()
	w := newFileWorld(t, head)
	theirs := head + "theirs A 192.0.2.7\n"
	w.run = func(argv []string) error {
		w.write(w.file, theirs)
		return errors.New("exit 1")
	}
	err := w.open().Apply(t.Context(), adding(t, "3 1 1 01"))
	if err == nil || !strings.Contains(err.Error(), "could not be put back") || !strings.Contains(err.Error(), "was changed by somebody else") {
		t.Errorf("got %v", err)
	}
	w.same(w.file, theirs)
}

func TestZoneFileLocked(t *testing.T) {
	t.Parallel()
	w := newFileWorld(t, head)
	file, err := os.OpenFile(filepath.Join(filepath.Dir(w.file), ".db.example.test.tlsamgr-lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := w.open().Apply(ctx, adding(t, "3 1 1 01")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	outcome{err: "another process edits the zone file", temporary: true}.check(t, w.open().Apply(t.Context(), adding(t, "3 1 1 01")))
	w.same(w.file, head)
}

// TestZoneFileUnlockable: where nothing can be written, listing still works.
func TestZoneFileUnlockable(t *testing.T) {
	t.Parallel()
	w := newFileWorld(t, head+line("mx", "3 1 1 01"))
	if err := os.Mkdir(filepath.Join(filepath.Dir(w.file), ".db.example.test.tlsamgr-lock"), 0o700); err != nil {
		t.Fatal(err)
	}
	if set := list(t, w.open(), mx); len(set.Records) != 1 {
		t.Errorf("listed %v", set)
	}
	outcome{err: "tlsamgr-lock: is a directory", hint: "write to the folder"}.check(t, w.open().Apply(t.Context(), adding(t, "3 1 1 02")))
}
