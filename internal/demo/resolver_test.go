package demo

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/dane"
)

// TestResolver asks as a stub resolver does, over the wire.
func TestResolver(t *testing.T) {
	z, servers := testZone(t, 0)
	apply(t, z, dane.Change{Owner: owner, TTL: 2, Add: []dane.Record{record(1)}})
	l, err := listen("127.0.0.1", newResolver(z, caching, servers...))
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	for _, c := range []struct {
		name       string
		ad, do, cd bool
		qname      string
		rcode      int
		wantAD     bool
	}{
		{"plain", false, false, false, owner, dns.RcodeSuccess, false},
		{"ad", true, false, false, owner, dns.RcodeSuccess, true},
		{"do", false, true, false, owner, dns.RcodeSuccess, true},
		{"denial", false, true, false, "nobody.demo.example.", dns.RcodeNameError, true},
		{"unjudged", true, true, true, owner, dns.RcodeSuccess, false},
		{"another zone", true, true, false, "example.", dns.RcodeServerFailure, false},
	} {
		query := new(dns.Msg).SetQuestion(c.qname, dns.TypeTLSA)
		query.AuthenticatedData, query.CheckingDisabled = c.ad, c.cd
		if c.do {
			query.SetEdns0(udpSize, true)
		}
		m, err := dns.ExchangeContext(t.Context(), query, l.address)
		if err != nil {
			t.Fatal(err)
		}
		if m.Rcode != c.rcode || m.AuthenticatedData != c.wantAD || m.Authoritative || !m.RecursionAvailable {
			t.Errorf("%s: %s", c.name, m)
		}
		if signatures := slices.ContainsFunc(append(m.Answer, m.Ns...), isSignature); signatures != (c.do && m.Rcode != dns.RcodeServerFailure) {
			t.Errorf("%s: signatures %t", c.name, signatures)
		}
	}
}

func isSignature(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeRRSIG }

// TestForgedServer holds that a stub gets SERVFAIL for what was forged, and
// the forgery itself only when it asks not to be protected.
func TestForgedServer(t *testing.T) {
	z, servers := testZone(t, 0)
	apply(t, z, dane.Change{Owner: owner, TTL: 2, Add: []dane.Record{record(1)}})
	forger, err := listen("127.0.0.1", dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		m := new(dns.Msg).SetReply(query)
		servers[0].edition.Load().answer(m, query.Question[0])
		for i, rr := range m.Answer {
			if tlsa, ok := rr.(*dns.TLSA); ok {
				forged := *tlsa
				forged.Certificate = "ff" + forged.Certificate[2:]
				m.Answer[i] = &forged
			}
		}
		send(w, query, m)
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer forger.close()
	l, err := listen("127.0.0.1", newResolver(z, caching, &nameserver{listener: forger}))
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	for _, cd := range []bool{false, true} {
		query := new(dns.Msg).SetQuestion(owner, dns.TypeTLSA)
		query.CheckingDisabled = cd
		m, err := dns.ExchangeContext(t.Context(), query, l.address)
		if err != nil {
			t.Fatal(err)
		}
		if bogus := m.Rcode == dns.RcodeServerFailure && len(m.Answer) == 0; bogus == cd {
			t.Errorf("cd=%t: %s", cd, m)
		}
	}
}

// TestForgeries turns true answers into false ones, each in one way.
func TestForgeries(t *testing.T) {
	z, servers := testZone(t, 0)
	apply(t, z, dane.Change{Owner: owner, TTL: 2, Add: []dane.Record{record(1)}})
	other, _ := testZone(t, 0)
	by := authority{origin: z.origin, key: z.key, now: time.Now()}
	drop := func(rrs []dns.RR, rtype uint16) []dns.RR {
		return slices.DeleteFunc(rrs, func(rr dns.RR) bool { return rr.Header().Rrtype == rtype })
	}
	var (
		exists = recordSet{owner, dns.TypeTLSA}
		noType = recordSet{owner, dns.TypeA}
		empty  = recordSet{"_tcp.mx.demo.example.", dns.TypeTLSA}
		noName = recordSet{"_26._tcp.mx.demo.example.", dns.TypeTLSA}
	)
	for _, c := range []struct {
		name  string
		at    recordSet
		forge func(m *dns.Msg, by *authority)
	}{
		{"data", exists, func(m *dns.Msg, _ *authority) {
			tlsa, _ := first[*dns.TLSA](m.Answer)
			tlsa.Certificate = "ff" + tlsa.Certificate[2:]
		}},
		{"record added", exists, func(m *dns.Msg, _ *authority) {
			tlsa, _ := first[*dns.TLSA](m.Answer)
			more := dns.Copy(tlsa).(*dns.TLSA)
			more.Certificate = "ff" + more.Certificate[2:]
			m.Answer = append(m.Answer, more)
		}},
		{"no signature", exists, func(m *dns.Msg, _ *authority) { m.Answer = drop(m.Answer, dns.TypeRRSIG) }},
		{"only a signature", exists, func(m *dns.Msg, _ *authority) { m.Answer = drop(m.Answer, dns.TypeTLSA) }},
		{"nothing at all", exists, func(m *dns.Msg, _ *authority) { m.Answer = nil }},
		{"another key", exists, func(_ *dns.Msg, by *authority) { by.key = other.key }},
		{"too late", exists, func(_ *dns.Msg, by *authority) { by.now = by.now.Add(48 * time.Hour) }},
		{"too early", exists, func(_ *dns.Msg, by *authority) { by.now = by.now.Add(-48 * time.Hour) }},
		{"answer to something else", exists, func(m *dns.Msg, _ *authority) { *m = ask(t, servers[0], recordSet{"mx.demo.example.", dns.TypeA}) }},
		{"denied though it exists", exists, func(m *dns.Msg, _ *authority) { *m = ask(t, servers[0], noType) }},
		{"name denied though it exists", exists, func(m *dns.Msg, _ *authority) { *m = ask(t, servers[0], noName) }},
		{"existing name made to disappear", noType, func(m *dns.Msg, _ *authority) { m.Rcode = dns.RcodeNameError }},
		{"empty name made to disappear", empty, func(m *dns.Msg, _ *authority) { m.Rcode = dns.RcodeNameError }},
		{"denial without proof", noType, func(m *dns.Msg, _ *authority) { m.Ns = drop(m.Ns, dns.TypeNSEC) }},
		{"denial without SOA", noType, func(m *dns.Msg, _ *authority) { m.Ns = drop(m.Ns, dns.TypeSOA) }},
		{"missing name made empty", noName, func(m *dns.Msg, _ *authority) { m.Rcode = dns.RcodeSuccess }},
		{"wildcard not denied", noName, func(m *dns.Msg, _ *authority) {
			m.Ns = slices.DeleteFunc(m.Ns, func(rr dns.RR) bool { return rr.Header().Name == "mx.demo.example." })
		}},
	} {
		m := ask(t, servers[0], c.at)
		if _, err := validate(m.Copy(), c.at, by); err != nil {
			t.Fatalf("%s: the true answer: %v", c.name, err)
		}
		judge := by
		c.forge(&m, &judge)
		if _, err := validate(&m, c.at, judge); !errors.Is(err, errBogus) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// FuzzValidate holds that no message convinces the validator of anything that
// is not in the zone.
func FuzzValidate(f *testing.F) {
	z, err := newZone("demo.example.", []string{
		"demo.example. 60 IN SOA ns1.demo.example. hostmaster.demo.example. 0 3600 600 86400 1",
		owner + " 2 IN TLSA 3 1 1 " + strings.Repeat("00", 32),
	})
	if err != nil {
		f.Fatal(err)
	}
	// Every fuzzing process must know the same key, or no seed is ever accepted.
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32))
	if err != nil {
		f.Fatal(err)
	}
	public, err := key.PublicKey.Bytes()
	if err != nil {
		f.Fatal(err)
	}
	z.signer, z.key.PublicKey = key, base64.StdEncoding.EncodeToString(public[1:])
	e, err := z.sign()
	if err != nil {
		f.Fatal(err)
	}
	names := []string{owner, "_tcp.mx.demo.example.", "_26._tcp.mx.demo.example.", "demo.example."}
	for i, name := range names {
		m := new(dns.Msg).SetQuestion(name, dns.TypeTLSA)
		e.answer(m, m.Question[0])
		wire, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		if _, err := validate(m, recordSet{name, dns.TypeTLSA}, authority{z.origin, z.key, time.Now()}); err != nil {
			f.Fatalf("the true answer for %s: %v", name, err)
		}
		f.Add(i, wire)
	}
	by := authority{origin: z.origin, key: z.key, now: time.Now()}
	f.Fuzz(func(t *testing.T, i int, wire []byte) {
		m := new(dns.Msg)
		if m.Unpack(wire) != nil {
			return
		}
		at := recordSet{names[uint(i)%uint(len(names))], dns.TypeTLSA}
		a, err := validate(m, at, by)
		if err != nil {
			return
		}
		got, err := tlsaRecords(a.records)
		if err != nil {
			t.Fatal(err)
		}
		want, err := z.List(t.Context(), []string{at.name})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want[0].Records) || (a.rcode == dns.RcodeNameError) != !e.exists(at.name) {
			t.Errorf("%s is taken to have %v, rcode %d", at.name, got, a.rcode)
		}
	})
}

