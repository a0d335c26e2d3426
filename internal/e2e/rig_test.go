//go:build lab

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/internal/lab"
)

// atOnce is how many tests run at the same time. Each needs little of a
// processor: it waits for TTLs.
const atOnce = 4

// programVariable names the program under test for all processes of a run.
const programVariable = "TLSAMGR_E2E_PROGRAM"

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run builds tlsamgr once, for all machines.
func run(m *testing.M) int {
	if os.Getenv(programVariable) == "" {
		dir, err := os.MkdirTemp("", "tlsamgr-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		file := filepath.Join(dir, "tlsamgr")
		if out, err := exec.Command("go", "build", "-o", file, "../../cmd/tlsamgr").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v: %s\n", err, out)
			return 1
		}
		os.Setenv(programVariable, file)
	}
	return lab.MainApart(m, atOnce)
}

// The timing of the tests: what `1x` of a TTL of 5 s can be at its least. A
// Postfix sender holds an answer up to a second longer than its TTL and then
// connects, so the margin is three seconds.
const (
	ttl    = 5 * time.Second
	margin = 3 * time.Second
	settle = time.Second
)

// rig is a lab with tlsamgr set up in it.
type rig struct {
	t        *testing.T
	lab      *lab.Lab
	dir      string
	config   string
	live     string
	receiver *lab.Receiver
	sender   *lab.Sender
	hosts    []string
	keys     map[lab.Algorithm]*lab.Certificate
}

// setup is what a test may want to be different.
type setup struct {
	lab       lab.Config
	hosts     []string        // mail hosts; empty: mx1.example.test
	addresses []string        // of the receiver; empty: that of mx1
	records   string          // of the certificate; empty: "3 1 1"
	keys      []lab.Algorithm // empty: ECDSA
	dns       string          // the [dns.*] table; empty: rfc2136 on the primary
	server    string          // of rfc2136; empty: the primary
	reload    string          // TOML; empty: the receiver's reload command
	receiver  string          // more lines of its main.cf
}

// newRig starts everything, installs a first certificate, and publishes it.
func newRig(t *testing.T, s setup) *rig {
	t.Helper()
	r := newBareRig(t, s)
	r.start(s)
	return r
}

// newBareRig starts the name servers only, and writes the configuration.
func newBareRig(t *testing.T, s setup) *rig {
	t.Helper()
	r := &rig{t: t, lab: lab.New(t, s.lab), dir: t.TempDir(), hosts: s.hosts, keys: map[lab.Algorithm]*lab.Certificate{}}
	if len(r.hosts) == 0 {
		r.hosts = []string{"mx1.example.test"}
	}
	r.live = filepath.Join(r.dir, "live", "mx")
	r.config = filepath.Join(r.dir, "tlsamgr.toml")
	r.configure(s, s.reload)
	return r
}

