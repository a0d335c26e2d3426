package providers_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsamgr/tlsamgr/dane"
)

// TestZoneFileRefusals: every refusal is one clear line and leaves the file alone.
func TestZoneFileRefusals(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text   string
		change []dane.Change
		spoil  func(w *fileWorld)
		want   outcome
	}{
		"foreign record": {
			text: head + "_25._tcp.mx TLSA 3 1 1 01\n\tTLSA (\n 3 1 1 02 )\n", change: removing(t, "3 1 1 02"),
			want: outcome{err: "/db.example.test:7: 3 1 1 02 at " + mx + ": the record is not one of tlsamgr's", hint: "between the marks"}},
		"doubled record": {
			text: head + "_25._tcp.mx TLSA 3 1 1 02\n TLSA 3 1 1 03\n; BEGIN tlsamgr\n" + line("mx", "3 1 1 02") + "; END tlsamgr\n", change: removing(t, "3 1 1 02"),
			want: outcome{err: "3 1 1 02 stands at " + mx + " once more outside of the lines", hint: "by hand"}},
		"journal": {
			spoil: func(w *fileWorld) { w.journal(2026112301) },
			want:  outcome{err: "/db.example.test.jnl: there is a journal", hint: "provider rfc2136"}},
		"journal ahead": {
			spoil: func(w *fileWorld) { w.journal(2026112302); w.write(w.file+".signed", "") },
			want:  outcome{err: "/db.example.test.jnl: the journal has got to serial 2026112302, the zone file only to 2026112301", hint: "provider rfc2136"}},
		"odd journal": {
			spoil: func(w *fileWorld) { w.write(w.file+".jnl", "") },
			want:  outcome{err: "/db.example.test.jnl: not a journal of a kind", hint: "remove it"}},
		"symbolic link": {
			spoil: func(w *fileWorld) {
				if err := errors.Join(os.Rename(w.file, w.file+".real"), os.Symlink(w.file+".real", w.file)); err != nil {
					w.t.Fatal(err)
				}
			},
			want: outcome{err: "/db.example.test is a symbolic link", hint: "it leads to"}},
		"folder": {
			spoil: func(w *fileWorld) {
				if err := errors.Join(os.Remove(w.file), os.Mkdir(w.file, 0o700)); err != nil {
					w.t.Fatal(err)
				}
			},
			want: outcome{err: "/db.example.test is not a regular file"}},
		"FIFO": {
			spoil: func(w *fileWorld) {
				if err := errors.Join(os.Remove(w.file), syscall.Mkfifo(w.file, 0o600)); err != nil {
					w.t.Fatal(err)
				}
			},
			want: outcome{err: "/db.example.test is not a regular file"}},
		"no file":     {spoil: func(w *fileWorld) { os.Remove(w.file) }, want: outcome{err: "/db.example.test: no such file or directory"}},
		"syntax":      {text: head + "\na A 192.0.2\n", want: outcome{err: `/db.example.test:7: bad A A: "192.0.2"`, hint: "its own check"}},
		"marks":       {text: head + "; END tlsamgr\n", want: outcome{err: "/db.example.test:6: ; END tlsamgr does not belong here", hint: "; BEGIN tlsamgr"}},
		"other zone":  {text: "$TTL 1\nexample.net. SOA ns host 1 2 3 4 5\n", want: outcome{err: "/db.example.test:2: the SOA record is that of example.net., not of example.test.", hint: "another zone"}},
		"signed file": {text: head + "@ RRSIG A 13 2 60 20261201000000 20261101000000 1 @ AAAA\n", want: outcome{err: "a signer or a server wrote it", hint: "the signer reads"}},
		"raw file":    {text: head + "\x00", want: outcome{err: "/db.example.test:6: there is a zero byte in it", hint: "masterfile-format"}},
		"SOA elsewhere": {
			text: "$INCLUDE head.inc\n", spoil: func(w *fileWorld) { w.write(filepath.Join(filepath.Dir(w.file), "head.inc"), head) },
			want: outcome{err: "/db.example.test: there is no SOA record of example.test. in it", hint: "itself"}},
		"leaning record": {
			text: head + "; BEGIN tlsamgr\n; END tlsamgr\n\tA 192.0.2.2\n",
			want: outcome{err: "the edit would change more than it should: - ns.example.test. 900 IN A 192.0.2.2", hint: "end of the file"}},
		"leaning TTL": {
			text: "@ 60 SOA ns host 1 2 3 4 5\n; BEGIN tlsamgr\n; END tlsamgr\na A 192.0.2.2\n",
			want: outcome{err: "the edit would change more than it should: - a.example.test. 60 IN A 192.0.2.2", hint: "end of the file"}},
		"obstacle": {text: head + "_25._tcp.mx CNAME x\n", want: outcome{err: "no TLSA record can stand at this name: it is a CNAME to x.example.test.", hint: "an alias leads to"}},
		"include not included": {
			spoil: func(w *fileWorld) { w.include = filepath.Join(filepath.Dir(w.file), "own") },
			want:  outcome{err: "/own 0 times, not once", hint: "$INCLUDE /"}},
		"include twice": {
			text: head + "$INCLUDE own\n$INCLUDE own\n", spoil: func(w *fileWorld) { w.include = filepath.Join(filepath.Dir(w.file), "own") },
			want: outcome{err: "/own 2 times, not once"}},
		"include and marks": {
			text: head + "$INCLUDE own\n; BEGIN tlsamgr\n; END tlsamgr\n", spoil: func(w *fileWorld) { w.include = filepath.Join(filepath.Dir(w.file), "own") },
			want: outcome{err: "there are marks of tlsamgr in it, but the setting include names", hint: "move the records"}},
		"line of another": {
			text: head + "$INCLUDE own\n", spoil: func(w *fileWorld) {
				w.include = filepath.Join(filepath.Dir(w.file), "own")
				w.write(w.include, "\na.example.test. 60 IN A 192.0.2.1\n")
			},
			want: outcome{err: "/own:2: this line is none of tlsamgr's"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.text == "" {
				test.text = head
			}
			w := newFileWorld(t, test.text)
			if test.spoil != nil {
				test.spoil(w)
			}
			change := test.change
			if change == nil {
				change = adding(t, "3 1 1 01")
			}
			before := w.left()
			test.want.check(t, w.open().Apply(t.Context(), change))
			if info, err := os.Stat(w.file); err == nil && info.Mode().IsRegular() {
				w.same(w.file, test.text)
			}
			if diff := cmp.Diff(before, w.left()); diff != "" {
				t.Errorf("files (-before +after):\n%s", diff)
			}
			if len(w.ran) > 0 {
				t.Errorf("commands were run: %q", w.ran)
			}
		})
	}
}
