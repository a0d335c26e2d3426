//go:build lab

package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	pollInterval = 10 * time.Millisecond
	startTime    = 20 * time.Second // far above what any server needs, for busy machines
	stopTime     = 5 * time.Second
	toolTime     = 30 * time.Second
	logTail      = 8 << 10 // of each log, shown when a test fails
)

// process is one running server.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string        // file with its standard output and error
	done chan struct{} // closed when it has ended and is reaped
	once sync.Once     // stop
	pid  func() int    // the process to ask to stop
}

// start runs a server in the foreground, in a process group of its own, until
// the test ends or stop is called.
func (l *Lab) start(t testing.TB, name string, argv ...string) *process {
	t.Helper()
	p := &process{name: name, log: l.logFile(name), done: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // the server has its own descriptor
	p.cmd = exec.Command(program(argv[0]), argv[1:]...)
	p.cmd.Dir = l.Dir
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	p.pid = func() int { return p.cmd.Process.Pid }
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // servers end by a signal; why one ended too early is in its log
	}()
	t.Cleanup(p.stop)
	return p
}

// stop asks a server to end, kills its process group if it does not, and waits
// until it is gone. It may be called more than once.
func (p *process) stop() {
	p.once.Do(func() {
		if p.ended(0) {
			return
		}
		_ = syscall.Kill(p.pid(), syscall.SIGTERM)
		if p.ended(stopTime) {
			return
		}
		_ = syscall.Kill(p.pid(), syscall.SIGKILL)
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	})
}

// ended says whether a server has ended, or does so within a time.
func (p *process) ended(within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
	}
	select { // both may have been ready
	case <-p.done:
		return true
	default:
		return false
	}
}

// waitReady waits until a server does what it is there for, and fails the test
// when it ends or takes too long.
func (p *process) waitReady(t testing.TB, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(startTime); !ready(); time.Sleep(pollInterval) {
		if p.ended(0) {
			t.Fatalf("%s ended at its start (%v):\n%s", p.name, p.cmd.ProcessState, tail(p.log))
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s was not ready after %v:\n%s", p.name, startTime, tail(p.log))
		}
	}
}

// run runs a tool to its end and gives its output. A tool that fails or hangs
// fails the test.
func (l *Lab) run(t testing.TB, stdin string, argv ...string) string {
	t.Helper()
	out, err := l.try(t, stdin, argv...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return out
}

// try is run for tools that may fail.
func (l *Lab) try(t testing.TB, stdin string, argv ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), toolTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(argv[0]), argv[1:]...)
	cmd.Dir = l.Dir
	cmd.Stdin = strings.NewReader(stdin)
	cmd.WaitDelay = time.Second // Postfix's reload leaves a child that holds the pipe for a moment
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Eventually waits until a condition holds and fails the test when it does not
// hold within the time given. What names the condition in the failure.
func Eventually(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !holds(); time.Sleep(pollInterval) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// logFile names the log of a server.
func (l *Lab) logFile(name string) string { return filepath.Join(l.Dir, "logs", name+".log") }

// showLogs reports the end of every log when the test has failed, and keeps the
// whole logs with the artifacts of the test.
func (l *Lab) showLogs(t testing.TB) {
	if !t.Failed() {
		return
	}
	names, err := filepath.Glob(l.logFile("*"))
	if err != nil {
		t.Error(err)
	}
	for _, name := range names {
		t.Logf("the end of %s:\n%s", filepath.Base(name), tail(name))
		if err := copyFile(name, filepath.Join(t.ArtifactDir(), filepath.Base(name))); err != nil {
			t.Error(err)
		}
	}
}

// tail gives the last lines of a log.
func tail(name string) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	if cut := len(text) - logTail; cut > 0 {
		_, rest, _ := bytes.Cut(text[cut:], []byte("\n"))
		return fmt.Sprintf("[%d bytes above]\n%s", len(text)-len(rest), rest)
	}
	return string(text)
}