// ask gets the true answer of a server.
func ask(t *testing.T, s *nameserver, at recordSet) dns.Msg {
	t.Helper()
	query := new(dns.Msg).SetQuestion(at.name, at.rtype)
	query.SetEdns0(udpSize, true)
	m, err := dns.ExchangeContext(t.Context(), query, s.address)
	if err != nil {
		t.Fatal(err)
	}
	return *m
}

// TestCache holds that a caching resolver keeps an answer for its TTL, and
// another one does not keep it at all.
func TestCache(t *testing.T) {
	t.Parallel()
	z, servers := testZone(t, 0)
	apply(t, z, dane.Change{Owner: owner, TTL: 1, Add: []dane.Record{record(1)}})
	keeps, asks := newResolver(z, caching, servers...), newResolver(z, fresh, servers...)
	records := func(r *resolver) int {
		a, err := r.lookup(t.Context(), owner, dns.TypeTLSA)
		if err != nil {
			t.Fatal(err)
		}
		return len(a.records) - 1
	}
	records(keeps)
	start := time.Now()
	apply(t, z, dane.Change{Owner: owner, Add: []dane.Record{record(2)}})
	if n := records(asks); n != 2 {
		t.Errorf("asked anew: %d records", n)
	}
	for records(keeps) == 1 {
		time.Sleep(10 * time.Millisecond)
	}
	if age := time.Since(start); age < 900*time.Millisecond || age > 3*time.Second {
		t.Errorf("an answer with a TTL of one second was kept for %s", age)
	}
}

// TestAnyServer holds that a server that is down is not noticed.
func TestAnyServer(t *testing.T) {
	z, servers := testZone(t, 0)
	down := &nameserver{listener: &listener{address: "127.0.0.1:1"}}
	r := newResolver(z, fresh, servers[0], down)
	for range 10 {
		if _, err := r.lookup(t.Context(), "demo.example.", dns.TypeSOA); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newResolver(z, fresh, down).lookup(ctx, "demo.example.", dns.TypeSOA); err == nil || errors.Is(err, errBogus) {
		t.Errorf("no server at all: %v", err)
	}
}
