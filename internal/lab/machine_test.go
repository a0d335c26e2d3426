//go:build lab

package lab_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tlsamgr/tlsamgr/internal/lab"
)

// hangVariable makes TestHang hang, in a test binary of its own.
const hangVariable = "TLSAMGR_LAB_HANG"

// TestMachine holds that tests are alone: no interface but loopback, no way out,
// and a resolver of their own.
func TestMachine(t *testing.T) {
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	if len(interfaces) != 1 || interfaces[0].Flags&net.FlagLoopback == 0 {
		t.Errorf("interfaces %v, want loopback only", interfaces)
	}
	if conn, err := net.DialTimeout("udp", "192.0.2.1:53", time.Second); !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("there is a way out: %v, %v", conn, err)
	}
	lab.New(t, lab.Config{})
	ips, err := net.LookupHost("mx3.example.test")
	slices.Sort(ips)
	if want := lab.MX3IPs(); err != nil || !slices.Equal(ips, want) {
		t.Errorf("the machine resolves mx3.example.test to %v, %v; want %v", ips, err, want)
	}
	if ips, err := net.LookupHost("example.com"); err == nil {
		t.Errorf("the machine resolves example.com to %v", ips)
	}
}

// TestNothingIsLeft holds that a lab ends with its test: processes and files.
func TestNothingIsLeft(t *testing.T) {
	var dir string
	t.Run("lab", func(t *testing.T) {
		l := lab.New(t, lab.Config{Zones: []lab.Zone{
			{Name: "example.test"}, {Name: "nsd.test", Server: lab.NSD}, {Name: "knot.test", Server: lab.Knot},
		}})
		dir = l.Dir
		c, err := l.CA.Issue(lab.Request{Names: []string{"mx1.example.test"}})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "combined.pem")
		if err := lab.WriteCombined(file, c); err != nil {
			t.Fatal(err)
		}
		l.StartReceiver(t, lab.ReceiverConfig{Addresses: []string{lab.MX1IP}, Chains: []string{file}})
		l.StartSender(t)
		for _, name := range []string{"named", "knotd", "nsd", "unbound", "master"} {
			if !strings.Contains(strings.Join(processes(t), " "), name) {
				t.Errorf("%s does not run: %v", name, processes(t))
			}
		}
	})
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of the lab is still there: %v", err)
	}
	// The first process and this one.
	lab.Eventually(t, 2*time.Second, "no process is left", func() bool { return len(processes(t)) == 2 })
}

// TestKilled kills a test binary that has a lab and holds that everything in
// its machine ends with it.
func TestKilled(t *testing.T) {
	cmd := outside(t, "-test.run=^TestHang$", "-test.v")
	cmd.Env = append(cmd.Env, hangVariable+"=yes")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	before := len(processes(t))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for s := bufio.NewScanner(out); s.Scan() && !strings.Contains(s.Text(), "hanging"); {
		lines = append(lines, s.Text())
	}
	if running := len(processes(t)) - before; running < 6 { // three of the test binary, three servers
		t.Errorf("only %d processes: %v\n%s", running, processes(t), strings.Join(lines, "\n"))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	lab.Eventually(t, 5*time.Second, "everything inside has ended too", func() bool { return len(processes(t)) == before })
}

// TestHang is what TestKilled kills.
func TestHang(t *testing.T) {
	if os.Getenv(hangVariable) == "" {
		return
	}
	lab.New(t, lab.Config{})
	fmt.Println("hanging")
	time.Sleep(time.Hour)
}

// TestExitCode holds that failures inside are seen outside, and that Main
// refuses what it cannot do instead of skipping it.
func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		name    string
		args    []string
		uid     uint32
		more    string // environment
		code    int
		message string
	}{
		{"no test fails", []string{"-test.run=^TestHang$"}, 0, "", 0, ""},
		{"wrong flag", []string{"-test.timeout=never"}, 0, "", 2, "never"},
		{"panic", []string{"-test.run=^TestHang$", "-test.timeout=3s"}, 0, hangVariable + "=yes", 2, "panic: test timed out"},
		{"not root", nil, 65534, "", 1, "need root"},
		{"variable of the tests set by hand", nil, 0, "TLSAMGR_LAB_TEST=net:[1]", 1, "unset it"},
		{"variable of the first process set by hand", nil, 0, "TLSAMGR_LAB_INIT=net:[1]", 1, "unset it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := outside(t, c.args...)
			cmd.Env = append(cmd.Env, c.more)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.uid}}
			out, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(string(out), c.message) {
				t.Errorf("exit code %d (%v), want %d and %q:\n%s", code, err, c.code, c.message, out)
			}
		})
	}
}

// outside is a command that runs this test binary as if it were outside of the machine.
func outside(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "lab.test") // where everybody may run it
	if err := os.WriteFile(copied, self, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(filepath.Dir(copied)), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(copied, args...)
	cmd.Dir = "/"
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "TLSAMGR_LAB_") {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	return cmd
}

// processes names the processes of the machine that have not ended.
func processes(t *testing.T) (names []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has just ended
		}
		_, rest, _ := strings.Cut(string(text), "(")
		name, rest, _ := strings.Cut(rest, ") ")
		if !strings.HasPrefix(rest, "Z") {
			names = append(names, name)
		}
	}
	return names
}
