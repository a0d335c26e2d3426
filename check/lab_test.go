//go:build lab

package check

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/dane"
)

// realDNS is a BIND server with all zones of a small world and a validating
// Unbound that knows no other.
type realDNS struct{ authority, resolver string }

const (
	labRoot = `
$TTL 60
. SOA ns.example.test. host.example.test. 1 3600 5 86400 5
. NS ns.example.test.
ns.example.test. A 127.0.0.1
example.test. NS ns.example.test.
plain.test. NS ns.example.test.
broken.test. NS ns.example.test.
dead.test. NS ns.example.test.
`
	labExample = `
$TTL 60
@ 40 SOA ns host 1 3600 5 86400 30
@ NS ns
ns A 127.0.0.1
ns AAAA ::1
mx A 192.0.2.7
_25._tcp.mx 20 TLSA 3 1 1 aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899
_25._tcp.www 10 CNAME _25._tcp.mx
`
)

// startDNS starts both servers and waits until they sign and validate.
func startDNS(t *testing.T) realDNS {
	dir := t.TempDir()
	d := realDNS{authority: closedPort(t), resolver: closedPort(t)}
	big := labExample
	for i := range 60 {
		big += fmt.Sprintf("_25._tcp.big 60 TLSA 3 1 1 %064x\n", i)
	}
	write(t, dir, "root.zone", labRoot)
	write(t, dir, "example.zone", big)
	write(t, dir, "plain.zone", labExample)
	write(t, dir, "named.conf", fmt.Sprintf(`
options {
	directory %q; key-directory %[1]q; managed-keys-directory %[1]q;
	listen-on port %s { 127.0.0.1; }; listen-on-v6 { none; };
	pid-file none; session-keyfile none; lock-file none;
	recursion no; dnssec-validation no; empty-zones-enable no; notify no;
};
controls { };
dnssec-policy "lab" { keys { csk lifetime unlimited algorithm ecdsap256sha256; }; };
zone "." { type primary; file "root.zone"; dnssec-policy "lab"; inline-signing yes; };
zone "example.test" { type primary; file "example.zone"; dnssec-policy "lab"; inline-signing yes; };
zone "plain.test" { type primary; file "plain.zone"; };
zone "broken.test" { type primary; file "plain.zone"; };
`, dir, port(t, d.authority)))
	run(t, dir, "named", "-g", "-n", "1", "-c", "named.conf")
	anchors := dsOf(t, d.authority, ".", ".") + dsOf(t, d.authority, "example.test.", "example.test.") +
		dsOf(t, d.authority, "example.test.", "broken.test.") // no key of broken.test fits it
	write(t, dir, "anchors", anchors)
	conf := fmt.Sprintf(`
server:
	interface: 127.0.0.1@%s
	do-daemonize: no
	username: ""
	chroot: ""
	directory: %q
	pidfile: ""
	use-syslog: no
	do-ip6: no
	do-not-query-localhost: no
	local-zone: "test." nodefault
	trust-anchor-file: "anchors"
	module-config: "validator iterator"
remote-control:
	control-enable: no
`, port(t, d.resolver), dir)
	for _, zone := range []string{".", "example.test", "plain.test", "broken.test"} {
		conf += fmt.Sprintf("stub-zone:\n\tname: %q\n\tstub-addr: 127.0.0.1@%s\n", zone, port(t, d.authority))
	}
	conf += fmt.Sprintf("stub-zone:\n\tname: \"dead.test\"\n\tstub-addr: 127.0.0.1@%s\n", port(t, closedPort(t)))
	write(t, dir, "unbound.conf", conf)
	run(t, dir, "unbound", "-d", "-c", "unbound.conf")
	eventually(t, "unbound validates", func() bool {
		r := Resolver{Address: d.resolver, Timeout: time.Second}
		return r.Lookup(t.Context(), "mx.example.test.", dns.TypeA).Status == Secure
	})
	return d
}

