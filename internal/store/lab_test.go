//go:build lab

package store

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk saves on a tiny file system that has less and less room: Save
// fails with a clear error, what was saved before stays, nothing is left
// behind, and when there is room again Save goes through. Needs root.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,mode=0700"); err != nil {
		t.Fatalf("mount a file system of 64 kB: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	s, err := Open(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	release, err := s.Lock(t.Context(), "mx1")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	save(t, s, 1, first())
	save(t, s, 2, second())

	large := note{Owner: strings.Repeat("x", 20<<10)} // five pages
	serial, failed := uint64(2), 0
	for pages := 16; pages >= 0; pages-- {
		fill := filepath.Join(dir, "fill")
		_ = os.WriteFile(fill, make([]byte, 64<<10), 0o600) // as much as there is room for
		info, err := os.Stat(fill)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(fill, max(0, info.Size()-int64(pages)<<12)); err != nil {
			t.Fatal(err)
		}
		err = s.Save("mx1", serial+1, large)
		switch {
		case err == nil:
			serial++
			loads(t, s, Loaded{Found: true, Serial: serial}, large)
			continue
		case !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "save the state of mx1"):
			t.Errorf("%d pages free: %v", pages, err)
		}
		failed++
		var got note
		if loaded, err := s.Load("mx1", &got); err != nil || loaded.Serial != serial || loaded.Recovered != "" {
			t.Errorf("%d pages free: Load gives %+v, %v", pages, loaded, err)
		}
		onlyFiles(t, s, "mx1.json", "mx1.json.prev", "mx1.lock")
		if err := os.Remove(fill); err != nil {
			t.Fatal(err)
		}
	}
	if failed == 0 || serial == 2 {
		t.Errorf("%d saves failed and %d went through: the disk was never full, or always", failed, serial-2)
	}
	if err := os.Remove(filepath.Join(dir, "fill")); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	save(t, s, serial+1, second())
}

// calls are the system calls by which Save changes the disk, or finds its way there.
func calls() []string {
	return []string{"openat", "newfstatat", "read", "write", "fsync", "linkat", "renameat", "unlinkat", "close"}
}

// TestKillAtEveryCall kills a process that saves at each of its system calls
// in turn. A whole generation is there afterwards, never a damaged one.
func TestKillAtEveryCall(t *testing.T) {
	atEveryCall(t, "signal=SIGKILL")
}

// TestErrorAtEveryCall lets each system call fail in turn.
func TestErrorAtEveryCall(t *testing.T) {
	for _, errno := range []string{"EIO", "ENOSPC", "EROFS", "EDQUOT", "EMFILE"} {
		t.Run(errno, func(t *testing.T) { atEveryCall(t, "error="+errno) })
	}
}

// atEveryCall runs the saving process again and again: the fault strikes at
// the first of its calls of one kind, the second, and so on until it strikes
// no more, for every kind.
func atEveryCall(t *testing.T, fault string) {
	for _, call := range calls() {
		struck := 0
		for strike(t, call, fmt.Sprintf("%s:when=%d", fault, struck+1)) {
			if struck++; struck > 500 {
				t.Fatalf("%s: there is no end to it", call)
			}
		}
		if struck == 0 {
			t.Errorf("%s: the fault did not strike", call)
		}
	}
}

// strike saves in a process with a fault, and says whether the fault struck.
// Afterwards the old or the new generation is there, whole, and the new one if
// Save said so; and the next Save goes through and cleans up.
func strike(t *testing.T, call, fault string) bool {
	t.Helper()
	s := twoGenerations(t)
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command("strace", "-f", "-qq", "-o", trace, "-e", "trace="+call, "-e", "inject="+call+":"+fault, os.Args[0])
	cmd.Env = append(os.Environ(), saver+"="+s.dir)
	out, saved := cmd.CombinedOutput()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatalf("strace: %v: %s", err, out)
	}
	var got note
	loaded, err := s.Load("mx1", &got)
	if err != nil || loaded.Recovered != "" || loaded.Serial < 2 || saved == nil && loaded.Serial != 3 {
		t.Errorf("%s %s, Save said %v: Load gives %+v, %v", call, fault, saved, loaded, err)
	}
	save(t, s, 4, second())
	loads(t, s, Loaded{Found: true, Serial: 4}, second())
	onlyFiles(t, s, "mx1.json", "mx1.json.prev")
	_ = s.Close()
	return strings.Contains(string(text), "INJECTED") || strings.Contains(string(text), "killed by SIGKILL")
}
