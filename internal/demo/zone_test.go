package demo

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/dane"
)

const owner = "_25._tcp.mx.demo.example."

// record makes a 3 1 1 record that starts with the given octet.
func record(first byte) dane.Record {
	return dane.NewRecord(dane.Params{Usage: dane.DANEEE, Selector: dane.SPKI, Matching: dane.SHA256}, append([]byte{first}, make([]byte, 31)...))
}

// testZone is a zone on two name servers of which the second lags.
func testZone(t *testing.T, lag time.Duration) (*zone, []*nameserver) {
	t.Helper()
	z, err := newZone("demo.example.", []string{
		"demo.example. 60 IN SOA ns1.demo.example. hostmaster.demo.example. 0 3600 600 86400 1",
		"demo.example. 60 IN NS ns1.demo.example.",
		"demo.example. 60 IN MX 10 mx.demo.example.",
		"ns1.demo.example. 60 IN A 127.0.0.1",
		"mx.demo.example. 60 IN A 127.0.0.1",
	})
	if err != nil {
		t.Fatal(err)
	}
	var servers []*nameserver
	for i, lag := range []time.Duration{0, lag} {
		s, err := newNameserver(fmt.Sprintf("ns%d", i+1), "127.0.0.1", lag)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.close(); err != nil {
				t.Error(err)
			}
		})
		servers = append(servers, s)
	}
	if err := z.serve(servers...); err != nil {
		t.Fatal(err)
	}
	return z, servers
}

// apply makes one change.
func apply(t *testing.T, z *zone, c dane.Change) {
	t.Helper()
	if err := z.Apply(t.Context(), []dane.Change{c}); err != nil {
		t.Fatal(err)
	}
}

func TestApply(t *testing.T) {
	z, _ := testZone(t, 0)
	steps := []struct {
		name   string
		change dane.Change
		want   dane.RRset
	}{
		{"first", dane.Change{Owner: owner, TTL: 2, Add: []dane.Record{record(2)}}, dane.RRset{Owner: owner, TTL: 2, Records: []dane.Record{record(2)}}},
		{"add, with another TTL", dane.Change{Owner: owner, TTL: 9, Add: []dane.Record{record(1)}}, dane.RRset{Owner: owner, TTL: 2, Records: []dane.Record{record(1), record(2)}}},
		{"the same again", dane.Change{Owner: owner, TTL: 9, Add: []dane.Record{record(1)}}, dane.RRset{Owner: owner, TTL: 2, Records: []dane.Record{record(1), record(2)}}},
		{"remove one and an absent one", dane.Change{Owner: owner, Remove: []dane.Record{record(2), record(3)}}, dane.RRset{Owner: owner, TTL: 2, Records: []dane.Record{record(1)}}},
		{"remove the last", dane.Change{Owner: owner, Remove: []dane.Record{record(1)}}, dane.RRset{Owner: owner}},
	}
	for _, s := range steps {
		serial := z.serial
		apply(t, z, s.change)
		if z.serial != serial+1 {
			t.Errorf("%s: serial %d follows %d", s.name, z.serial, serial)
		}
		got, err := z.List(t.Context(), []string{owner})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]dane.RRset{s.want}, got, cmp.Comparer(func(a, b dane.Record) bool { return a == b })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.name, diff)
		}
	}
	if err := z.Apply(t.Context(), []dane.Change{{Owner: "_25._tcp.elsewhere.example.", Add: []dane.Record{record(1)}}}); err == nil {
		t.Error("a name of another zone was accepted")
	}
}

