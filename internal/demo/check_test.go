package demo

import (
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/check"
	"github.com/tlsamgr/tlsamgr/dane"
)

// TestEyes holds that package check sees the small servers as it sees real ones.
func TestEyes(t *testing.T) {
	const lag = 200 * time.Millisecond
	z, servers := testZone(t, lag)
	apply(t, z, dane.Change{Owner: owner, TTL: 2, Add: []dane.Record{record(1)}})
	time.Sleep(lag + 100*time.Millisecond)
	l, err := listen("127.0.0.1", newResolver(z, fresh, servers...))
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	r := check.Resolver{Address: l.address, Timeout: 5 * time.Second}
	for _, q := range []struct {
		name    string
		rtype   uint16
		records int
	}{{owner, dns.TypeTLSA, 1}, {owner, dns.TypeA, 0}, {"nobody.demo.example.", dns.TypeTLSA, 0}, {"demo.example.", dns.TypeMX, 1}} {
		if a := r.Lookup(t.Context(), q.name, q.rtype); a.Status != check.Secure || len(a.Records) != q.records {
			t.Errorf("%s %s: %s (%s), %d records", q.name, dns.TypeToString[q.rtype], a.Status, a.Why, len(a.Records))
		}
	}
	if err := r.ProbeValidating(t.Context(), "demo.example."); err != nil {
		t.Error(err)
	}
	if zone, _, err := r.Zone(t.Context(), owner); zone != "demo.example." || err != nil {
		t.Errorf("zone %q, %v", zone, err)
	}

	apply(t, z, dane.Change{Owner: owner, Add: []dane.Record{record(2)}})
	for i, s := range servers {
		a := check.AskServer(t.Context(), check.Server{Address: s.address}, "demo.example.", owner, 5*time.Second)
		if a.Err != nil || len(a.Records) != 2-i || a.TTL != 2*time.Second || !a.Signed {
			t.Errorf("server %d: %+v", i+1, a)
		}
	}

	forged, _ := testZone(t, 0)
	z.key = forged.key
	bogus, err := listen("127.0.0.1", newResolver(z, fresh, servers...))
	if err != nil {
		t.Fatal(err)
	}
	defer bogus.close()
	r.Address = bogus.address
	if a := r.Lookup(t.Context(), owner, dns.TypeTLSA); a.Status != check.Bogus {
		t.Errorf("signed with another key: %s (%s)", a.Status, a.Why)
	}
}

// TestProbe holds that package check sees the mail server's chain.
func TestProbe(t *testing.T) {
	w := newTestWorld(t, 0)
	pair, key := certify(t, w.ca)
	w.serve(pair)
	for _, address := range w.mail.addresses() {
		p, err := new(check.Prober).Chain(t.Context(), check.Target{Host: host, Port: w.mail.port(), Protocol: "smtp", Address: address}, "")
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Chain.Certificates()) != 2 || !strings.HasSuffix(w.record(key).String(), p.Chain.KeyID()) {
			t.Errorf("%s: a chain of %d, key %s", address, len(p.Chain.Certificates()), p.Chain.KeyID())
		}
	}
}
