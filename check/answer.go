package check

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/dane"
)

// Status is what a lookup says about the data it returned. Senders treat
// Bogus and Failed alike: the server behind the name is out of reach for now
// (RFC 7672, Section 2.1.1). They never mean that a record is absent.
type Status string

// The outcomes of a lookup (RFC 4035, Section 4.3).
const (
	Secure        Status = "secure"        // validated, be it records or the proof that there are none
	Insecure      Status = "insecure"      // an answer from a zone that is not signed, as far as a believed resolver can tell
	Indeterminate Status = "indeterminate" // an answer, but the resolver's word on DNSSEC is not to be believed
	Bogus         Status = "bogus"         // there is data, and validation of it fails
	Failed        Status = "failed"        // no usable answer: timeout, SERVFAIL, REFUSED, a malformed reply
)

// The errors by which callers of Answer.Err tell the outcomes apart.
var (
	ErrBogus  = errors.New("DNSSEC validation fails")
	ErrFailed = errors.New("lookup fails")
)

// Answer is the outcome of one lookup.
type Answer struct {
	Name   string // what was asked, lower case, with the final dot
	Type   uint16
	Status Status
	Why    string // in words; empty when Secure

	// The rest is set only when there was an answer: not for Bogus and Failed.
	Rcode     int           // dns.RcodeSuccess or dns.RcodeNameError
	Canonical string        // Name after all CNAMEs
	Records   []dns.RR      // of Type at Canonical; none: the type or the name does not exist
	Denial    *dns.SOA      // of the zone that says there are no records, where the resolver passes it on
	TTL       time.Duration // the lowest on the way, as the resolver counts it down; of the denial where there are no records
}

// Err gives nil where there was an answer, records or none, and otherwise an
// error that matches ErrBogus or ErrFailed and names what was asked.
func (a Answer) Err() error {
	kind := ErrFailed
	switch a.Status {
	case Secure, Insecure, Indeterminate:
		return nil
	case Bogus:
		kind = ErrBogus
	}
	return fmt.Errorf("%s %s: %w: %s", a.Name, dns.Type(a.Type), kind, a.Why)
}

// TLSA gives the answer's TLSA records in canonical order.
func (a Answer) TLSA() ([]dane.Record, error) { return tlsaRecords(a.Records) }

