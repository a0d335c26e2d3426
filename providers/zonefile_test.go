package providers_test

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/providers"
	"github.com/tlsamgr/tlsamgr/providers/providerstest"
	"github.com/tlsamgr/tlsamgr/providers/zonefile"
)

const head = "$TTL 900\n@ SOA ns host ( 2026112301 ; serial\n 2 3 4 5 )\n@ NS ns\nns A 192.0.2.1\n"

// fileWorld is a zone file and the commands that are run about it.
type fileWorld struct {
	t       *testing.T
	file    string
	include string                    // "": none
	run     func(argv []string) error // nil: succeeds
	ran     []string
}

func newFileWorld(t *testing.T, text string) *fileWorld {
	w := &fileWorld{t: t, file: filepath.Join(t.TempDir(), "db.example.test")}
	w.write(w.file, text)
	return w
}

func (w *fileWorld) write(path, text string) {
	w.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		w.t.Fatal(err)
	}
}

// journal leaves a journal as BIND does.
func (w *fileWorld) journal(last uint32) {
	header := append([]byte(";BIND LOG V9.2\n\x00"), 0, 0, 0, 1, 0, 0, 0, 64)
	w.write(w.file+".jnl", string(binary.BigEndian.AppendUint32(header, last))+"\x00\x00\x00\x00")
}

func (w *fileWorld) read(path string) string {
	w.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

func (w *fileWorld) settings() providers.Settings {
	options := map[string]any{
		"file":   filepath.Join(filepath.Dir(w.file), "db.{zone}"),
		"check":  []any{"check", "{zone}", "{file}"},
		"reload": []any{[]any{"reload", "{zone}"}, []any{"tell"}},
	}
	if w.include != "" {
		options["include"] = w.include
	}
	return providers.Settings{Provider: "zonefile", Zones: []string{"Example.Test"}, Options: options,
		Now: func() time.Time { return time.Date(2026, 11, 24, 1, 0, 0, 0, time.UTC) },
		Run: func(ctx context.Context, argv []string) error {
			if _, ok := ctx.Deadline(); !ok {
				w.t.Error("a command without a deadline")
			}
			w.ran = append(w.ran, strings.Join(argv, " "))
			if w.run != nil {
				return w.run(argv)
			}
			return nil
		}}
}

func (w *fileWorld) open() providers.Zone {
	w.t.Helper()
	z, err := providers.Open(w.settings())
	if err != nil {
		w.t.Fatal(err)
	}
	return z
}

// left gives the names of the files beside the zone file, but for those given.
func (w *fileWorld) left(but ...string) (names []string) {
	w.t.Helper()
	entries, err := os.ReadDir(filepath.Dir(w.file))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		known := map[string]bool{filepath.Base(w.file): true, filepath.Base(w.include): true, ".db.example.test.tlsamgr-lock": true}
		for _, name := range but {
			known[name] = true
		}
		if !known[e.Name()] {
			names = append(names, e.Name())
		}
	}
	return names
}

func (w *fileWorld) same(path, want string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.read(path)); diff != "" {
		w.t.Errorf("%s (-want +got):\n%s", filepath.Base(path), diff)
	}
}

func (w *fileWorld) dump(*testing.T) []dns.RR {
	w.t.Helper()
	file, err := os.Open(w.file)
	if err != nil {
		w.t.Fatal(err)
	}
	defer file.Close()
	parser := dns.NewZoneParser(file, providerstest.Apex, w.file)
	parser.SetIncludeAllowed(true)
	var all []dns.RR
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		all = append(all, rr)
	}
	if err := parser.Err(); err != nil {
		w.t.Fatal(err)
	}
	return synthesized(all)
}

func TestZoneFileConformance(t *testing.T) {
	t.Parallel()
	t.Run("marks", func(t *testing.T) {
		t.Parallel()
		w := newFileWorld(t, head+providerstest.Content)
		providerstest.Run(t, providerstest.Subject{Zone: w.open(), Dump: w.dump})
	})
	t.Run("include", func(t *testing.T) {
		t.Parallel()
		w := newFileWorld(t, "")
		w.include = filepath.Join(filepath.Dir(w.file), "tlsamgr.inc")
		w.write(w.file, head+"$INCLUDE tlsamgr.inc\n"+providerstest.Content)
		w.write(w.include, "")
		providerstest.Run(t, providerstest.Subject{Zone: w.open(), Dump: w.dump})
	})
}