// configure writes tlsamgr.toml.
func (r *rig) configure(s setup, reload string) {
	r.t.Helper()
	if reload == "" {
		reload = "[]"
	}
	server := s.server
	if server == "" {
		server = r.lab.Primary.Address
	}
	dns := s.dns
	if dns == "" {
		dns = fmt.Sprintf("provider = \"rfc2136\"\nzones = [\"example.test\", \"example2.test\"]\nserver = %q\ntsig_name = %q\ntsig_algorithm = %q\ntsig_secret = { file = %q }\n",
			server, r.lab.TSIG.Name, r.lab.TSIG.Algorithm, r.lab.TSIG.SecretFile)
	}
	records := s.records
	if records == "" {
		records = "3 1 1"
	}
	var endpoints []string
	for _, h := range r.hosts {
		endpoints = append(endpoints, h+":25")
	}
	text := fmt.Sprintf(`state_dir = %q
resolver = "127.0.0.1:53"
dnssec = "resolver"

[dns.lab]
%s
[certificate.mx]
endpoints = [%s]
records = [%s]
ttl = %q
live_dir = %q
reload = %s
wait = "1x"
floor = "0s"
margin = %q
settle = %q
`, filepath.Join(r.dir, "state"), dns, quoted(endpoints), quoted(strings.Split(records, ",")), ttl, r.live, reload, margin, settle)
	if err := os.MkdirAll(filepath.Dir(r.live), 0o755); err != nil {
		r.t.Fatal(err)
	}
	// Postfix reads the live files as root before it gives up its rights.
	if err := os.Chmod(r.dir, 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func quoted(list []string) string {
	var out []string
	for _, s := range list {
		out = append(out, fmt.Sprintf("%q", strings.TrimSpace(s)))
	}
	return strings.Join(out, ", ")
}

// start installs a first certificate, starts the receiver with it, and
// publishes.
func (r *rig) start(s setup) {
	r.t.Helper()
	if len(s.keys) == 0 {
		s.keys = []lab.Algorithm{lab.ECDSA}
	}
	r.stage(s.keys, nil)
	r.run("run")
	if _, err := os.Stat(filepath.Join(r.live, "combined.pem")); err != nil {
		r.t.Fatalf("the first certificate is not installed: %v\n%s", err, r.run("status"))
	}
	addresses := s.addresses
	if len(addresses) == 0 {
		addresses = []string{lab.MX1IP}
	}
	r.receiver = r.lab.StartReceiver(r.t, lab.ReceiverConfig{Addresses: addresses, Chains: []string{filepath.Join(r.live, "combined.pem")}, More: s.receiver})
	if s.reload == "" {
		r.configure(s, "[["+quoted(r.receiver.ReloadCommand())+"]]")
	}
	r.run("run", "--wait")
	for _, h := range r.hosts {
		if len(r.tlsa(lab.PrimaryIP, h)) == 0 && s.dns == "" {
			r.t.Fatalf("nothing is published for %s:\n%s", h, r.run("status"))
		}
	}
}

// stage issues a certificate for each algorithm and hands it over. keys, where
// given, are used again.
func (r *rig) stage(algorithms []lab.Algorithm, keys map[lab.Algorithm]*lab.Certificate) {
	r.t.Helper()
	args := []string{"stage", "mx"}
	for _, a := range algorithms {
		request := lab.Request{Names: r.hosts, Algorithm: a, NotBefore: time.Now().Add(-time.Hour)}
		if keys != nil {
			request.Key = keys[a].Key
		}
		c, err := r.lab.CA.Issue(request)
		if err != nil {
			r.t.Fatal(err)
		}
		r.keys[a] = c
		chain, key, err := c.Write(r.t.TempDir())
		if err != nil {
			r.t.Fatal(err)
		}
		args = append(args, "--cert", chain, "--key", key)
	}
	r.run(args...)
}

// result is what a command answered.
type result struct {
	code        int
	out, errors string
}

func (r result) String() string { return fmt.Sprintf("exit %d\n%s%s", r.code, r.out, r.errors) }

// try runs tlsamgr.
func (r *rig) try(args ...string) result {
	r.t.Helper()
	return r.command(nil, args...)
}

// command runs tlsamgr behind another program, such as strace.
func (r *rig) command(wrapper []string, args ...string) result {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	argv := append(append([]string{}, wrapper...), os.Getenv(programVariable), "--config", r.config)
	cmd := exec.CommandContext(ctx, argv[0], append(argv[1:], args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// run runs tlsamgr and fails the test unless it exits 0.
func (r *rig) run(args ...string) result {
	r.t.Helper()
	res := r.try(args...)
	if res.code != 0 {
		r.t.Fatalf("tlsamgr %s: %s", strings.Join(args, " "), res)
	}
	return res
}

// state is what status says in JSON.
type state struct {
	Phase string
	Live  *struct{ ID string }
	Why   []struct {
		Kind, Subject, Text string
		Since, Until        time.Time
	}
}

func (r *rig) status() state {
	r.t.Helper()
	var all []state
	if err := json.Unmarshal([]byte(r.run("status", "-o", "json").out), &all); err != nil {
		r.t.Fatal(err)
	}
	return all[0]
}

// says reports whether a reason of that kind holds these words.
func (s state) says(kind, words string) bool {
	for _, r := range s.Why {
		if r.Kind == kind && strings.Contains(r.Subject+" "+r.Text, words) {
			return true
		}
	}
	return false
}

// tlsa gives the records that a server serves for a host.
func (r *rig) tlsa(server, host string) []string {
	r.t.Helper()
	records, _ := lab.TLSA(r.t, server, "_25._tcp."+host)
	return records
}

// deliver starts a sender that delivers ten messages a second to every host.
func (r *rig) deliver() {
	r.t.Helper()
	// dane-only fails where there are no records, and the resolver may hold
	// that there are none.
	r.lab.Resolver.Flush(r.t)
	r.sender = r.lab.StartSender(r.t)
	r.sender.Send(r.t, 10/len(r.hosts), r.hosts...)
}

// delivered ends the sender and fails the test when a single message was not
// delivered. On a fast machine a test may be over before enough was sent for
// that to mean anything: then the sender goes on for a while.
func (r *rig) delivered(atLeast int) {
	r.t.Helper()
	lab.Eventually(r.t, 30*time.Second, fmt.Sprintf("%d messages are handed over", atLeast), func() bool {
		c := r.sender.Counts(r.t)
		return c.Sent+c.Failed+c.Pending >= atLeast
	})
	c := r.sender.Stop(r.t)
	r.t.Logf("%d deliveries, %d failed", c.Sent, c.Failed)
	if c.Failed > 0 {
		r.t.Errorf("%d deliveries failed: %v\n%s", c.Failed, c.Reasons, r.try("status"))
	}
	if c.Sent < atLeast {
		r.t.Errorf("%d deliveries are too few to prove anything; at least %d expected", c.Sent, atLeast)
	}
}

// serial gives the serial number of the zone on the primary.
func (r *rig) serial() uint32 {
	r.t.Helper()
	for _, rr := range lab.Ask(r.t, lab.PrimaryIP, "example.test", dns.TypeSOA).Answer {
		if soa, ok := rr.(*dns.SOA); ok {
			return soa.Serial
		}
	}
	r.t.Fatal("no SOA record")
	return 0
}

// published fails the test unless both servers serve exactly these records for
// every host.
func (r *rig) published(records ...string) {
	r.t.Helper()
	r.publishedBy(lab.PrimaryIP, records...)
}

// publishedBy is published for another primary.
func (r *rig) publishedBy(primary string, records ...string) {
	r.t.Helper()
	for _, h := range r.hosts {
		for _, server := range []string{primary, lab.SecondaryIP} {
			lab.Eventually(r.t, 5*time.Second, fmt.Sprintf("%s serves %v for %s", server, records, h), func() bool {
				have := r.tlsa(server, h)
				for _, want := range records {
					if !strings.Contains(strings.ToLower(strings.Join(have, "\n")), want) {
						return false
					}
				}
				return len(have) == len(records)
			})
		}
	}
}
