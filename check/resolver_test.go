package check

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/dane"
)

// recursive answers for zones as a validating resolver does.
func recursive(zones ...*zone) dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
		for _, z := range zones {
			if dns.IsSubDomain(z.origin, q.Question[0].Name) {
				m = z.answer(q)
				m.AuthenticatedData = len(z.signedSet(z.origin, dns.TypeSOA)) > 1
			}
		}
		m.Authoritative, m.RecursionAvailable = false, true
		send(w, q, m)
	}
}

// broken is a resolver that cannot validate: SERVFAIL, unless it need not.
func broken(z *zone) dns.HandlerFunc {
	whole := recursive(z)
	return func(w dns.ResponseWriter, q *dns.Msg) {
		if q.CheckingDisabled {
			whole(w, q)
			return
		}
		m := new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
		m.SetEdns0(payload, true)
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeSignatureExpired, ExtraText: "for\nexample"}}
		send(w, q, m)
	}
}

func answering(t testing.TB, handler dns.HandlerFunc) *Resolver {
	return &Resolver{Address: serve(t, "127.0.0.1", handler), Timeout: 10 * time.Second}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	signed, _, _ := signedExample(t)
	plain := parseZone(t, "plain.test.", strings.ReplaceAll(exampleZone, origin, "plain.test."))
	r := answering(t, recursive(signed, plain))
	type answer struct {
		Status    Status
		Rcode     string
		Canonical string
		Records   int
		TTL       time.Duration
	}
	for _, tc := range []struct {
		name, of string
		qtype    uint16
		want     answer
	}{
		{"TLSA", owner, dns.TypeTLSA, answer{Secure, "NOERROR", owner, 2, 30 * time.Minute}},
		{"case and no dot", "MX.Example.TEST", dns.TypeA, answer{Secure, "NOERROR", "mx.example.test.", 2, time.Hour}},
		{"MX", origin, dns.TypeMX, answer{Secure, "NOERROR", origin, 1, time.Hour}},
		{"alias followed", "_25._tcp.www.example.test.", dns.TypeTLSA, answer{Secure, "NOERROR", owner, 2, time.Minute}},
		{"alias asked for", "_25._tcp.www.example.test.", dns.TypeCNAME, answer{Secure, "NOERROR", "_25._tcp.www.example.test.", 1, time.Minute}},
		{"alias to nothing of that type", "_25._tcp.www.example.test.", dns.TypeA, answer{Secure, "NOERROR", owner, 0, time.Minute}},
		{"no data", "mx.example.test.", dns.TypeTLSA, answer{Secure, "NOERROR", "mx.example.test.", 0, 5 * time.Minute}},
		{"no name", "none.example.test.", dns.TypeTLSA, answer{Secure, "NXDOMAIN", "none.example.test.", 0, 5 * time.Minute}},
		{"insecure", "_25._tcp.mx.plain.test.", dns.TypeTLSA, answer{Insecure, "NOERROR", "_25._tcp.mx.plain.test.", 2, 30 * time.Minute}},
		{"insecure, no name", "none.plain.test.", dns.TypeTLSA, answer{Insecure, "NXDOMAIN", "none.plain.test.", 0, 5 * time.Minute}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := r.Lookup(t.Context(), tc.of, tc.qtype)
			got := answer{a.Status, dns.RcodeToString[a.Rcode], a.Canonical, len(a.Records), a.TTL}
			if diff := cmp.Diff(tc.want, got); diff != "" || a.Err() != nil {
				t.Errorf("%s%v", diff, a.Err())
			}
			if (a.Why == "") != (a.Status == Secure) {
				t.Errorf("%s because %q", a.Status, a.Why)
			}
			if a.Name != dns.CanonicalName(tc.of) || a.Type != tc.qtype {
				t.Errorf("the answer is about %s %d", a.Name, a.Type)
			}
		})
	}
	records, err := r.Lookup(t.Context(), owner, dns.TypeTLSA).TLSA()
	if diff := cmp.Diff(published(t), records, cmp.AllowUnexported(dane.Record{})); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// What is no answer must never look like one.