// TestAnswers holds what the servers say, and that every answer and every
// denial of theirs convinces the validator.
func TestAnswers(t *testing.T) {
	z, servers := testZone(t, 0)
	apply(t, z, dane.Change{Owner: owner, TTL: 2, Add: []dane.Record{record(1)}})
	r := newResolver(z, fresh, servers...)
	for _, q := range []struct {
		name    string
		rtype   uint16
		rcode   int
		records int // with the signature
	}{
		{owner, dns.TypeTLSA, dns.RcodeSuccess, 2},
		{"_25._TCP.mx.Demo.example.", dns.TypeTLSA, dns.RcodeSuccess, 2},
		{"demo.example.", dns.TypeSOA, dns.RcodeSuccess, 2},
		{"demo.example.", dns.TypeDNSKEY, dns.RcodeSuccess, 2},
		{"demo.example.", dns.TypeNS, dns.RcodeSuccess, 2},
		{owner, dns.TypeA, dns.RcodeSuccess, 0},
		{"mx.demo.example.", dns.TypeAAAA, dns.RcodeSuccess, 0},
		{"_tcp.mx.demo.example.", dns.TypeTLSA, dns.RcodeSuccess, 0}, // only has a name below it
		{"_26._tcp.mx.demo.example.", dns.TypeTLSA, dns.RcodeNameError, 0},
		{"a.b.c.demo.example.", dns.TypeA, dns.RcodeNameError, 0},
		{"zz.demo.example.", dns.TypeA, dns.RcodeNameError, 0}, // behind the last name
	} {
		a, err := r.lookup(t.Context(), q.name, q.rtype)
		if err != nil {
			t.Errorf("%s %s: %v", q.name, dns.TypeToString[q.rtype], err)
			continue
		}
		if a.rcode != q.rcode || len(a.records) != q.records {
			t.Errorf("%s %s: %s with %d records, want %s with %d", q.name, dns.TypeToString[q.rtype],
				dns.RcodeToString[a.rcode], len(a.records), dns.RcodeToString[q.rcode], q.records)
		}
	}
}

// TestRefusals holds what the servers do not answer.
func TestRefusals(t *testing.T) {
	_, servers := testZone(t, 0)
	for _, q := range []struct {
		name  string
		rtype uint16
		rcode int
	}{
		{"example.", dns.TypeSOA, dns.RcodeRefused},
		{"other.example.", dns.TypeA, dns.RcodeRefused},
		{"demo.example.", dns.TypeANY, dns.RcodeNotImplemented},
		{"demo.example.", dns.TypeAXFR, dns.RcodeNotImplemented},
	} {
		m, err := dns.ExchangeContext(t.Context(), new(dns.Msg).SetQuestion(q.name, q.rtype), servers[0].address)
		if err != nil {
			t.Fatal(err)
		}
		if m.Rcode != q.rcode || m.Authoritative || len(m.Answer) > 0 {
			t.Errorf("%s %s: %s", q.name, dns.TypeToString[q.rtype], m)
		}
	}
}

// TestTransports holds that an answer that is too long for a datagram is
// truncated, whole by TCP, and without signatures for those who want none.
func TestTransports(t *testing.T) {
	z, servers := testZone(t, 0)
	var many []dane.Record
	for i := range byte(20) {
		many = append(many, record(i))
	}
	apply(t, z, dane.Change{Owner: owner, TTL: 2, Add: many})
	for _, c := range []struct {
		network   string
		do        bool
		truncated bool
		records   int
	}{{"udp", false, true, -1}, {"udp", true, true, -1}, {"tcp", false, false, 20}, {"tcp", true, false, 21}} {
		query := new(dns.Msg).SetQuestion(owner, dns.TypeTLSA)
		if c.do {
			query.SetEdns0(512, true)
		}
		m, _, err := (&dns.Client{Net: c.network}).ExchangeContext(t.Context(), query, servers[0].address)
		if err != nil {
			t.Fatal(err)
		}
		if !m.Authoritative || m.Truncated != c.truncated || c.records >= 0 && len(m.Answer) != c.records {
			t.Errorf("%s do=%t: aa=%t tc=%t, %d records", c.network, c.do, m.Authoritative, m.Truncated, len(m.Answer))
		}
	}
	a, err := newResolver(z, fresh, servers...).lookup(t.Context(), owner, dns.TypeTLSA)
	if err != nil || len(a.records) != 21 {
		t.Errorf("resolver: %d records, %v", len(a.records), err)
	}
}

func TestLag(t *testing.T) {
	const lag = 300 * time.Millisecond
	z, servers := testZone(t, lag)
	start := time.Now()
	apply(t, z, dane.Change{Owner: owner, TTL: 2, Add: []dane.Record{record(1)}})
	for i, r := range []*resolver{newResolver(z, fresh, servers[0]), newResolver(z, fresh, servers[1])} {
		appeared := awaitRecord(t, r)
		if late := appeared.Sub(start) >= lag; late != (i == 1) {
			t.Errorf("server %d showed the record after %s", i+1, appeared.Sub(start))
		}
	}
}

// awaitRecord gives the time at which the TLSA record appears.
func awaitRecord(t *testing.T, r *resolver) time.Time {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for {
		a, err := r.lookup(ctx, owner, dns.TypeTLSA)
		if err != nil {
			t.Fatal(err)
		}
		if len(a.records) > 0 {
			return time.Now()
		}
		time.Sleep(10 * time.Millisecond)
	}
}
