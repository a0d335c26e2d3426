package demo

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// errBogus says that an answer is not what the owner of the zone signed.
var errBogus = errors.New("bogus")

// authority is what answers are validated against.
type authority struct {
	origin string
	key    *dns.DNSKEY
	now    time.Time
}

// validate turns the reply of a name server into an answer, or into an error
// that matches errBogus (RFC 4035). It knows one zone with one key
// and without aliases and wildcards: whatever else a reply contains is bogus.
func validate(m *dns.Msg, at recordSet, by authority) (answer, error) {
	answers, err := by.verify(m.Answer)
	if err != nil {
		return answer{}, err
	}
	if len(answers[at]) > 0 && len(answers) == 1 && m.Rcode == dns.RcodeSuccess {
		return answer{records: m.Answer, ttl: lowest(m.Answer), at: by.now}, nil
	}
	denial, err := by.verify(m.Ns)
	if err != nil {
		return answer{}, err
	}
	soa, ok := first[*dns.SOA](denial[recordSet{by.origin, dns.TypeSOA}])
	if len(answers) > 0 || !ok || !denied(denial, at, m.Rcode) {
		return answer{}, fmt.Errorf("%w: %s %s is neither answered nor denied", errBogus, at.name, dns.TypeToString[at.rtype])
	}
	// RFC 2308: a denial lasts as long as the SOA that comes with it says.
	ttl := min(lowest(m.Ns), time.Duration(soa.Minttl)*time.Second)
	return answer{rcode: m.Rcode, denial: m.Ns, ttl: ttl, at: by.now}, nil
}

// verify checks the signature of every RRset of a section and gives the
// RRsets without their signatures.
func (by authority) verify(section []dns.RR) (map[recordSet][]dns.RR, error) {
	sets := make(map[recordSet][]dns.RR)
	signatures := make(map[recordSet]*dns.RRSIG)
	for _, rr := range section {
		name := dns.CanonicalName(rr.Header().Name)
		if sig, ok := rr.(*dns.RRSIG); ok {
			signatures[recordSet{name, sig.TypeCovered}] = sig
			continue
		}
		at := recordSet{name, rr.Header().Rrtype}
		sets[at] = append(sets[at], rr)
	}
	for at, rrs := range sets {
		if err := by.verifySet(at, rrs, signatures[at]); err != nil {
			return nil, fmt.Errorf("%w: %s %s: %w", errBogus, at.name, dns.TypeToString[at.rtype], err)
		}
	}
	return sets, nil
}

// verifySet checks one RRset against its signature.
func (by authority) verifySet(at recordSet, rrs []dns.RR, sig *dns.RRSIG) error {
	switch {
	case sig == nil:
		return errors.New("no signature")
	case dns.CanonicalName(sig.SignerName) != by.origin || !dns.IsSubDomain(by.origin, at.name):
		return fmt.Errorf("signed by %s", sig.SignerName)
	case int(sig.Labels) != dns.CountLabel(at.name):
		return errors.New("made from a wildcard")
	case !sig.ValidityPeriod(by.now):
		return errors.New("signature out of date")
	}
	for _, rr := range rrs {
		rr.Header().Ttl = min(rr.Header().Ttl, sig.OrigTtl)
	}
	return sig.Verify(by.key, rrs)
}

// denied says whether verified NSEC records prove that there is no such RRset.
func denied(sets map[recordSet][]dns.RR, at recordSet, rcode int) bool {
	var links []*dns.NSEC
	for _, rrs := range sets {
		if n, ok := first[*dns.NSEC](rrs); ok {
			links = append(links, n)
		}
	}
	if rcode == dns.RcodeNameError {
		return nameDenied(links, at.name)
	}
	return slices.ContainsFunc(links, func(n *dns.NSEC) bool { return typeDenied(n, at) })
}

// typeDenied says whether an NSEC record proves that a name exists and has no
// records of the type: it is the name's own, or the name only has others below it.
func typeDenied(n *dns.NSEC, at recordSet) bool {
	if dns.CanonicalName(n.Hdr.Name) == at.name {
		return !slices.Contains(n.TypeBitMap, at.rtype) && !slices.Contains(n.TypeBitMap, dns.TypeCNAME)
	}
	return covers(n, at.name) && dns.IsSubDomain(at.name, dns.CanonicalName(n.NextDomain))
}

// nameDenied says whether NSEC records prove that a name does not exist, and
// that no wildcard stands for it.
func nameDenied(links []*dns.NSEC, name string) bool {
	for _, n := range links {
		if !covers(n, name) || dns.IsSubDomain(name, dns.CanonicalName(n.NextDomain)) {
			continue
		}
		wild := "*." + sharedParent(name, n)
		return slices.ContainsFunc(links, func(w *dns.NSEC) bool { return covers(w, wild) })
	}
	return false
}

// covers says whether a name would stand between an NSEC record's own name and
// the next one. The last record of the zone points back to the first.
func covers(n *dns.NSEC, name string) bool {
	owner, next := dns.CanonicalName(n.Hdr.Name), dns.CanonicalName(n.NextDomain)
	after, before := compareNames(owner, name) < 0, compareNames(name, next) < 0
	if compareNames(owner, next) >= 0 {
		return after || before
	}
	return after && before
}

// sharedParent is the closest ancestor of name that the NSEC record proves to
// exist: it is an ancestor of one of its two names as well.
func sharedParent(name string, n *dns.NSEC) string {
	labels := max(dns.CompareDomainName(name, n.Hdr.Name), dns.CompareDomainName(name, n.NextDomain))
	for dns.CountLabel(name) > labels {
		name = parent(name)
	}
	return name
}

// lowest is the lowest TTL of the records.
func lowest(rrs []dns.RR) time.Duration {
	ttl := rrs[0].Header().Ttl
	for _, rr := range rrs {
		ttl = min(ttl, rr.Header().Ttl)
	}
	return time.Duration(ttl) * time.Second
}
