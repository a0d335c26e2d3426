package install

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// run runs one shell line: the tests may use a shell, the product has none.
func run(t *testing.T, timeout time.Duration, line string, more ...string) error {
	t.Helper()
	return Commands{Argv: [][]string{append([]string{"sh", "-c", line}, more...)}, Timeout: timeout}.Run(t.Context())
}

func TestRun(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	c := Commands{Argv: [][]string{
		{"sh", "-c", `echo "$@" >"$0"`, out, "a b", "$(id)", "*"},
		{"/bin/sh", "-c", `env >>"$0"; pwd >>"$0"`, out},
	}, Env: []string{"TLSAMGR_CERTIFICATE=mx1"}}
	t.Setenv("TLSAMGR_SECRET", "canary")
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := string(contents(t, out))
	for _, want := range []string{"a b $(id) *\n", "PATH=" + safePath, "LANG=C.UTF-8", "TLSAMGR_CERTIFICATE=mx1", "\n/\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if strings.Contains(got, "canary") || strings.Contains(got, "HOME") {
		t.Errorf("the environment was handed on:\n%s", got)
	}
	if err := (Commands{}).Run(t.Context()); err != nil {
		t.Errorf("no commands at all: %v", err)
	}
}

func TestRunStopsAtTheFirstFailure(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	err := Commands{Argv: [][]string{{"false"}, {"touch", mark}}}.Run(t.Context())
	if err == nil || err.Error() != "command [false]: exit status 1" {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the second command was run")
	}
}

// TestRunOutput: the error holds the end of the output, in one clean line.
func TestRunOutput(t *testing.T) {
	err := run(t, 0, `echo 'postfix: fatal:'; printf '\033[31mno\tsuch\000 file\r\n\377' >&2; exit 3`)
	if want := "exit status 3: postfix: fatal: [31mno such file"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %q, want %q at the end", err, want)
	}
	err = run(t, 0, `i=0; while [ $i -lt 20000 ]; do echo "line $i"; i=$((i+1)); done; exit 1`)
	if err == nil || len(err.Error()) > 2*maxOutput || !strings.HasSuffix(err.Error(), "line 19999") || !strings.Contains(err.Error(), "…") {
		t.Errorf("of much output the error holds %d octets: %.80q", len(err.Error()), err)
	}
}

func TestRunLooksUp(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // which must not matter
	if err := (Commands{Argv: [][]string{{"true"}}}).Run(t.Context()); err != nil {
		t.Errorf("true: %v", err)
	}
	for _, test := range []struct {
		argv []string
		want string
	}{
		{[]string{"no-such-program"}, `there is no program "no-such-program"`},
		{[]string{"/no/such/program"}, "no such file"},
		{[]string{"./true"}, "must be absolute"},
		{[]string{"bin/true"}, "must be absolute"},
		{[]string{""}, "there is no program"},
		{nil, "it is empty"},
		{[]string{"/etc/hostname", "a b"}, `command [/etc/hostname "a b"]`},
	} {
		if err := (Commands{Argv: [][]string{test.argv}}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want %q", test.argv, err, test.want)
		}
	}
}

// TestRunKillsTheGroup: at the deadline everything that the command started
// is gone, also what it left in the background.
func TestRunKillsTheGroup(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	start := time.Now()
	err := run(t, 300*time.Millisecond, `sleep 60 & echo $! >"$0"; sleep 60 & echo $! >>"$0"; trap '' TERM; wait; wait`, pids)
	if err == nil || !strings.Contains(err.Error(), "no end after 300ms") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	for line := range bytes.Lines(contents(t, pids)) {
		pid, err := strconv.Atoi(string(bytes.TrimSpace(line)))
		if err != nil {
			t.Fatal(err)
		}
		if !gone(pid) {
			t.Errorf("process %d still runs", pid)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// gone says whether a process ends soon, or has ended and is only not yet
// collected by its new parent.
func gone(pid int) bool {
	for range 100 {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || bytes.Contains(stat, []byte(") Z ")) {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// TestRunDoesNotHangOnOutput: a server that the command starts may keep the
// output open; the command is over all the same, and the server goes on.
func TestRunDoesNotHangOnOutput(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	start := time.Now()
	if err := run(t, 30*time.Second, `sleep 60 & echo $! >"$0"`, pids); err != nil {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > linger+5*time.Second {
		t.Errorf("it took %s", took)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(contents(t, pids))))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("what it started was killed: %v", err)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

func TestRunHeedsTheContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := Commands{Argv: [][]string{{"sleep", "60"}}}.Run(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "no end after") {
		t.Errorf("got %v, want that of the context", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}