// dsOf waits until a zone is signed and gives a DS record for owner with the digest of its key.
func dsOf(t *testing.T, authority, zone, owner string) (text string) {
	eventually(t, zone+" is signed", func() bool {
		q, err := newQuery(zone, dns.TypeDNSKEY)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m, err := askTCP(ctx, authority, q)
		if err != nil || len(signatures(m.Answer, zone, time.Now(), dns.TypeDNSKEY)) == 0 {
			return false
		}
		key := rrsAt(m.Answer, zone, dns.TypeDNSKEY)[0].(*dns.DNSKEY)
		key.Hdr.Name = owner
		text = key.ToDS(dns.SHA256).String() + "\n"
		return true
	})
	return text
}

func TestRealResolver(t *testing.T) {
	t.Parallel()
	d := startDNS(t)
	r := &Resolver{Address: d.resolver, Timeout: 5 * time.Second}
	if err := r.ProbeValidating(t.Context()); err != nil {
		t.Error(err)
	}
	for _, tc := range []struct {
		name   string
		qtype  uint16
		status Status
		rcode  int
		count  int
		most   time.Duration // highest TTL
	}{
		{"_25._tcp.mx.example.test.", dns.TypeTLSA, Secure, dns.RcodeSuccess, 1, 20 * time.Second},
		{"_25._tcp.www.example.test.", dns.TypeTLSA, Secure, dns.RcodeSuccess, 1, 10 * time.Second},
		{"_25._tcp.big.example.test.", dns.TypeTLSA, Secure, dns.RcodeSuccess, 60, time.Minute},
		{"_tcp.mx.example.test.", dns.TypeTLSA, Secure, dns.RcodeSuccess, 0, 30 * time.Second},
		{"_465._tcp.mx.example.test.", dns.TypeTLSA, Secure, dns.RcodeNameError, 0, 30 * time.Second},
		{"_25._tcp.mx.plain.test.", dns.TypeTLSA, Insecure, dns.RcodeSuccess, 1, 20 * time.Second},
		{"_465._tcp.mx.plain.test.", dns.TypeTLSA, Insecure, dns.RcodeNameError, 0, 30 * time.Second},
		{"_25._tcp.mx.broken.test.", dns.TypeTLSA, Bogus, 0, 0, 0},
		{"_465._tcp.mx.broken.test.", dns.TypeTLSA, Bogus, 0, 0, 0},
		{"_25._tcp.mx.dead.test.", dns.TypeTLSA, Failed, 0, 0, 0},
	} {
		a := r.Lookup(t.Context(), tc.name, tc.qtype)
		if a.Status != tc.status || len(a.Records) != tc.count || a.TTL > tc.most || a.Err() == nil && (a.Rcode != tc.rcode || a.TTL <= tc.most-5*time.Second) {
			t.Errorf("%s: %s (%s) with %d records, response code %d, TTL %v", tc.name, a.Status, a.Why, len(a.Records), a.Rcode, a.TTL)
		}
	}
	for name, want := range map[string]string{owner: origin, "_25._tcp.www.example.test.": origin, "x.y.plain.test.": "plain.test.", "nowhere.": "."} {
		if zone, soa, err := r.Zone(t.Context(), name); zone != want || err != nil || soa == nil {
			t.Errorf("%s is in zone %q: %v", name, zone, err)
		}
	}
	servers, err := r.Nameservers(t.Context(), origin)
	if diff := cmp.Diff([]Server{{Name: "ns.example.test.", Address: "127.0.0.1:53"}, {Name: "ns.example.test.", Address: "[::1]:53"}}, servers); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// A resolver that only passes answers on does not pass for a validating one.
func TestRealNonValidating(t *testing.T) {
	t.Parallel()
	d := startDNS(t)
	r := &Resolver{Address: d.authority, Timeout: 2 * time.Second}
	if err := r.ProbeValidating(t.Context(), origin); !errors.Is(err, ErrNotValidating) {
		t.Errorf("error %v, want %v", err, ErrNotValidating)
	}
}

func TestRealAuthority(t *testing.T) {
	t.Parallel()
	d := startDNS(t)
	s := Server{Name: "ns.example.test.", Address: d.authority}
	for _, tc := range []struct {
		owner string
		want  ServerAnswer
	}{
		{owner, ServerAnswer{Records: mustParse(t, "3 1 1 aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899"), TTL: 20 * time.Second}},
		{"_25._tcp.www.example.test.", ServerAnswer{Alias: owner, TTL: 10 * time.Second}},
		{"_tcp.mx.example.test.", ServerAnswer{NegativeTTL: 30 * time.Second}},
		{"_465._tcp.mx.example.test.", ServerAnswer{NegativeTTL: 30 * time.Second}},
	} {
		got := AskServer(t.Context(), s, origin, tc.owner, 5*time.Second)
		now := time.Now()
		if !got.Signed || got.SignatureInception.After(now) || got.SignatureExpiration.Before(now.Add(24*time.Hour)) || got.SignatureExpiration.After(now.Add(60*24*time.Hour)) {
			t.Errorf("%s: signed from %v to %v", tc.owner, got.SignatureInception, got.SignatureExpiration)
		}
		got.Server, got.Signed, got.SignatureInception, got.SignatureExpiration = Server{}, false, time.Time{}, time.Time{}
		if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(dane.Record{})); diff != "" {
			t.Errorf("%s: %s", tc.owner, diff)
		}
	}
	if got := AskServer(t.Context(), s, origin, "_25._tcp.big.example.test.", 5*time.Second); len(got.Records) != 60 || got.Err != nil {
		t.Errorf("%d records, %v", len(got.Records), got.Err)
	}
	if got := AskServer(t.Context(), s, "elsewhere.org.", "mx.elsewhere.org.", 5*time.Second); got.Err == nil {
		t.Errorf("%+v from a server that knows nothing of the zone", got)
	}
	if got := AskServer(t.Context(), Server{Name: "resolver", Address: d.resolver}, origin, owner, 5*time.Second); got.Err == nil {
		t.Errorf("%+v from a resolver", got)
	}
	if err := CheckAncestors(t.Context(), s, origin, owner, 5*time.Second); err != nil {
		t.Error(err)
	}
}

