package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// These environment variables make the test binary another process that works
// on the folder they name.
const (
	keeper = "TLSAMGR_TEST_KEEPER" // holds the lock until it is killed
	saver  = "TLSAMGR_TEST_SAVER"  // saves once
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(keeper); dir != "" {
		os.Exit(keepLock(dir))
	}
	if dir := os.Getenv(saver); dir != "" {
		runtime.LockOSThread() // so that one thread makes all the system calls that count
		os.Exit(saveOnce(dir))
	}
	os.Exit(m.Run())
}

// saveOnce saves a third generation.
func saveOnce(dir string) int {
	s, err := Open(dir)
	if err == nil {
		err = s.Save("mx1", 3, first())
	}
	if err != nil {
		return 1
	}
	return 0
}

// keepLock is the other process.
func keepLock(dir string) int {
	s, err := Open(dir)
	if err == nil {
		_, err = s.Lock(context.Background(), "mx1")
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("locked")
	time.Sleep(time.Minute)
	return 0
}

// startKeeper starts another process that holds the lock.
func startKeeper(t *testing.T, s *Store) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), keeper+"="+s.dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	return cmd
}

// TestLockOfAnotherProcess: the other process is named within about two
// seconds, other names are free, and kill -9 frees the lock at once.
func TestLockOfAnotherProcess(t *testing.T) {
	s := open(t)
	other := startKeeper(t, s)

	start := time.Now()
	_, err := s.Lock(t.Context(), "mx1")
	took := time.Since(start)
	if !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), strconv.Itoa(other.Process.Pid)) {
		t.Errorf("got %v, want ErrBusy and process %d", err, other.Process.Pid)
	}
	if took < patience || took > patience+2*time.Second {
		t.Errorf("it took %s to say so, want about %s", took, patience)
	}

	free, err := s.Lock(t.Context(), "mx2")
	if err != nil {
		t.Fatalf("another name is not free: %v", err)
	}
	free()

	if err := other.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	release, err := s.Lock(t.Context(), "mx1")
	if err != nil {
		t.Fatalf("after kill -9: %v", err)
	}
	release()
}

// TestLockWaitsForItsTurn: who holds it briefly is waited for.
func TestLockWaitsForItsTurn(t *testing.T) {
	s := open(t)
	release, err := s.Lock(t.Context(), "mx1")
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, release)
	second, err := s.Lock(t.Context(), "mx1")
	if err != nil {
		t.Fatal(err)
	}
	second()
}

func TestLockHeedsTheContext(t *testing.T) {
	s := open(t)
	release, err := s.Lock(t.Context(), "mx1")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := s.Lock(ctx, "mx1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that the deadline has passed", err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestLockFileMeansNothing: a lock file that was left behind, whatever is in
// it, locks nobody out.
func TestLockFileMeansNothing(t *testing.T) {
	for _, text := range []string{"", "1\n", "\x00\x00\x00", strings.Repeat("9", 1000)} {
		s := open(t)
		overwrite(t, s, "mx1.lock", []byte(text))
		release, err := s.Lock(t.Context(), "mx1")
		if err != nil {
			t.Fatalf("with %q in it: %v", text, err)
		}
		release()
	}
}
