package install

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// DefaultTimeout is the time that all commands of a Commands together have
// when none is given.
const DefaultTimeout = time.Minute

// linger is how long output is still read after a command has ended: a child
// that it left running may hold on to it for ever.
const linger = time.Second

// safePath is where commands without a slash are looked for, whatever PATH the
// caller has.
const safePath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Commands are what makes servers read new files: argument lists that are run
// one after the other, without a shell.
type Commands struct {
	Argv    [][]string
	Timeout time.Duration // for all of them together; 0: DefaultTimeout
	Env     []string      // "NAME=value", beside PATH and LANG, which are all they get
}

// Run runs the commands and stops at the first that fails. Each has a process
// group of its own; if a command still runs at the deadline its whole group is
// killed. What a command that has ended left running, such as a server that it
// started, is let alone. The error names the command and holds the end of its
// output.
func (c Commands) Run(ctx context.Context) error {
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for _, argv := range c.Argv {
		if err := c.run(limited, argv); err != nil {
			switch {
			case ctx.Err() != nil:
				err = fmt.Errorf("%w: %w", ctx.Err(), err)
			case limited.Err() != nil:
				err = fmt.Errorf("no end after %s: %w", timeout, err)
			}
			return fmt.Errorf("command %s: %w", quote(argv), err)
		}
	}
	return nil
}

func (c Commands) run(ctx context.Context, argv []string) error {
	if len(argv) == 0 {
		return errors.New("it is empty")
	}
	path, err := lookUp(argv[0])
	if err != nil {
		return err
	}
	output := &tail{}
	cmd := exec.CommandContext(ctx, path)
	cmd.Args = argv
	cmd.Dir = "/"
	cmd.Env = append([]string{"PATH=" + safePath, "LANG=C.UTF-8"}, c.Env...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	cmd.WaitDelay = linger
	err = cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		return nil // it ended well; what it started in the background is its own affair
	}
	if text := output.String(); err != nil && text != "" {
		return fmt.Errorf("%w: %s", err, text)
	}
	return err
}

// killGroup ends every process of a group.
func killGroup(leader int) error {
	err := syscall.Kill(-leader, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// lookUp finds a program: by its absolute path, or by its name in safePath.
func lookUp(name string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	if strings.Contains(name, "/") {
		return "", errors.New("the path of a program must be absolute")
	}
	for _, dir := range filepath.SplitList(safePath) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return path, nil
		}
	}
	return "", hinted(fmt.Errorf("there is no program %q in %s", name, safePath), "give its absolute path")
}

// quote shows an argument list such that nobody can misread it.
func quote(argv []string) string {
	words := make([]string, len(argv))
	for i, a := range argv {
		words[i] = a
		if a == "" || strings.ContainsFunc(a, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == '"' }) {
			words[i] = strconv.Quote(a)
		}
	}
	return "[" + strings.Join(words, " ") + "]"
}

// maxOutput is how much of a command's output an error holds.
const maxOutput = 1024

// tail keeps the end of what is written to it.
type tail struct {
	text []byte
	cut  bool
}

// Write never fails, so that a talkative command is not stopped by it.
func (t *tail) Write(p []byte) (int, error) {
	excess := max(0, len(p)-maxOutput)
	t.text = append(t.text, p[excess:]...)
	if extra := len(t.text) - maxOutput; extra > 0 {
		t.text, t.cut = append(t.text[:0], t.text[extra:]...), true
	}
	t.cut = t.cut || excess > 0
	return len(p), nil
}

// String gives one line: runs of white space become one blank, and what could
// play with a terminal is left out.
func (t *tail) String() string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, string(t.text))
	line := strings.Join(strings.Fields(clean), " ")
	if t.cut {
		line = "…" + line
	}
	return line
}
