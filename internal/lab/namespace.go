//go:build lab

package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// The environment variables that tell the stages of Main apart. Each holds the
// name of the network namespace outside, so that one set by mistake is noticed.
const (
	initVariable = "TLSAMGR_LAB_INIT" // the first process inside: sets up the machine
	testVariable = "TLSAMGR_LAB_TEST" // its child: runs the tests
)

// scratch is where the machine keeps its files. It is memory of the machine's
// own (not the host's /run), open to every user because Postfix's processes
// walk through it, and near the root because paths of Unix sockets are short.
const scratch = "/run/lab"

// Main runs the tests of a package inside a machine of their own and gives the
// exit code of the test binary:
//
//	func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }
//
// The test binary starts itself again as the first process of new network,
// mount and process namespaces. There, every port is free, no packet can leave,
// and nothing outlives the tests: with its first process the kernel ends the
// whole machine, even when the test binary is killed. Main needs root and the
// packages in packages.txt and says so; it never skips a test.
func Main(m *testing.M) int { return run(m, enter) }

// MainApart is Main for packages whose tests mostly wait: each test gets a
// machine of its own, and so many of them run at the same time.
func MainApart(m *testing.M, atOnce int) int {
	return run(m, func() (int, error) { return enterApart(atOnce) })
}

// run goes through the stages of Main; outside is the first of them.
func run(m *testing.M, outside func() (int, error)) int {
	code, err := 0, extendPath()
	switch {
	case err != nil:
	case os.Getenv(testVariable) != "":
		if err = inside(testVariable, os.Getppid()); err == nil {
			code = m.Run()
		}
	case os.Getenv(initVariable) != "":
		if err = inside(initVariable, os.Getpid()); err == nil {
			code, err = supervise()
		}
	case listing():
		code = m.Run() // names only
	default:
		code, err = outside()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab: error:", err)
		return 1
	}
	return code
}

// enter starts the test binary again in new namespaces and waits for it.
func enter() (int, error) {
	if err := able(); err != nil {
		return 0, err
	}
	return enterWith(os.Stdout, os.Stderr)
}

// able says why there can be no machine.
func able() error {
	if os.Geteuid() != 0 {
		return errors.New("the tests on real servers need root (namespaces, Postfix): make lab")
	}
	return requirePrograms()
}

// enterWith is enter with further arguments for the test binary.
func enterWith(out, errs io.Writer, args ...string) (int, error) {
	outside, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return 0, err
	}
	cmd := again(initVariable, outside)
	cmd.Args = append(cmd.Args, args...)
	cmd.Stdout, cmd.Stderr = out, errs
	// The kernel sends the signal when the thread ends that started the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	if errors.Is(err, syscall.EPERM) {
		err = fmt.Errorf("%w: this container may not make namespaces (docker: --privileged)", err)
	}
	return 0, err
}

// again is the command that runs this test binary once more, with one variable
// set. It is named by a path that no mount can hide.
func again(variable, value string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), variable+"="+value)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd
}

// supervise is the first process of the machine: it sets the machine up, starts
// the tests, and waits for the processes that lose their parents.
func supervise() (int, error) {
	if err := setUp(); err != nil {
		return 0, fmt.Errorf("set up the machine: %w", err)
	}
	cmd := again(testVariable, os.Getenv(initVariable))
	cmd.Env = append(cmd.Env, "TMPDIR="+scratch)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait for the tests: %w", err)
		case pid != cmd.Process.Pid:
		case status.Exited():
			return status.ExitStatus(), nil
		default:
			return 0, fmt.Errorf("the tests were ended by a signal: %v", status.Signal())
		}
	}
}

// inside makes sure that a stage of Main is in the machine and not on the host,
// which it would change: the network is not the one that its variable names, and
// the first process, which it has to be or to descend from, has the number 1.
func inside(variable string, first int) error {
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return err
	}
	outside := os.Getenv(variable)
	if first != 1 || outside == here || !strings.HasPrefix(outside, "net:[") {
		return fmt.Errorf("%s is set outside of the machine; unset it", variable)
	}
	return nil
}

// setUp turns new namespaces into a machine: mounts, files and addresses.
func setUp() error {
	for _, mount := range []struct {
		source, target, kind string
		flags                uintptr
		options              string
	}{
		{"none", "/", "", syscall.MS_REC | syscall.MS_PRIVATE, ""}, // nothing mounted from here on is seen outside
		{"proc", "/proc", "proc", syscall.MS_NOSUID | syscall.MS_NODEV, ""},
		{"tmpfs", "/run", "tmpfs", syscall.MS_NOSUID | syscall.MS_NODEV, "mode=0755,size=2g"},
	} {
		if err := syscall.Mount(mount.source, mount.target, mount.kind, mount.flags, mount.options); err != nil {
			return fmt.Errorf("mount %s: %w", mount.target, err)
		}
	}
	syscall.Umask(0o022) // other users walk through the folders
	if err := os.MkdirAll(filepath.Join(scratch, "bin"), 0o755); err != nil {
		return err
	}
	return errors.Join(replaceFiles(), copyPrograms(), setAddresses(), syscall.Sethostname([]byte("lab")))
}

// replaceFiles puts the machine's own files over those of the host.
func replaceFiles() error {
	for name, text := range map[string]string{
		// Without trust-ad the C library hides from Postfix that an answer was validated.
		"/etc/resolv.conf":   "nameserver " + ResolverIP + "\noptions trust-ad edns0 timeout:2 attempts:3\n",
		"/etc/hosts":         "127.0.0.1 localhost\n::1 localhost\n",
		"/etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n",
	} {
		own := filepath.Join(scratch, filepath.Base(name))
		if err := os.WriteFile(own, []byte(text), 0o644); err != nil {
			return err
		}
		if err := coverFile(name, own); err != nil {
			return fmt.Errorf("replace %s: %w", name, err)
		}
	}
	return nil
}

// coverFile mounts one file over another. systemd-resolved makes resolv.conf a
// link into /run, which is empty here, so the file may have to be created.
func coverFile(name, own string) error {
	if target, err := os.Readlink(name); err == nil {
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(name), target)
		}
		if strings.HasPrefix(target, "/run/") {
			if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
				return err
			}
			return os.Symlink(own, target)
		}
	}
	return syscall.Mount(own, name, "", syscall.MS_BIND, "")
}

// setAddresses brings the loopback interface up with every address of the
// machine. BIND and Postfix only listen on addresses that an interface has,
// although all of 127.0.0.0/8 would be reachable without.
func setAddresses() error {
	// Where IPv6 is switched off for new interfaces; ip reports what that leaves broken.
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/lo/disable_ipv6", []byte("0"), 0)
	batch := "link set lo up\n"
	for _, ip := range addresses() {
		batch += "address add " + ip + " dev lo\n"
	}
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(batch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, out)
	}
	return nil
}