// OpenSSL is what most mail servers answer with.
func TestRealTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, algorithm := range []string{"rsa", "ecdsa"} {
		c := certificate(t, algorithm)
		key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, algorithm+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
		write(t, dir, algorithm+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})))
	}
	both := []string{"-cert", "rsa.pem", "-key", "rsa.key", "-dcert", "ecdsa.pem", "-dkey", "ecdsa.key"}
	for _, tc := range []struct {
		name string
		args []string
		want [3]string // asked for any, rsa, ecdsa
	}{
		{"both", both, [3]string{"rsa TLS 1.3", "rsa TLS 1.2", "ecdsa TLS 1.2"}},
		{"rsa", both[:4], [3]string{"rsa TLS 1.3", "rsa TLS 1.2", ErrNoCommonKey.Error()}},
		{"both, 1.3 only", append(slices.Clone(both), "-tls1_3"), [3]string{"rsa TLS 1.3", "rsa TLS 1.3", "rsa TLS 1.3"}},
		{"both, 1.2 only", append(slices.Clone(both), "-tls1_2"), [3]string{"ecdsa TLS 1.2", "rsa TLS 1.2", "ecdsa TLS 1.2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			address := closedPort(t)
			run(t, dir, "openssl", append([]string{"s_server", "-accept", address, "-quiet"}, tc.args...)...)
			eventually(t, "openssl listens", func() bool {
				conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
				if err == nil {
					conn.Close()
				}
				return err == nil
			})
			for i, algorithm := range []string{"", "rsa", "ecdsa"} {
				at := Target{Host: "mx.example.test", Port: 465, Protocol: "tls", Address: address}
				got, err := (&Prober{Timeout: 5 * time.Second}).Chain(t.Context(), at, algorithm)
				if s := got.Algorithm + " " + got.Version; err == nil && s != tc.want[i] || err != nil && !strings.Contains(err.Error(), tc.want[i]) {
					t.Errorf("asked for %q: %s, %v; want %s", algorithm, s, err, tc.want[i])
				}
			}
		})
	}
}

// run starts a server in the foreground; it ends with the test.
func run(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		path = filepath.Join("/usr/sbin", program) // not in everybody's path
	}
	var log bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", program, &log)
		}
	})
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func port(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