func TestLookupFails(t *testing.T) {
	t.Parallel()
	z, _, _ := signedExample(t)
	rcode := func(n int) dns.HandlerFunc {
		return func(w dns.ResponseWriter, q *dns.Msg) { send(w, q, new(dns.Msg).SetRcode(q, n)) }
	}
	altered := func(alter func(m *dns.Msg)) dns.HandlerFunc {
		return func(w dns.ResponseWriter, q *dns.Msg) {
			m := z.answer(q).Copy()
			alter(m)
			send(w, q, m)
		}
	}
	for _, tc := range []struct {
		name, of string
		handler  dns.HandlerFunc
		status   Status
		why      string
	}{
		{"SERVFAIL", owner, rcode(dns.RcodeServerFailure), Failed, "answers SERVFAIL"},
		{"REFUSED", owner, rcode(dns.RcodeRefused), Failed, "answers REFUSED"},
		{"no EDNS", owner, rcode(dns.RcodeFormatError), Failed, "answers FORMERR"},
		{"unknown code", owner, rcode(14), Failed, "answers response code 14"},
		{"bogus", owner, broken(z), Bogus, `answers SERVFAIL (Signature Expired: "for\nexample"), and has an answer when it need not validate`},
		{"bogus denial", "none.example.test.", broken(z), Bogus, "need not validate"},
		{"circle", "loop1.example.test.", recursive(z), Failed, "go in a circle"},
		{"two aliases", "_25._tcp.www.example.test.", altered(func(m *dns.Msg) {
			other := dns.Copy(m.Answer[0]).(*dns.CNAME)
			other.Target = "elsewhere.test."
			m.Answer = append(m.Answer, other)
		}), Failed, "more than one CNAME at _25._tcp.www.example.test."},
		{"denied and there", owner, altered(func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }), Failed, "denies the name and sends records of it"},
		{"silent", owner, func(dns.ResponseWriter, *dns.Msg) {}, Failed, "no answer in time over UDP, no answer in time over TCP"},
		{"label too long", strings.Repeat("a", 64) + ".test.", recursive(z), Failed, "is not a domain name"},
		{"empty name", "", recursive(z), Failed, "is not a domain name"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := answering(t, tc.handler)
			if tc.name == "silent" {
				r.Timeout = impatient
			}
			a := r.Lookup(t.Context(), tc.of, dns.TypeTLSA)
			if a.Status != tc.status || !strings.Contains(a.Why, tc.why) {
				t.Errorf("%s because %q, want %s because %q", a.Status, a.Why, tc.status, tc.why)
			}
			if a.Records != nil || a.Canonical != "" {
				t.Errorf("holds %v", a.Records)
			}
			want := ErrFailed
			if tc.status == Bogus {
				want = ErrBogus
			}
			if err := a.Err(); !errors.Is(err, want) || !strings.Contains(err.Error(), tc.why) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// One SERVFAIL that passes is trouble upstream, not a bogus zone.
func TestLookupPassingTrouble(t *testing.T) {
	t.Parallel()
	z, _, _ := signedExample(t)
	var once sync.Once
	r := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
		handler := recursive(z)
		once.Do(func() { handler = broken(z) })
		handler(w, q)
	})
	if a := r.Lookup(t.Context(), owner, dns.TypeTLSA); a.Status != Secure || len(a.Records) != 2 {
		t.Errorf("%s: %s", a.Status, a.Why)
	}
}

func TestLookupAsksAsItShould(t *testing.T) {
	t.Parallel()
	z, _, _ := signedExample(t)
	asked := make(chan *dns.Msg, 4)
	r := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
		asked <- q.Copy()
		recursive(z)(w, q)
	})
	ids := map[uint16]bool{}
	for range 4 {
		r.Lookup(t.Context(), owner, dns.TypeTLSA)
		q := <-asked
		ids[q.Id] = true
		if opt := q.IsEdns0(); opt == nil || !opt.Do() || opt.UDPSize() != 1232 || !q.RecursionDesired || !q.AuthenticatedData || q.CheckingDisabled {
			t.Errorf("asked %v", q)
		}
	}
	if len(ids) < 3 {
		t.Errorf("ids %v are not random", ids)
	}
}