func line(host, rdata string) string {
	return "_25._tcp." + host + ".example.test. 300 IN TLSA " + rdata + "\n"
}

// TestZoneFileBytes follows the file through a rollover, byte by byte.
func TestZoneFileBytes(t *testing.T) {
	t.Parallel()
	for name, ending := range map[string]string{"LF": "\n", "CRLF": "\r\n"} {
		t.Run(name, func(t *testing.T) {
			lines := func(text string) string { return strings.ReplaceAll(text, "\n", ending) }
			w := newFileWorld(t, lines(head+"; the end"))
			z := w.open()
			apply := func(changes []dane.Change, serial, block string) {
				t.Helper()
				if err := z.Apply(t.Context(), changes); err != nil {
					t.Fatal(err)
				}
				w.same(w.file, lines(strings.Replace(head, "2026112301", serial, 1)+"; the end\n; BEGIN tlsamgr\n"+block+"; END tlsamgr"))
			}
			apply(adding(t, "3 1 1 01"), "2026112401", line("mx", "3 1 1 01"))
			apply(adding(t, "3 1 1 02"), "2026112402", line("mx", "3 1 1 01")+line("mx", "3 1 1 02"))
			apply(adding(t, "3 1 1 02"), "2026112402", line("mx", "3 1 1 01")+line("mx", "3 1 1 02"))
			apply(removing(t, "3 1 1 01"), "2026112403", line("mx", "3 1 1 02"))
			apply(removing(t, "3 1 1 01"), "2026112403", line("mx", "3 1 1 02"))
			if names := w.left(); len(names) > 0 {
				t.Errorf("left behind: %q", names)
			}
			var want []string
			for range 3 {
				want = append(want, "check example.test "+w.file, "reload example.test", "tell")
			}
			if diff := cmp.Diff(want, w.ran); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
		})
	}
}

func TestZoneFileInclude(t *testing.T) {
	t.Parallel()
	w := newFileWorld(t, "")
	w.include = filepath.Join(filepath.Dir(w.file), "own")
	text := head + "$INCLUDE own ; ours\nlast A 192.0.2.2"
	w.write(w.file, text)
	if set := list(t, w.open(), mx); len(set.Records) > 0 {
		t.Errorf("listed %v", set)
	}
	if err := w.open().Apply(t.Context(), adding(t, "3 1 1 01")); err != nil {
		t.Fatal(err)
	}
	w.same(w.file, strings.Replace(text, "2026112301", "2026112401", 1))
	w.same(w.include, zonefile.Header+"\n"+line("mx", "3 1 1 01"))
	info, err := os.Stat(w.include)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if names := w.left(); len(names) > 0 {
		t.Errorf("left behind: %q", names)
	}
}

// TestZoneFileAttributes: owner, mode and the file's neighbours stay.
func TestZoneFileAttributes(t *testing.T) {
	t.Parallel()
	w := newFileWorld(t, head)
	if err := os.Chmod(w.file, 0o604); err != nil {
		t.Fatal(err)
	}
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = 65534, 65534
		if err := os.Chown(w.file, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.open().Apply(t.Context(), adding(t, "3 1 1 01")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(w.file)
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	if info.Mode() != 0o604 || int(stat.Uid) != uid || int(stat.Gid) != gid {
		t.Errorf("mode %v, owner %d:%d, want 604, %d:%d", info.Mode(), stat.Uid, stat.Gid, uid, gid)
	}
}

// synthesized adds what a server shows for the wildcards of a zone at the
// names that the suite asks for.
func synthesized(all []dns.RR) []dns.RR {
	const owner = "_25._tcp.wild.example.test."
	var more []dns.RR
	for _, rr := range all {
		if strings.EqualFold(rr.Header().Name, owner) {
			return all
		}
		if rr.Header().Name == "*._tcp.wild.example.test." {
			rr = dns.Copy(rr)
			rr.Header().Name = owner
			more = append(more, rr)
		}
	}
	return append(all, more...)
}