// Addresses gives the answer's A and AAAA records in ascending order.
func (a Answer) Addresses() []netip.Addr {
	var out []netip.Addr
	for _, rr := range a.Records {
		var ip []byte
		switch rr := rr.(type) {
		case *dns.A:
			ip = rr.A.To4()
		case *dns.AAAA:
			ip = rr.AAAA
		}
		if addr, ok := netip.AddrFromSlice(ip); ok {
			out = append(out, addr)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

// tlsaRecords turns what came over the wire into records.
func tlsaRecords(rrs []dns.RR) ([]dane.Record, error) {
	var out []dane.Record
	for _, rr := range rrs {
		t, ok := rr.(*dns.TLSA)
		if !ok {
			continue
		}
		data, err := hex.DecodeString(t.Certificate)
		if err != nil {
			return nil, fmt.Errorf("%s: TLSA record: %w", t.Hdr.Name, err)
		}
		p := dane.Params{Usage: dane.Usage(t.Usage), Selector: dane.Selector(t.Selector), Matching: dane.Matching(t.MatchingType)}
		out = append(out, dane.NewRecord(p, data))
	}
	return dane.SortRecords(out), nil
}

// maxAliases bounds a chain of CNAMEs; resolvers give up at 11 to 16.
const maxAliases = 16

// interpret reads a resolver's reply to the question. The status of an answer
// is Secure when the reply says so; whether to believe that is up to the caller.
func interpret(q dns.Question, m *dns.Msg) Answer {
	a := Answer{Name: dns.CanonicalName(q.Name), Type: q.Qtype, Status: Failed, Rcode: m.Rcode}
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		a.Why = "answers " + rcodeText(m)
		return a
	}
	canonical, ttls, err := followAliases(a.Name, q.Qtype, m.Answer)
	if err != nil {
		a.Why = "answers with " + err.Error()
		return a
	}
	records := rrsAt(m.Answer, canonical, q.Qtype)
	switch {
	case len(records) == 0:
		if a.Denial = denialSOA(m.Ns, canonical); a.Denial != nil {
			ttls = append(ttls, negativeTTL(a.Denial))
		}
	case m.Rcode == dns.RcodeNameError:
		a.Why = "denies the name and sends records of it"
		return a
	}
	for _, rr := range records {
		ttls = append(ttls, ttlOf(rr))
	}
	a.Canonical, a.Records, a.Status = canonical, records, Insecure
	if len(ttls) > 0 {
		a.TTL = slices.Min(ttls)
	}
	if m.AuthenticatedData {
		a.Status = Secure
	}
	return a
}

// followAliases walks the CNAMEs of an answer from name to the name that they
// end at, and gives their TTLs. A question for CNAME itself is not followed.
func followAliases(name string, qtype uint16, answer []dns.RR) (string, []time.Duration, error) {
	var ttls []time.Duration
	if qtype == dns.TypeCNAME {
		return name, nil, nil
	}
	for range maxAliases {
		aliases := rrsAt(answer, name, dns.TypeCNAME)
		if len(aliases) == 0 {
			return name, ttls, nil
		}
		if len(aliases) > 1 {
			return "", nil, fmt.Errorf("more than one CNAME at %s", name)
		}
		ttls = append(ttls, ttlOf(aliases[0]))
		name = dns.CanonicalName(aliases[0].(*dns.CNAME).Target)
	}
	return "", nil, fmt.Errorf("CNAMEs that go in a circle, or are more than %d", maxAliases)
}

// rrsAt gives the distinct records of one type at one name.
func rrsAt(section []dns.RR, name string, rrtype uint16) []dns.RR {
	var out []dns.RR
	for _, rr := range section {
		h := rr.Header()
		if h.Rrtype != rrtype || h.Class != dns.ClassINET || dns.CanonicalName(h.Name) != name {
			continue
		}
		// One RRset holds a record once (RFC 2181, Section 5).
		if !slices.ContainsFunc(out, func(other dns.RR) bool { return dns.IsDuplicate(rr, other) }) {
			out = append(out, rr)
		}
	}
	return out
}

// denialSOA gives the SOA record by which an authority section denies name.
func denialSOA(authority []dns.RR, name string) *dns.SOA {
	for _, rr := range authority {
		if soa, ok := rr.(*dns.SOA); ok && rr.Header().Class == dns.ClassINET && dns.IsSubDomain(rr.Header().Name, name) {
			return soa
		}
	}
	return nil
}

// negativeTTL is how long a denial with this SOA record may be cached: "the
// minimum of the MINIMUM field of the SOA record and the TTL of the SOA
// itself" (RFC 2308, Section 3).
func negativeTTL(soa *dns.SOA) time.Duration {
	return min(ttlOf(soa), seconds(soa.Minttl))
}

func ttlOf(rr dns.RR) time.Duration { return seconds(rr.Header().Ttl) }

// seconds reads a TTL; one with the highest bit set counts as zero (RFC 2181, Section 8).
func seconds(ttl uint32) time.Duration {
	if ttl > 1<<31-1 {
		ttl = 0
	}
	return time.Duration(ttl) * time.Second
}

// rcodeText names a reply's response code, with the server's own explanation
// where it gives one (RFC 8914, Section 2).
func rcodeText(m *dns.Msg) string {
	text := cmp.Or(dns.RcodeToString[m.Rcode], fmt.Sprintf("response code %d", m.Rcode))
	opt := m.IsEdns0()
	if opt == nil {
		return text
	}
	for _, option := range opt.Option {
		if e, ok := option.(*dns.EDNS0_EDE); ok {
			words := []string{cmp.Or(dns.ExtendedErrorCodeToString[e.InfoCode], fmt.Sprintf("error %d", e.InfoCode))}
			if e.ExtraText != "" {
				words = append(words, quoted(e.ExtraText))
			}
			return text + " (" + strings.Join(words, ": ") + ")"
		}
	}
	return text
}

// quoted makes a stranger's text safe to print: one line, of bounded length.
func quoted(text string) string {
	const most = 160
	if len(text) > most {
		text = text[:most] + "..."
	}
	return fmt.Sprintf("%q", text)
}
