package check

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

func TestZone(t *testing.T) {
	t.Parallel()
	z, _, _ := signedExample(t)
	deep := parseZone(t, "sub.example.test.", "@ 60 SOA ns host 1 2 3 4 5\n")
	r := answering(t, recursive(z, deep))
	for _, tc := range []struct{ name, want string }{
		{owner, origin},
		{"EXAMPLE.test", origin},
		{"none.example.test.", origin},
		{"a.b.none.example.test.", origin},
		{"_25._tcp.www.example.test.", origin}, // an alias
		{"sub.example.test.", "sub.example.test."},
		{"_25._tcp.mx.sub.example.test.", "sub.example.test."},
	} {
		zone, soa, err := r.Zone(t.Context(), tc.name)
		if err != nil || zone != tc.want || soa == nil || soa.Hdr.Name != tc.want {
			t.Errorf("%s: %q, %v, %v; want %s", tc.name, zone, soa, err, tc.want)
		}
	}
}

// The zone of an alias is where the alias is, not where it points to.
func TestZoneOfAliasIntoOtherZone(t *testing.T) {
	t.Parallel()
	z := parseZone(t, origin, exampleZone+"_25._tcp.away CNAME mx.provider.test.\n")
	other := parseZone(t, "provider.test.", "@ 60 SOA ns host 1 2 3 4 5\nmx A 192.0.2.1\n")
	r := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := z.answer(q)
		if strings.HasPrefix(q.Question[0].Name, "_25._tcp.away") {
			chased := q.Copy()
			chased.Question[0].Name = "mx.provider.test."
			rest := other.answer(chased)
			m.Rcode, m.Answer, m.Ns = rest.Rcode, append(m.Answer, rest.Answer...), rest.Ns
		}
		send(w, q, m)
	})
	if zone, _, err := r.Zone(t.Context(), "_25._tcp.away.example.test."); err != nil || zone != origin {
		t.Errorf("%q, %v; want %s", zone, err, origin)
	}
}

func TestZoneErrors(t *testing.T) {
	t.Parallel()
	z, _, _ := signedExample(t)
	mute := func(w dns.ResponseWriter, q *dns.Msg) { send(w, q, new(dns.Msg).SetReply(q)) }
	for _, tc := range []struct {
		name    string
		handler dns.HandlerFunc
		want    error
		words   string
	}{
		{"no SOA anywhere", mute, ErrFailed, "gives no SOA record"},
		{"SERVFAIL", recursive(), ErrFailed, "answers SERVFAIL"},
		{"bogus", broken(z), ErrBogus, "need not validate"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := answering(t, tc.handler).Zone(t.Context(), owner)
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), "find the zone of "+owner) || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestNameservers(t *testing.T) {
	t.Parallel()
	z, _, _ := signedExample(t)
	other := parseZone(t, "other.test.", "@ 60 SOA ns host 1 2 3 4 5\nns2 A 192.0.2.2\nns2 A 192.0.2.3\n")
	all := []Server{
		{Name: "ns1.example.test.", Address: "127.0.0.1:53"}, {Name: "ns1.example.test.", Address: "[::1]:53"},
		{Name: "ns2.other.test.", Address: "192.0.2.2:53"}, {Name: "ns2.other.test.", Address: "192.0.2.3:53"},
	}
	got, err := answering(t, recursive(z, other)).Nameservers(t.Context(), origin)
	if diff := cmp.Diff(all, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if s := got[1].String(); s != "ns1.example.test ([::1]:53)" {
		t.Error(s)
	}

	// A name server that cannot be resolved is not forgotten, and has not been seen.
	got, err = answering(t, recursive(z)).Nameservers(t.Context(), origin)
	if err != nil || len(got) != 4 {
		t.Fatal(got, err)
	}
	if diff := cmp.Diff(all[:2], got[:2]); diff != "" {
		t.Error(diff)
	}
	for i, a := range AskAll(t.Context(), got[2:], origin, owner, 0) {
		want := "ns2.other.test: not all of its addresses are known: ns2.other.test. " + []string{"A", "AAAA"}[i] + ": lookup fails: resolver 127.0.0.1:"
		if a.Err == nil || !strings.HasPrefix(a.Err.Error(), want) {
			t.Errorf("error %v, want %s", a.Err, want)
		}
	}
	if err := CheckAncestors(t.Context(), got[2], origin, owner, 0); err == nil || !strings.Contains(err.Error(), "not all of its addresses are known") {
		t.Errorf("error %v", err)
	}
}

// Half of a name server is not all of it.
func TestNameserversHalfResolved(t *testing.T) {
	t.Parallel()
	z, _, _ := signedExample(t)
	r := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if q.Question[0].Qtype == dns.TypeAAAA {
			send(w, q, new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
			return
		}
		recursive(z)(w, q)
	})
	got := r.servers(t.Context(), "NS1.example.test.")
	if len(got) != 2 || got[0].Address != "127.0.0.1:53" || got[1].Address != "" || !strings.Contains(got[1].Unresolved, "ns1.example.test. AAAA: lookup fails") {
		t.Errorf("%#v", got)
	}
	none := r.servers(t.Context(), "www.plain.example.test.")
	if len(none) != 1 || none[0].Unresolved == "" {
		t.Errorf("%#v", none)
	}
}

func TestNameserverWithoutAddress(t *testing.T) {
	t.Parallel()
	r := answering(t, recursive(parseZone(t, origin, "@ 60 SOA ns host 1 2 3 4 5\n@ NS ns\n")))
	got, err := r.Nameservers(t.Context(), origin)
	want := []Server{{Name: "ns.example.test.", Unresolved: "it has neither A nor AAAA records"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestNameserversErrors(t *testing.T) {
	t.Parallel()
	many := "@ 60 SOA ns host 1 2 3 4 5\n"
	for i := range maxServers + 1 {
		many += fmt.Sprintf("@ 60 NS ns%d\n", i)
	}
	wide := "@ 60 SOA ns host 1 2 3 4 5\n@ NS ns\n"
	for i := range maxServers + 1 {
		wide += fmt.Sprintf("ns 60 A 192.0.2.%d\n", i)
	}
	for _, tc := range []struct{ name, zone, words string }{
		{"none", "@ 60 SOA ns host 1 2 3 4 5\n", "there are no NS records"},
		{"too many names", many, "65 of them, at most 64 are asked"},
		{"too many addresses", wide, "65 addresses, at most 64 are asked"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := answering(t, recursive(parseZone(t, origin, tc.zone))).Nameservers(t.Context(), origin)
			if !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "name servers of "+origin+": ") || !strings.Contains(err.Error(), tc.words) || got != nil {
				t.Errorf("%v, error %v; want %q", got, err, tc.words)
			}
		})
	}
}
