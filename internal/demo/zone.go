// Package demo shows a whole rollover on one machine, in less than a minute:
// a DNSSEC-signed zone on two name servers of which one lags behind, a
// validating resolver, a mail server, a certificate authority, and senders
// that insist on DANE and never stop sending. The rollover itself is done by
// the very packages that do it in earnest; only the servers are small. All of
// it lives in this process, on loopback addresses, and leaves nothing behind.
package demo

import (
	"context"
	"crypto"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/dane"
)

// recordSet names one RRset.
type recordSet struct {
	name  string // absolute and lower case
	rtype uint16
}

// zone is the primary copy of a signed zone, and what tlsamgr sees of it
// through its provider interface (List and Apply). Every change signs the zone
// anew under a higher serial and hands the edition to the name servers.
type zone struct {
	origin string
	key    *dns.DNSKEY // signs keys and data alike, and is the trust anchor of the resolvers
	signer crypto.Signer

	mu      sync.Mutex
	serial  uint32
	sets    map[recordSet][]dns.RR // unsigned
	servers []*nameserver
}

// newZone makes a zone with a new ECDSA P-256 key (RFC 6605) from records in
// presentation form. The SOA must be among them.
func newZone(origin string, records []string) (*zone, error) {
	key := &dns.DNSKEY{
		Hdr:   dns.RR_Header{Name: origin, Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 3600},
		Flags: dns.ZONE | dns.SEP, Protocol: 3, Algorithm: dns.ECDSAP256SHA256,
	}
	private, err := key.Generate(256)
	if err != nil {
		return nil, fmt.Errorf("key of zone %s: %w", origin, err)
	}
	z := &zone{origin: origin, key: key, signer: private.(crypto.Signer), sets: make(map[recordSet][]dns.RR)}
	z.sets[recordSet{origin, dns.TypeDNSKEY}] = []dns.RR{key}
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			return nil, fmt.Errorf("zone %s: %w", origin, err)
		}
		set := recordSet{rr.Header().Name, rr.Header().Rrtype}
		z.sets[set] = append(z.sets[set], rr)
	}
	return z, nil
}

// serve hands the zone to its name servers, at once: what they hold before
// the first change has been there for a long time.
func (z *zone) serve(servers ...*nameserver) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	e, err := z.sign()
	if err != nil {
		return err
	}
	for _, s := range servers {
		s.edition.Store(e)
	}
	z.servers = servers
	return nil
}

// List gives the TLSA RRset of each owner, as the primary copy has it now.
func (z *zone) List(_ context.Context, owners []string) ([]dane.RRset, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	out := make([]dane.RRset, len(owners))
	for i, owner := range owners {
		set, err := z.tlsa(owner)
		if err != nil {
			return nil, err
		}
		out[i] = set
	}
	return out, nil
}

// Apply changes TLSA RRsets, all of them in one edition of the zone. An RRset
// that exists keeps its TTL.
func (z *zone) Apply(_ context.Context, changes []dane.Change) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, c := range changes {
		if !dns.IsSubDomain(z.origin, c.Owner) {
			return fmt.Errorf("%s is not in zone %s", c.Owner, z.origin)
		}
		set, err := z.tlsa(c.Owner)
		if err != nil {
			return err
		}
		ttl := c.TTL
		if len(set.Records) > 0 {
			ttl = set.TTL
		}
		z.put(c.Owner, ttl, c.Apply(set.Records))
	}
	return z.publish()
}

// publish signs the zone and lets every server have the new edition, each
// after its own lag.
func (z *zone) publish() error {
	e, err := z.sign()
	if err != nil {
		return err
	}
	for _, s := range z.servers {
		s.take(e)
	}
	return nil
}

// put replaces the TLSA RRset of an owner.
func (z *zone) put(owner string, ttl uint32, records []dane.Record) {
	at := recordSet{owner, dns.TypeTLSA}
	delete(z.sets, at)
	for _, r := range records {
		z.sets[at] = append(z.sets[at], &dns.TLSA{
			Hdr:   dns.RR_Header{Name: owner, Rrtype: dns.TypeTLSA, Class: dns.ClassINET, Ttl: ttl},
			Usage: uint8(r.Usage), Selector: uint8(r.Selector), MatchingType: uint8(r.Matching),
			Certificate: hex.EncodeToString(r.Data()),
		})
	}
}

// tlsa reads the TLSA RRset of an owner.
func (z *zone) tlsa(owner string) (dane.RRset, error) {
	rrs := z.sets[recordSet{owner, dns.TypeTLSA}]
	records, err := tlsaRecords(rrs)
	set := dane.RRset{Owner: owner, Records: records}
	if len(rrs) > 0 {
		set.TTL = rrs[0].Header().Ttl
	}
	return set, err
}

// tlsaRecords picks the TLSA records out of resource records.
func tlsaRecords(rrs []dns.RR) ([]dane.Record, error) {
	var out []dane.Record
	for _, rr := range rrs {
		t, ok := rr.(*dns.TLSA)
		if !ok {
			continue
		}
		data, err := hex.DecodeString(t.Certificate)
		if err != nil {
			return nil, fmt.Errorf("TLSA record of %s: %w", t.Hdr.Name, err)
		}
		p := dane.Params{Usage: dane.Usage(t.Usage), Selector: dane.Selector(t.Selector), Matching: dane.Matching(t.MatchingType)}
		out = append(out, dane.NewRecord(p, data))
	}
	return dane.SortRecords(out), nil
}

// sign makes the next edition of the zone. The caller holds the lock.
func (z *zone) sign() (*edition, error) {
	z.serial++
	soa, ok := first[*dns.SOA](z.sets[recordSet{z.origin, dns.TypeSOA}])
	if !ok {
		return nil, fmt.Errorf("zone %s has no SOA", z.origin)
	}
	now := dns.Copy(soa).(*dns.SOA)
	now.Serial = z.serial
	z.sets[recordSet{z.origin, dns.TypeSOA}] = []dns.RR{now}

	e := &edition{origin: z.origin, sets: make(map[recordSet]signed)}
	for at, rrs := range z.sets {
		e.sets[at] = signed{rrs: slices.Clone(rrs)}
	}
	e.chain(now.Minttl)
	for at, set := range e.sets {
		sig, err := z.signature(at, set.rrs)
		if err != nil {
			return nil, err
		}
		e.sets[at] = signed{rrs: set.rrs, sig: sig}
	}
	return e, nil
}

// signature signs one RRset for a day.
func (z *zone) signature(at recordSet, rrs []dns.RR) (*dns.RRSIG, error) {
	now := time.Now()
	sig := &dns.RRSIG{
		Hdr:       dns.RR_Header{Ttl: rrs[0].Header().Ttl},
		Algorithm: z.key.Algorithm, KeyTag: z.key.KeyTag(), SignerName: z.origin,
		Inception: uint32(now.Add(-time.Hour).Unix()), Expiration: uint32(now.Add(24 * time.Hour).Unix()),
	}
	if err := sig.Sign(z.signer, rrs); err != nil {
		return nil, fmt.Errorf("sign %s %s: %w", at.name, dns.TypeToString[at.rtype], err)
	}
	return sig, nil
}

// first gives the first record of a type.
func first[T dns.RR](rrs []dns.RR) (T, bool) {
	for _, rr := range rrs {
		if t, ok := rr.(T); ok {
			return t, true
		}
	}
	var none T
	return none, false
}
