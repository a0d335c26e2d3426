package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// place is a TLSA RRset, there or not: its owner name and the zone that has to
// hold it, "" for any. Both are in canonical form.
type place struct{ zone, owner string }

func newPlace(zone, owner string) place {
	if zone != "" {
		zone = dns.CanonicalName(zone)
	}
	return place{zone, dns.CanonicalName(owner)}
}

// interpretAuthority reads an authoritative server's reply about the TLSA
// RRset at a place. Times of signatures are read as seen from now.
func interpretAuthority(m *dns.Msg, at place, now time.Time) (ServerAnswer, error) {
	if err := authoritative(m, at.owner); err != nil {
		return ServerAnswer{}, err
	}
	if aliases := rrsAt(m.Answer, at.owner, dns.TypeCNAME); len(aliases) > 0 {
		return alias(m, aliases, now)
	}
	rrs := rrsAt(m.Answer, at.owner, dns.TypeTLSA)
	if len(rrs) == 0 {
		return denial(m, at, now)
	}
	if m.Rcode == dns.RcodeNameError {
		return ServerAnswer{}, fmt.Errorf("denies %s and sends records of it", at.owner)
	}
	records, err := tlsaRecords(rrs)
	a := ServerAnswer{Records: records, TTL: highestTTL(rrs)}
	a.sign(signatures(m.Answer, at.owner, now, dns.TypeTLSA))
	return a, err
}

// authoritative refuses replies that are errors or come without authority.
func authoritative(m *dns.Msg, name string) error {
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return fmt.Errorf("answers %s", rcodeText(m))
	}
	if !m.Authoritative {
		return fmt.Errorf("answers without authority for %s", name)
	}
	return nil
}

// alias reads an answer whose owner is a CNAME. Records at its target are left
// out, even if this server has them: they belong to another owner.
func alias(m *dns.Msg, aliases []dns.RR, now time.Time) (ServerAnswer, error) {
	h := aliases[0].Header()
	if len(aliases) > 1 {
		return ServerAnswer{}, fmt.Errorf("sends more than one CNAME at %s", h.Name)
	}
	a := ServerAnswer{Alias: dns.CanonicalName(aliases[0].(*dns.CNAME).Target), TTL: highestTTL(aliases)}
	a.sign(signatures(m.Answer, dns.CanonicalName(h.Name), now, dns.TypeCNAME))
	if !a.Signed { // made from a DNAME, which is what is signed (RFC 6672, Section 5.3.1)
		a.sign(signatures(m.Answer, "", now, dns.TypeDNAME))
	}
	return a, nil
}

// denial reads the answer that there are no TLSA records. Without the SOA
// record of the zone, which is a MUST (RFC 2308, Section 3), nobody could tell
// how long the denial lives in caches.
func denial(m *dns.Msg, at place, now time.Time) (ServerAnswer, error) {
	soa := denialSOA(m.Ns, at.owner)
	if soa == nil {
		return ServerAnswer{}, fmt.Errorf("denies records at %s without a SOA record", at.owner)
	}
	if zone := dns.CanonicalName(soa.Hdr.Name); at.zone != "" && zone != at.zone {
		return ServerAnswer{}, fmt.Errorf("answers from zone %s, not %s", zone, at.zone)
	}
	a := ServerAnswer{NegativeTTL: negativeTTL(soa)}
	a.sign(signatures(m.Ns, "", now, dns.TypeSOA, dns.TypeNSEC, dns.TypeNSEC3))
	return a, nil
}

// highestTTL of records that should have one TTL: whoever waits for caches must
// wait for the longest.
func highestTTL(rrs []dns.RR) (ttl time.Duration) {
	for _, rr := range rrs {
		ttl = max(ttl, ttlOf(rr))
	}
	return ttl
}

// validity is when a signature begins and when it ends.
type validity struct{ inception, expiration time.Time }

// signatures gives the validity of each RRSIG over one of the types. An empty
// name stands for any.
func signatures(section []dns.RR, name string, now time.Time, covered ...uint16) []validity {
	var out []validity
	for _, rr := range section {
		sig, ok := rr.(*dns.RRSIG)
		if !ok || !slices.Contains(covered, sig.TypeCovered) || name != "" && dns.CanonicalName(sig.Hdr.Name) != name {
			continue
		}
		out = append(out, validity{serialTime(sig.Inception, now), serialTime(sig.Expiration, now)})
	}
	return out
}

// sign notes the time during which all signatures are valid.
func (a *ServerAnswer) sign(signatures []validity) {
	for _, v := range signatures {
		if !a.Signed || v.inception.After(a.SignatureInception) {
			a.SignatureInception = v.inception
		}
		if !a.Signed || v.expiration.Before(a.SignatureExpiration) {
			a.SignatureExpiration = v.expiration
		}
		a.Signed = true
	}
}

// serialTime reads a signature's time: seconds since 1970 modulo 2^32, the one
// nearest to now is meant (RFC 4034, Section 3.1.5).
func serialTime(serial uint32, now time.Time) time.Time {
	distance := int32(serial - uint32(now.Unix()))
	return time.Unix(now.Unix()+int64(distance), 0).UTC()
}
