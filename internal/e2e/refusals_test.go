//go:build lab

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlsamgr/tlsamgr/internal/lab"
)

// refuses fails the test unless a command ends with this code and says these
// words on stderr, in one line that begins as errors do, and without key material.
func (r *rig) refuses(code int, words string, args ...string) {
	r.t.Helper()
	res := r.try(args...)
	said := false
	for line := range strings.Lines(res.errors) {
		said = said || strings.HasPrefix(line, "tlsamgr: error: ") && strings.Contains(line, words)
	}
	if res.code != code || !said {
		r.t.Errorf("tlsamgr %s: want exit code %d and an error that says %q, got %s", strings.Join(args, " "), code, words, res)
	}
	if strings.Contains(res.out+res.errors, "PRIVATE KEY") {
		r.t.Error("key material in the output")
	}
}

// A zone that is not signed: nothing is published, and the words say what to do.
func TestUnsignedZone(t *testing.T) {
	s := setup{lab: lab.Config{Zones: []lab.Zone{{Name: "example.test"}, {Name: "un.test", Security: lab.Unsigned}}}, hosts: []string{"mx1.un.test"}}
	r := newBareRig(t, s)
	s.dns = "provider = \"rfc2136\"\nzones = [\"un.test\", \"example.test\"]\nserver = \"127.0.0.11\"\ntsig_name = \"lab.\"\ntsig_secret = { file = \"" + r.lab.TSIG.SecretFile + "\" }\n"
	r.configure(s, "")
	r.try("stage", "mx")
	c, key := r.write(lab.Request{Names: r.hosts})
	r.run("stage", "mx", "--cert", c, "--key", key)
	r.receiver = r.lab.StartReceiver(t, lab.ReceiverConfig{Addresses: []string{lab.MX1IP}, Chains: []string{filepath.Join(r.live, "combined.pem")}})
	r.refuses(1, "not signed", "run")
	if have := r.tlsa(lab.PrimaryIP, r.hosts[0]); len(have) > 0 {
		t.Errorf("published in an unsigned zone: %v", have)
	}
}

// write issues a certificate and gives the files of its chain and key.
func (r *rig) write(request lab.Request) (chain, key string) {
	r.t.Helper()
	c, err := r.lab.CA.Issue(request)
	if err != nil {
		r.t.Fatal(err)
	}
	chain, key, err = c.Write(r.t.TempDir())
	if err != nil {
		r.t.Fatal(err)
	}
	return chain, key
}

// A mail server without STARTTLS must not get TLSA records: senders would stop.
func TestNoSTARTTLS(t *testing.T) {
	r := newBareRig(t, setup{})
	chain, key := r.write(lab.Request{Names: r.hosts})
	r.run("stage", "mx", "--cert", chain, "--key", key)
	r.receiver = r.lab.StartReceiver(t, lab.ReceiverConfig{Addresses: []string{lab.MX1IP}, Chains: []string{filepath.Join(r.live, "combined.pem")}, More: "smtpd_tls_security_level = none\n"})
	r.run("run")
	if s := r.status(); !s.says("address", "STARTTLS") {
		t.Errorf("status does not say that STARTTLS is missing: %+v", s)
	}
	if have := r.tlsa(lab.PrimaryIP, r.hosts[0]); len(have) > 0 {
		t.Errorf("published for a server without STARTTLS: %v", have)
	}
}

// An owner name that is a CNAME cannot hold records.
func TestOwnerIsAlias(t *testing.T) {
	r := newBareRig(t, setup{lab: lab.Config{Zones: []lab.Zone{{Name: "example.test", Records: "_25._tcp.mx1 CNAME tlsa.example.test.\n"}}}})
	chain, key := r.write(lab.Request{Names: r.hosts})
	r.try("stage", "mx", "--cert", chain, "--key", key)
	r.refuses(1, "CNAME", "run")
}