// The AD bit counts only when nobody on the way can have set it.
func TestLookupBelievesLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		r    Resolver
		want bool
	}{
		{Resolver{Address: "127.0.0.1:53"}, true},
		{Resolver{Address: "127.8.9.1:53"}, true},
		{Resolver{Address: "[::1]:53"}, true},
		{Resolver{Address: "[::ffff:127.0.0.1]:53"}, true},
		{Resolver{Address: "192.0.2.1:53"}, false},
		{Resolver{Address: "10.0.0.1:53"}, false},
		{Resolver{Address: "localhost:53"}, false},
		{Resolver{Address: "192.0.2.1:53", Trust: true}, true},
	} {
		if got := tc.r.believed(); got != tc.want {
			t.Errorf("%+v: believed %v", tc.r, got)
		}
		a := tc.r.believe(Answer{Status: Secure})
		if (a.Status == Secure) != tc.want || !tc.want && (a.Status != Indeterminate || !strings.Contains(a.Why, "not on this machine")) {
			t.Errorf("%+v: %s because %q", tc.r, a.Status, a.Why)
		}
	}
}

func TestProbeValidating(t *testing.T) {
	t.Parallel()
	signed, _, _ := signedExample(t)
	now := time.Now()
	root := parseZone(t, ".", ". 60 SOA ns. host. 1 2 3 4 5").sign(t, now, now.Add(time.Hour))
	plainRoot := parseZone(t, ".", ". 60 SOA ns. host. 1 2 3 4 5")
	for _, tc := range []struct {
		name    string
		handler dns.HandlerFunc
		zones   []string
		want    error
		words   string
	}{
		{"root signed", recursive(root), nil, nil, ""},
		{"root out of reach", recursive(signed), []string{origin}, nil, ""},
		{"a bogus zone", broken(signed), []string{origin}, nil, ""},
		{"no AD", recursive(plainRoot), []string{origin}, ErrNotValidating, "its answers come without the AD bit"},
		{"no zone to go by", recursive(signed), nil, ErrFailed, ". SOA: lookup fails: resolver 127.0.0.1:"},
		{"silent", func(dns.ResponseWriter, *dns.Msg) {}, []string{origin}, ErrFailed, "no answer in time"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := answering(t, tc.handler)
			if tc.name == "silent" {
				r.Timeout = impatient
			}
			err := r.ProbeValidating(t.Context(), tc.zones...)
			if !errors.Is(err, tc.want) || err != nil && !strings.Contains(err.Error(), tc.words) {
				t.Errorf("error %v, want %v with %q", err, tc.want, tc.words)
			}
		})
	}
	far := Resolver{Address: "192.0.2.1:53"}
	if err := far.ProbeValidating(t.Context()); !errors.Is(err, ErrNotValidating) || !strings.Contains(err.Error(), "not on this machine") {
		t.Errorf("error %v", err)
	}
}

// Trouble with one address type must not hide the other.
func TestAddresses(t *testing.T) {
	t.Parallel()
	z, _, _ := signedExample(t)
	var failing atomic.Uint32
	r := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if uint32(q.Question[0].Qtype) == failing.Load() {
			recursive()(w, q)
			return
		}
		recursive(z)(w, q)
	})
	all := []netip.Addr{netip.MustParseAddr("192.0.2.5"), netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")}
	got, a, aaaa := r.Addresses(t.Context(), "mx.example.test")
	if diff := cmp.Diff(all, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" || a.Status != Secure || aaaa.Status != Secure {
		t.Error(diff, a.Status, aaaa.Status)
	}
	failing.Store(uint32(dns.TypeAAAA))
	got, a, aaaa = r.Addresses(t.Context(), "mx.example.test")
	if len(got) != 2 || a.Status != Secure || aaaa.Status != Failed {
		t.Errorf("%v, A %s, AAAA %s", got, a.Status, aaaa.Status)
	}
}

func TestLookupConcurrently(t *testing.T) {
	t.Parallel()
	z, _, _ := signedExample(t)
	r := answering(t, recursive(z))
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			if a := r.Lookup(context.Background(), owner, dns.TypeTLSA); a.Status != Secure {
				t.Errorf("%s: %s", a.Status, a.Why)
			}
		})
	}
	wait.Wait()
}
