//go:build lab

package install

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// nobody is a user and group that own nothing else.
const nobody = 65534

// reads says whether a process of that user and group can read a file.
func reads(t *testing.T, uid, gid uint32, path string) bool {
	t.Helper()
	cmd := exec.Command("/bin/cat", path)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	return cmd.Run() == nil
}

// TestWhoCanRead: a mail server that runs as the owner, or as a member of the
// group, gets at its key through the live link, and nobody else does, whatever
// the umask was. Needs root.
func TestWhoCanRead(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	top := t.TempDir()
	for dir := top; dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	live := filepath.Join(top, "live")
	if err := errors.Join(os.Mkdir(live, 0o711), os.Chmod(live, 0o711)); err != nil {
		t.Fatal(err)
	}
	a := newAuthority(t)
	for _, test := range []struct {
		name, owner, group         string
		ownerReads, groupMemberToo bool
	}{
		{"root alone", "", "", false, false},
		{"an owner", strconv.Itoa(nobody), "", true, false},
		{"a group", "", strconv.Itoa(nobody), false, true},
		{"both", strconv.Itoa(nobody), strconv.Itoa(nobody), true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := strings.ReplaceAll(test.name, " ", "-")
			d := Directory{Root: filepath.Join(top, "state", "certs", name), Live: filepath.Join(live, name), Owner: test.owner, Group: test.group}
			g := stage(t, d, a.pair(t, ecKey(t)))
			switchTo(t, d, g.ID)
			for _, file := range []string{"key.pem", "combined.pem"} {
				path := filepath.Join(d.Live, file)
				for who, one := range map[string]struct {
					uid, gid uint32
					want     bool
				}{
					"the owner": {nobody, 12345, test.ownerReads}, "a member of the group": {12345, nobody, test.groupMemberToo},
					"somebody": {12345, 12345, false}, "root": {0, 0, true},
				} {
					if got := reads(t, one.uid, one.gid, path); got != one.want {
						t.Errorf("%s: %s can read it: %v, want %v", file, who, got, one.want)
					}
				}
				if !reads(t, 12345, 12345, filepath.Join(d.Live, "fullchain.pem")) {
					t.Error("not everybody can read the chain")
				}
			}
		})
	}
}

// TestFullDisk stages on a file system with less and less room: it fails with
// a clear error, and what was live and staged before still is, intact.
func TestFullDisk(t *testing.T) {
	top := t.TempDir()
	if err := syscall.Mount("tmpfs", top, "tmpfs", 0, "size=256k,mode=0711"); err != nil {
		t.Fatalf("mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(top, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	if err := os.Mkdir(filepath.Join(top, "live"), 0o711); err != nil {
		t.Fatal(err)
	}
	a := newAuthority(t)
	d := Directory{Root: filepath.Join(top, "certs", "mx1"), Live: filepath.Join(top, "live", "mx1")}
	live := stage(t, d, a.pair(t, ecKey(t)))
	switchTo(t, d, live.ID)
	last, fill := live.ID, filepath.Join(top, "fill")
	failed, went := 0, 0
	for pages := 8; pages >= 0; pages-- {
		_ = os.WriteFile(fill, make([]byte, 256<<10), 0o600) // as much as there is room for
		info, err := os.Stat(fill)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(fill, max(0, info.Size()-int64(pages)<<12)); err != nil {
			t.Fatal(err)
		}
		g, err := d.Stage([]Pair{a.pair(t, ecKey(t))})
		switch {
		case err == nil:
			last, went = g.ID, went+1
		case !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), d.Root):
			t.Errorf("%d pages free: %v", pages, err)
		default:
			failed++
		}
		names(t, d, live.ID, last)
		entries, err := os.ReadDir(d.Root)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !isID(e.Name()) && e.Name() != staged {
				t.Errorf("%d pages free: %s was left behind", pages, e.Name())
			}
		}
		if err := os.Remove(fill); err != nil {
			t.Fatal(err)
		}
	}
	if failed == 0 || went == 0 {
		t.Errorf("%d stagings failed and %d went through: the disk was never full, or always", failed, went)
	}
}
