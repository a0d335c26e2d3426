package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/dane"
)

const (
	origin = "example.test."
	owner  = "_25._tcp.mx.example.test."
)

// impatient is for servers that stay silent.
const impatient = 500 * time.Millisecond

func signedExample(t testing.TB) (z *zone, inception, expiration time.Time) {
	now := time.Now().Truncate(time.Second).UTC()
	inception, expiration = now.Add(-time.Hour), now.Add(14*24*time.Hour)
	return parseZone(t, origin, exampleZone).sign(t, inception, expiration), inception, expiration
}

func mustParse(t testing.TB, texts ...string) []dane.Record {
	t.Helper()
	var out []dane.Record
	for _, text := range texts {
		r, err := dane.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return dane.SortRecords(out)
}

func published(t testing.TB) []dane.Record {
	return mustParse(t, "3 1 1 aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899",
		"3 1 1 0011223344556677889900112233445566778899001122334455667788990011")
}

// altered serves a zone whose replies a test changes on their way out.
func altered(t testing.TB, z *zone, alter func(transport string, m *dns.Msg)) Server {
	return Server{Name: "ns1.example.test.", Address: serve(t, "127.0.0.1", func(w dns.ResponseWriter, q *dns.Msg) {
		m := z.answer(q)
		alter(over(w), m)
		send(w, q, m)
	})}
}

func unaltered(string, *dns.Msg) {}

func TestAskServer(t *testing.T) {
	t.Parallel()
	z, inception, expiration := signedExample(t)
	s := altered(t, z, unaltered)
	signed := ServerAnswer{Server: s, Signed: true, SignatureInception: inception, SignatureExpiration: expiration}
	with := func(change func(*ServerAnswer)) ServerAnswer {
		a := signed
		change(&a)
		return a
	}
	for _, tc := range []struct {
		name, owner string
		want        ServerAnswer
	}{
		{"records", owner, with(func(a *ServerAnswer) { a.Records, a.TTL = published(t), 1800*time.Second })},
		{"case", "_25._TCP.MX.example.TEST", with(func(a *ServerAnswer) { a.Records, a.TTL = published(t), 1800*time.Second })},
		{"no data", "_tcp.mx.example.test.", with(func(a *ServerAnswer) { a.NegativeTTL = 300 * time.Second })},
		{"no name", "_465._tcp.mx.example.test.", with(func(a *ServerAnswer) { a.NegativeTTL = 300 * time.Second })},
		{"alias", "_25._tcp.www.example.test.", with(func(a *ServerAnswer) { a.Alias, a.TTL = owner, time.Minute })},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := AskServer(t.Context(), s, origin, tc.owner, 0)
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(dane.Record{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAskServerUnsigned(t *testing.T) {
	t.Parallel()
	s := altered(t, parseZone(t, origin, exampleZone), unaltered)
	for _, name := range []string{owner, "_25._tcp.www.example.test.", "nothing.example.test."} {
		if got := AskServer(t.Context(), s, origin, name, 0); got.Err != nil || got.Signed || !got.SignatureExpiration.IsZero() {
			t.Errorf("%s: %+v, want an answer without signatures", name, got)
		}
	}
}

func TestAskServerIPv6(t *testing.T) {
	t.Parallel()
	z, _, _ := signedExample(t)
	s := Server{Name: "ns6.example.test.", Address: serve(t, "::1", func(w dns.ResponseWriter, q *dns.Msg) { send(w, q, z.answer(q)) })}
	if got := AskServer(t.Context(), s, origin, owner, 0); got.Err != nil || len(got.Records) != 2 {
		t.Errorf("%+v", got)
	}
}

// A server counts as seen only when its answer leaves no doubt.
func TestAskServerErrors(t *testing.T) {
	t.Parallel()
	z, _, _ := signedExample(t)
	on := func(transport string, alter func(*dns.Msg)) func(string, *dns.Msg) {
		return func(got string, m *dns.Msg) {
			if transport == "both" || transport == got {
				alter(m)
			}
		}
	}
	rcode := func(n int) func(*dns.Msg) { return func(m *dns.Msg) { m.Rcode, m.Answer, m.Ns = n, nil, nil } }
	for _, tc := range []struct {
		name, owner string
		alter       func(transport string, m *dns.Msg)
		want        string
	}{
		{"SERVFAIL", owner, on("both", rcode(dns.RcodeServerFailure)), "answers SERVFAIL"},
		{"REFUSED", owner, on("both", rcode(dns.RcodeRefused)), "answers REFUSED"},
		{"REFUSED over UDP", owner, on("udp", rcode(dns.RcodeRefused)), "answers REFUSED"},
		{"REFUSED over TCP", owner, on("tcp", rcode(dns.RcodeRefused)), "answers REFUSED"},
		{"no authority", owner, on("both", func(m *dns.Msg) { m.Authoritative = false }), "answers without authority for " + owner},
		{"no authority over UDP", owner, on("udp", func(m *dns.Msg) { m.Authoritative = false }), "answers without authority for " + owner},
		{"referral", owner, on("both", func(m *dns.Msg) {
			m.Authoritative, m.Ns, m.Answer = false, m.Answer, nil
		}), "answers without authority for " + owner},
		{"TCP has less", owner, on("tcp", func(m *dns.Msg) { m.Answer = m.Answer[1:] }), "answers differently over UDP and over TCP"},
		{"UDP has none", owner, on("udp", func(m *dns.Msg) {
			m.Answer, m.Ns = nil, z.signedSet(origin, dns.TypeSOA)
		}), "answers differently over UDP and over TCP"},
		{"TCP truncated", owner, on("tcp", func(m *dns.Msg) { m.Truncated = true }), "a truncated reply over TCP"},
		{"denied and there", owner, on("both", func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }), "denies " + owner + " and sends records of it"},
		{"no SOA", "no.example.test.", on("both", func(m *dns.Msg) { m.Ns = nil }), "denies records at no.example.test. without a SOA record"},
		{"SOA of a stranger", "no.example.test.", on("both", func(m *dns.Msg) {
			m.Ns[0].Header().Name = "other.test."
		}), "denies records at no.example.test. without a SOA record"},
		{"SOA of the parent", "no.example.test.", on("both", func(m *dns.Msg) {
			soa := dns.Copy(m.Ns[0])
			soa.Header().Name = "test."
			m.Ns = []dns.RR{soa}
		}), "answers from zone test., not example.test."},
		{"two aliases", "_25._tcp.www.example.test.", on("both", func(m *dns.Msg) {
			other := dns.Copy(m.Answer[0]).(*dns.CNAME)
			other.Target = "elsewhere.test."
			m.Answer = append(m.Answer, other)
		}), "sends more than one CNAME at _25._tcp.www.example.test."},
		{"empty TLSA", owner, on("both", func(m *dns.Msg) {
			h := *m.Answer[0].Header()
			m.Answer = []dns.RR{&dns.RFC3597{Hdr: h}}
		}), "a malformed reply (TLSA record of 0 octets)"},
		{"short TLSA", owner, on("both", func(m *dns.Msg) {
			h := *m.Answer[0].Header()
			m.Answer = []dns.RR{&dns.RFC3597{Hdr: h, Rdata: "0301"}}
		}), "a malformed reply (TLSA record of 2 octets)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			// The change is made to a copy: replies share the zone's records.
			s := altered(t, z, func(transport string, m *dns.Msg) {
				*m = *m.Copy()
				tc.alter(transport, m)
			})
			got := AskServer(t.Context(), s, origin, tc.owner, 0)
			if got.Err == nil {
				t.Fatalf("taken for an answer: %+v", got)
			}
			if want := s.String() + ": " + tc.want; !strings.HasPrefix(got.Err.Error(), want) {
				t.Errorf("error %q, want %q", got.Err, want)
			}
			if of := (*ServerError)(nil); !errors.As(got.Err, &of) || of.Server != s || got.Records != nil || got.TTL != 0 {
				t.Errorf("%+v: want a ServerError and nothing else", got)
			}
		})
	}
}

// Servers that do not answer at all, or only to one transport.
func TestAskServerSilent(t *testing.T) {
	t.Parallel()
	z, _, _ := signedExample(t)
	only := func(transport string) dns.HandlerFunc {
		return func(w dns.ResponseWriter, q *dns.Msg) {
			if over(w) == transport {
				send(w, q, z.answer(q))
			}
		}
	}
	for _, tc := range []struct {
		name, address, want string
	}{
		{"silent", serve(t, "127.0.0.1", only("none")), "no answer in time over UDP"},
		{"UDP only", serve(t, "127.0.0.1", only("udp")), "no answer in time over TCP"},
		{"TCP only", serve(t, "127.0.0.1", only("tcp")), "no answer in time over UDP"},
		{"nobody", closedPort(t), "connection refused over UDP"},
		{"no address", "", `"" is not an IP address with a port`},
		{"host name", "localhost:53", `"localhost:53" is not an IP address with a port`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			got := AskServer(t.Context(), Server{Name: "ns.test.", Address: tc.address}, origin, owner, impatient)
			if got.Err == nil || !strings.Contains(got.Err.Error(), tc.want) {
				t.Errorf("error %v, want %q", got.Err, tc.want)
			}
			if took := time.Since(start); took > impatient+slack {
				t.Errorf("took %v with a timeout of %v", took, impatient)
			}
		})
	}
}

// A change of the zone between the two questions is no reason to give up.
func TestAskServerChangeInBetween(t *testing.T) {
	t.Parallel()
	z, _, _ := signedExample(t)
	var asked atomic.Int32
	s := altered(t, z, func(_ string, m *dns.Msg) {
		if asked.Add(1) == 1 {
			m.Answer = m.Answer[1:]
		}
	})
	if got := AskServer(t.Context(), s, origin, owner, 0); got.Err != nil || len(got.Records) != 2 {
		t.Errorf("%+v, want both records", got)
	}
}

// Of what differs without harm the longer TTL and the narrower times count.
func TestAskServerCarefulTimes(t *testing.T) {
	t.Parallel()
	z, inception, expiration := signedExample(t)
	s := altered(t, z, func(transport string, m *dns.Msg) {
		*m = *m.Copy()
		for _, rr := range m.Answer {
			sig, ok := rr.(*dns.RRSIG)
			if transport == "udp" {
				rr.Header().Ttl = 7200
			}
			if ok && transport == "udp" {
				sig.Inception += 60
				sig.Expiration -= 60
			}
		}
	})
	got := AskServer(t.Context(), s, origin, owner, 0)
	if got.Err != nil || got.TTL != 2*time.Hour {
		t.Errorf("TTL %v (%v), want the higher one", got.TTL, got.Err)
	}
	if !got.SignatureInception.Equal(inception.Add(time.Minute)) || !got.SignatureExpiration.Equal(expiration.Add(-time.Minute)) {
		t.Errorf("signed from %v to %v", got.SignatureInception, got.SignatureExpiration)
	}
}

func TestAskServerLargeRRset(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString(exampleZone)
	for i := range 60 {
		fmt.Fprintf(&text, "_25._tcp.big 60 TLSA 3 1 1 %064x\n", i)
	}
	now := time.Now()
	s := altered(t, parseZone(t, origin, text.String()).sign(t, now, now.Add(time.Hour)), unaltered)
	got := AskServer(t.Context(), s, origin, "_25._tcp.big.example.test.", 0)
	if got.Err != nil || len(got.Records) != 60 || !got.Signed {
		t.Errorf("%d records, signed %v, %v; want 60 by way of a truncated reply", len(got.Records), got.Signed, got.Err)
	}
}

func TestAskAllShowsWhoLags(t *testing.T) {
	t.Parallel()
	z, _, _ := signedExample(t)
	var servers []Server
	var want []int
	for i := range 20 {
		lags := i%3 == 1
		servers = append(servers, altered(t, z, func(_ string, m *dns.Msg) {
			if lags {
				m.Answer = m.Answer[1:]
			}
		}))
		want = append(want, 2)
		if lags {
			want[i] = 1
		}
	}
	var got []int
	for i, a := range AskAll(t.Context(), servers, origin, owner, 0) {
		if a.Err != nil || a.Server != servers[i] {
			t.Errorf("answer %d is of %v: %v", i, a.Server, a.Err)
		}
		got = append(got, len(a.Records))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAskServerCancelled(t *testing.T) {
	t.Parallel()
	s := Server{Name: "ns.test.", Address: serve(t, "127.0.0.1", func(dns.ResponseWriter, *dns.Msg) {})}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	start := time.Now()
	got := AskServer(ctx, s, origin, owner, time.Minute)
	if !errors.Is(got.Err, context.Canceled) || time.Since(start) > slack {
		t.Errorf("%v after %v", got.Err, time.Since(start))
	}
}

func TestCheckAncestors(t *testing.T) {
	t.Parallel()
	z, _, _ := signedExample(t)
	deny := func(name string) func(string, *dns.Msg) {
		return func(_ string, m *dns.Msg) {
			if m.Question[0].Name == name {
				m.Rcode = dns.RcodeNameError
			}
		}
	}
	for _, tc := range []struct {
		name, owner string
		alter       func(string, *dns.Msg)
		hidden      string
	}{
		{"as it should be", owner, unaltered, ""},
		{"several empty names", "a.b.c.example.test.", unaltered, ""},
		{"_tcp denied", owner, deny("_tcp.mx.example.test."), "NXDOMAIN for _tcp.mx.example.test., but " + owner + " exists"},
		{"the host denied", owner, deny("mx.example.test."), "NXDOMAIN for mx.example.test., but " + owner + " exists"},
		{"nothing published yet", "_25._tcp.new.example.test.", unaltered, ""},
		{"the zone itself is not asked", owner, deny(origin), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := altered(t, z, tc.alter)
			err := CheckAncestors(t.Context(), s, origin, tc.owner, 0)
			if (err != nil) != (tc.hidden != "") || errors.Is(err, ErrHidden) != (tc.hidden != "") {
				t.Fatalf("error %v, want %q", err, tc.hidden)
			}
			if err != nil && !strings.Contains(err.Error(), s.String()+": "+ErrHidden.Error()+": "+tc.hidden) {
				t.Errorf("error %q, want %q", err, tc.hidden)
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		s := altered(t, z, func(_ string, m *dns.Msg) { m.Rcode = dns.RcodeRefused })
		if err := CheckAncestors(t.Context(), s, origin, owner, 0); err == nil || errors.Is(err, ErrHidden) {
			t.Errorf("error %v, want one that proves nothing", err)
		}
	})
}

func TestSerialTime(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		tm, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return tm
	}
	now := at("2026-11-23T00:00:00Z")
	for _, tc := range []struct {
		now, want time.Time
	}{
		{now, at("2026-11-23T00:00:01Z")},
		{now, at("2026-10-01T00:00:00Z")},
		{now, at("2041-01-01T00:00:00Z")},
		{at("2106-02-07T00:00:00Z"), at("2106-02-08T00:00:00Z")}, // past the end of 32 bits
		{at("2106-02-08T00:00:00Z"), at("2106-02-07T00:00:00Z")},
	} {
		if got := serialTime(uint32(tc.want.Unix()), tc.now); !got.Equal(tc.want) {
			t.Errorf("at %v: %v, want %v", tc.now, got, tc.want)
		}
	}
}