// A resolver that does not validate knows nothing about what senders see.
func TestResolverWithoutValidation(t *testing.T) {
	r := newRig(t, setup{})
	before := r.status().Live.ID
	chain, key := r.write(lab.Request{Names: r.hosts})
	r.run("stage", "mx", "--cert", chain, "--key", key)
	time.Sleep(ttl + margin)
	// The authoritative server answers, and never says AD.
	r.refuses(1, "no DNSSEC validation", "--resolver", "127.0.0.11", "run")
	if r.status().Live.ID != before {
		t.Error("swapped without knowing what senders see")
	}
	r.run("run", "--wait")
}

// What is handed over wrongly is refused with one line, and what is live stays live.
func TestHandedOverWrongly(t *testing.T) {
	r := newRig(t, setup{records: "3 1 1, 2 1 1"})
	before := r.status().Live.ID
	good, _ := r.write(lab.Request{Names: r.hosts})
	_, otherKey := r.write(lab.Request{Names: r.hosts})
	r.refuses(1, "belongs to no certificate", "stage", "mx", "--cert", good, "--key", otherKey)
	r.refuses(1, "no such file", "stage", "mx", "--cert", good, "--key", filepath.Join(r.dir, "none.pem"))
	other, key := r.write(lab.Request{Names: []string{"mx9.example.test"}})
	r.refuses(1, "does not cover mx1.example.test", "stage", "mx", "--cert", other, "--key", key)
	expired, key := r.write(lab.Request{Names: r.hosts, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour)})
	r.refuses(1, "2 1 1", "stage", "mx", "--cert", expired, "--key", key)
	future, key := r.write(lab.Request{Names: r.hosts, NotBefore: time.Now().Add(24 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour)})
	r.refuses(1, "2 1 1", "stage", "mx", "--cert", future, "--key", key)
	c, err := r.lab.CA.Issue(lab.Request{Names: r.hosts})
	if err != nil {
		t.Fatal(err)
	}
	leafOnly := filepath.Join(r.dir, "leaf.pem")
	if err := os.WriteFile(leafOnly, c.Chain[:strings.Index(string(c.Chain), "-----END")+len("-----END CERTIFICATE-----\n")], 0o600); err != nil {
		t.Fatal(err)
	}
	_, leafKey, err := c.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r.refuses(1, "2 1 1", "stage", "mx", "--cert", leafOnly, "--key", leafKey)
	if s := r.status(); s.Live.ID != before || s.Phase != "idle" {
		t.Errorf("something has changed: %+v", s)
	}
}

// Folders that are not ours, or that others can write, are left alone.
func TestForeignFolders(t *testing.T) {
	r := newBareRig(t, setup{})
	chain, key := r.write(lab.Request{Names: r.hosts})
	if err := os.Mkdir(r.live, 0o755); err != nil {
		t.Fatal(err)
	}
	r.refuses(1, r.live, "stage", "mx", "--cert", chain, "--key", key)
	if err := os.Remove(r.live); err != nil {
		t.Fatal(err)
	}
	r.run("stage", "mx", "--cert", chain, "--key", key)
	if err := os.Chmod(filepath.Join(r.dir, "state"), 0o777); err != nil {
		t.Fatal(err)
	}
	r.refuses(1, filepath.Join(r.dir, "state"), "run")
}

// A second address that presents a certificate of its own: mail fails there
// now, and the exit code says so.
func TestFailingNow(t *testing.T) {
	r := newRig(t, setup{})
	c, err := r.lab.CA.Issue(lab.Request{Names: r.hosts})
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other.pem")
	if err := lab.WriteCombined(other, c); err != nil {
		t.Fatal(err)
	}
	r.lab.StartReceiver(t, lab.ReceiverConfig{Addresses: []string{lab.MX2IP}, Chains: []string{other}})
	r.lab.Primary.Update(t, "example.test", "add mx1.example.test. 60 A "+lab.MX2IP)
	r.lab.Resolver.Flush(t)
	r.refuses(4, "matches no TLSA record", "run")
	if res := r.try("plan"); res.code != 4 {
		t.Errorf("plan: %s", res)
	}
}
