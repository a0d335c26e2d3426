// Package providerstest holds what every DNS provider must pass before a
// rollover may rely on it: the contract of providers.Zone, tried on a real
// zone and checked by other eyes than the provider's own.
package providerstest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/providers"
)

// Apex is the zone that the suite works on.
const Apex = "example.test."

// Content is what the zone must hold besides its SOA record and NS records,
// with a default TTL: RRsets of somebody else, names at which nothing can be
// published, and records of types that careless code stumbles over.
const Content = `
_25._tcp.foreign 777 TLSA 3 1 1 f000000000000000000000000000000000000000000000000000000000000000
_25._TCP.Spelling 600 TLSA ( 3 1 1 F0000000000000000000000000000000
	00000000000000000000000000000001 )
*._tcp.wild 555 TLSA 3 1 1 f000000000000000000000000000000000000000000000000000000000000002
_25._tcp.alias CNAME _25._tcp.foreign
sub NS ns.sub
ns.sub A 192.0.2.53
below DNAME example.net.
mx A 192.0.2.25
mx AAAA 2001:db8::25
@ MX 10 mx
@ CAA 0 issue "ca.example.net; policy=\"ev\""
text TXT "; BEGIN tlsamgr" "quotes \" and (parentheses" "a;b"
bytes TXT "\000\255\127" ""
web HTTPS 1 . alpn="h2,h3" ipv4hint=192.0.2.80
_dns SVCB 1 dns.example.net. port=853
unknown TYPE65400 \# 4 0a000001
empty TYPE65401 \# 0
host SSHFP 4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789
place LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
enum NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@example.test!" .
_sip._tcp SRV 0 5 5060 sip
esc\.aped TXT "a dot in a label"
`

// Subject is a provider in front of a zone with Content, or with as much of
// it as the provider can hold: what the zone does not hold is not tried.
type Subject struct {
	Zone   providers.Zone
	Other  providers.Zone              // the same zone, opened once more as another process would; nil: not tried
	Dump   func(t *testing.T) []dns.RR // every record that the name server would hand out, without asking the provider
	Later  func()                      // lets time pass, if the provider has a clock of its own; may be nil
	Limits Limits
}

// Limits are what a provider's API does not take, though DNS would.
type Limits struct {
	MinTTL, MaxTTL uint32 // of a new RRset, which is brought between them; 0: no limit
	Assigned       bool   // it takes assigned usages, selectors and matching types only, with data of the right length
	Records        int    // in one RRset; 0: at least 12
}

// ttl gives what becomes of the TTL of a new RRset.
func (s Subject) ttl(ttl uint32) uint32 {
	ttl = max(ttl, s.Limits.MinTTL)
	if s.Limits.MaxTTL > 0 {
		ttl = min(ttl, s.Limits.MaxTTL)
	}
	return ttl
}

// holds says whether the zone was loaded with a name.
func (s Subject) holds(t *testing.T, name string) bool {
	return slices.ContainsFunc(s.Dump(t), func(rr dns.RR) bool { return strings.EqualFold(rr.Header().Name, name) })
}

// planted gives the TTL of an RRset of Content, as the zone has it.
func (s Subject) planted(t *testing.T, host string) uint32 {
	t.Helper()
	set := s.shown(t, owner(host))
	if len(set.Records) == 0 {
		t.Fatalf("the zone was loaded without %s", owner(host))
	}
	return set.TTL
}

// patience is how long a server may take to show what Apply has done: some
// reload in the background.
const patience = 10 * time.Second

// Run tries everything.
func Run(t *testing.T, s Subject) {
	before := s.others(t)
	t.Run("add", s.add)
	t.Run("remove", s.remove)
	t.Run("exchange", s.exchange)
	t.Run("foreign", s.foreign)
	t.Run("spelling", s.spelling)
	t.Run("wildcard", s.wildcard)
	t.Run("sizes", s.sizes)
	t.Run("international", s.international)
	t.Run("refusals", s.refusals)
	t.Run("cancelled", s.cancelled)
	t.Run("many", s.many)
	t.Run("together", s.together)
	t.Run("meanwhile", s.meanwhile)
	if after := s.others(t); !slices.Equal(before, after) {
		t.Errorf("records of others changed\n before %q\n after  %q", before, after)
	}
}

// others gives the records that are none of the provider's business.
func (s Subject) others(t *testing.T) []string {
	var lines []string
	for _, rr := range s.Dump(t) {
		switch rr.Header().Rrtype {
		case dns.TypeTLSA, dns.TypeSOA, dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeNSEC3PARAM, dns.TypeDNSKEY, dns.TypeCDS, dns.TypeCDNSKEY, dns.TypeZONEMD:
		case 65534: // BIND's notes on its signing
		default:
			rr.Header().Name = strings.ToLower(rr.Header().Name)
			lines = append(lines, strings.Join(strings.Fields(rr.String()), " "))
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// shown gives the TLSA RRset that stands at an owner name.
func (s Subject) shown(t *testing.T, owner string) dane.RRset {
	t.Helper()
	set := dane.RRset{Owner: owner}
	for _, rr := range s.Dump(t) {
		if tlsa, ok := rr.(*dns.TLSA); ok && strings.EqualFold(rr.Header().Name, owner) {
			r, err := dane.Parse(fmt.Sprintf("%d %d %d %s", tlsa.Usage, tlsa.Selector, tlsa.MatchingType, tlsa.Certificate))
			if err != nil {
				t.Fatal(err)
			}
			set.Records = dane.SortRecords(append(set.Records, r))
			set.TTL = rr.Header().Ttl
		}
	}
	return set
}

// want makes sure that the server shows an RRset, and the provider too.
func (s Subject) want(t *testing.T, owner string, ttl uint32, records ...dane.Record) {
	t.Helper()
	want := fmt.Sprint(dane.RRset{Owner: owner, TTL: ttl, Records: dane.SortRecords(slices.Clone(records))})
	listed, err := s.Zone.List(t.Context(), []string{owner})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(listed[0]); got != want {
		t.Errorf("the provider lists %s, want %s", got, want)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		got := fmt.Sprint(s.shown(t, owner))
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server shows %s, want %s", got, want)
		}
	}
}

func (s Subject) apply(t *testing.T, changes ...dane.Change) {
	t.Helper()
	if err := s.Zone.Apply(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
}

// owner gives an owner name of the zone.
func owner(host string) string { return "_25._tcp." + host + "." + Apex }

// record gives one of 256 records.
func record(n byte) dane.Record {
	data := make([]byte, 32)
	data[0] = n
	return dane.NewRecord(dane.Params{Usage: dane.DANEEE, Selector: dane.SPKI, Matching: dane.SHA256}, data)
}

// planted gives the record of Content with that last digit.
func planted(n byte) dane.Record {
	data := record(0xf0).Data()
	data[31] = n
	return dane.NewRecord(record(0).Params, data)
}

// limited is a context for one call that must not hang.
func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
