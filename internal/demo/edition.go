package demo

import (
	"cmp"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// signed is an RRset with its signature.
type signed struct {
	rrs []dns.RR
	sig *dns.RRSIG
}

// edition is one signed state of the zone. It never changes once it is
// published, so servers share it.
type edition struct {
	origin string
	sets   map[recordSet]signed
	names  []string // that own records, in canonical order
}

// chain adds the NSEC records: each name points to the next one and lists its
// types (RFC 4034). Names that only have others below them own
// nothing and are no link of the chain.
func (e *edition) chain(ttl uint32) {
	types := make(map[string][]uint16)
	for at := range e.sets {
		types[at.name] = append(types[at.name], at.rtype)
	}
	for name := range types {
		e.names = append(e.names, name)
	}
	slices.SortFunc(e.names, compareNames)
	for i, name := range e.names {
		bitmap := append(types[name], dns.TypeRRSIG, dns.TypeNSEC)
		slices.Sort(bitmap)
		e.sets[recordSet{name, dns.TypeNSEC}] = signed{rrs: []dns.RR{&dns.NSEC{
			Hdr:        dns.RR_Header{Name: name, Rrtype: dns.TypeNSEC, Class: dns.ClassINET, Ttl: ttl},
			NextDomain: e.names[(i+1)%len(e.names)], TypeBitMap: bitmap,
		}}}
	}
}

// answer fills in the reply of an authoritative server to a question.
func (e *edition) answer(m *dns.Msg, q dns.Question) {
	name := dns.CanonicalName(q.Name)
	if !dns.IsSubDomain(e.origin, name) || q.Qclass != dns.ClassINET {
		m.Rcode = dns.RcodeRefused
		return
	}
	m.Authoritative = true
	if e.add(&m.Answer, name, q.Qtype) {
		return
	}
	e.add(&m.Ns, e.origin, dns.TypeSOA)
	e.add(&m.Ns, e.before(name), dns.TypeNSEC)
	if e.exists(name) {
		return
	}
	m.Rcode = dns.RcodeNameError
	// No wildcard could have matched either.
	if wild := e.before("*." + e.encloser(name)); wild != e.before(name) {
		e.add(&m.Ns, wild, dns.TypeNSEC)
	}
}

// add appends an RRset and its signature to a section.
func (e *edition) add(section *[]dns.RR, name string, rtype uint16) bool {
	set, ok := e.sets[recordSet{name, rtype}]
	if ok {
		*section = append(append(*section, set.rrs...), set.sig)
	}
	return ok
}

// before gives the last name that owns records and does not come after name:
// the one whose NSEC record speaks about it.
func (e *edition) before(name string) string {
	i, found := slices.BinarySearchFunc(e.names, name, compareNames)
	if found {
		return name
	}
	return e.names[i-1] // the origin comes before every name in the zone
}

// exists says whether a name owns records or has such names below it (an
// empty non-terminal, which must not be denied: RFC 4592).
func (e *edition) exists(name string) bool {
	return slices.ContainsFunc(e.names, func(n string) bool { return dns.IsSubDomain(name, n) })
}

// encloser is the closest ancestor of name that exists.
func (e *edition) encloser(name string) string {
	for !e.exists(name) {
		name = parent(name)
	}
	return name
}

// parent is the name without its first label.
func parent(name string) string {
	next, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[next:]
}

// compareNames orders names canonically: label by label, the rightmost first
// (RFC 4034).
func compareNames(a, b string) int {
	x, y := dns.SplitDomainName(a), dns.SplitDomainName(b)
	slices.Reverse(x)
	slices.Reverse(y)
	for i := range min(len(x), len(y)) {
		if c := strings.Compare(x[i], y[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(x), len(y))
}
