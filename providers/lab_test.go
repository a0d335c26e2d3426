//go:build lab

package providers_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/providers"
	"github.com/tlsamgr/tlsamgr/providers/providerstest"
)

const labSecret = "dGhpcnR5LXR3byBvY3RldHMgZm9yIGEga2V5IQ=="

// labServer is a real name server in a folder of its own, on a free port of 127.0.0.1.
type labServer struct {
	t       *testing.T
	dir     string
	port    int
	control int  // second port, for rndc
	signed  bool // transfers are signed with the key
	process *os.Process
}

func newLabServer(t *testing.T) *labServer {
	return &labServer{t: t, dir: t.TempDir(), port: freePort(t), control: freePort(t)}
}

// freePort gives a port that is free for TCP and UDP.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := listener.Addr().(*net.TCPAddr).Port
		packets, err := net.ListenPacket("udp", listener.Addr().String())
		listener.Close()
		if err == nil {
			packets.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

func (s *labServer) path(name string) string { return filepath.Join(s.dir, name) }
func (s *labServer) address() string         { return fmt.Sprintf("127.0.0.1:%d", s.port) }
func (s *labServer) zoneFile() string        { return s.path("db.example.test") }

// write puts a file into the server's folder; {dir}, {port}, {control} and
// {secret} stand for the server's own.
func (s *labServer) write(name, text string) {
	s.t.Helper()
	text = s.filled(text)
	if err := os.WriteFile(s.path(name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *labServer) filled(text string) string {
	return strings.NewReplacer("{dir}", s.dir, "{port}", fmt.Sprint(s.port), "{control}", fmt.Sprint(s.control), "{secret}", labSecret).Replace(text)
}

// start runs a program until the test ends.
func (s *labServer) start(argv ...string) {
	s.t.Helper()
	output := &bytes.Buffer{}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.process = cmd.Process
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	s.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-done
		}
		if s.t.Failed() {
			s.t.Logf("%s said:\n%s", argv[0], output)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if all, err := s.transfer(); err == nil && len(all) > 20 {
			return
		} else if time.Now().After(deadline) {
			s.t.Fatalf("%s does not serve the zone: %v\n%s", argv[0], err, output)
		}
	}
}

// run is how the provider's commands are run here.
func (s *labServer) run(ctx context.Context, argv []string) error {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%q: %w: %s", argv, err, out)
	}
	return nil
}

// transfer gives the whole zone as secondaries get it.
func (s *labServer) transfer() ([]dns.RR, error) {
	question := new(dns.Msg).SetAxfr(providerstest.Apex)
	transfer := &dns.Transfer{DialTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second}
	if s.signed {
		transfer.TsigSecret = map[string]string{keyName: labSecret}
		question.SetTsig(keyName, dns.HmacSHA256, 300, time.Now().Unix())
	}
	parts, err := transfer.In(question, s.address())
	if err != nil {
		return nil, err
	}
	var all []dns.RR
	for part := range parts {
		if part.Error != nil {
			err = part.Error
		}
		all = append(all, part.RR...)
	}
	return all, err
}

// dump asks until there is an answer: NSD cuts connections off while it reloads.
func (s *labServer) dump(t *testing.T) []dns.RR {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		all, err := s.transfer()
		if err == nil {
			return all
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func (s *labServer) conformance(z providers.Zone) {
	providerstest.Run(s.t, providerstest.Subject{Zone: z, Dump: s.dump})
}

func (s *labServer) open(settings providers.Settings) providers.Zone {
	s.t.Helper()
	settings.Zones, settings.Run = []string{providerstest.Apex}, s.run
	for key, value := range settings.Options {
		if text, ok := value.(string); ok {
			settings.Options[key] = s.filled(text)
		}
		if argv, ok := value.([]string); ok {
			for i := range argv {
				argv[i] = s.filled(argv[i])
			}
		}
	}
	z, err := providers.Open(settings)
	if err != nil {
		s.t.Fatal(err)
	}
	return z
}

func (s *labServer) rfc2136() providers.Zone {
	return s.open(providers.Settings{Provider: "rfc2136", Options: map[string]any{"server": "127.0.0.1:{port}", "tsig_name": keyName, "tsig_secret": "{secret}"}})
}

func (s *labServer) zonefile(options map[string]any) providers.Zone {
	options["file"] = "{dir}/db.example.test"
	return s.open(providers.Settings{Provider: "zonefile", Options: options})
}
