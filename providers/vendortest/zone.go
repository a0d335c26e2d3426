// Package vendortest holds servers that behave like the public APIs of DNS
// vendors, for tests of the providers that call them. They are strict where the
// vendor is: about authentication, field names, types, limits and pages. A
// server that takes everything would prove nothing.
package vendortest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// Record is one record at a vendor.
type Record struct {
	ID   string
	Name string // absolute and lower case
	Type string // "TLSA"
	TTL  uint32 // seconds
	Data string // presentation form
}

// Zone is what a vendor's server keeps. Its methods may be called from several
// goroutines.
type Zone struct {
	Apex string // absolute and lower case

	mu      sync.Mutex
	records []Record
	last    int
}

// NewZone makes a zone of text in the form of a master file, with an SOA
// record and two NS records, and without the types that the vendor does not
// have.
func NewZone(apex, content string, without ...string) (*Zone, error) {
	z := &Zone{Apex: dns.Fqdn(strings.ToLower(apex))}
	head := "@ 3600 SOA ns1.vendor.test. hostmaster.vendor.test. 1 7200 3600 1209600 3600\n@ 3600 NS ns1.vendor.test.\n@ 3600 NS ns2.vendor.test.\n"
	p := dns.NewZoneParser(strings.NewReader("$TTL 3600\n"+head+content), z.Apex, "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		kind := dns.TypeToString[rr.Header().Rrtype]
		if kind == "" || slices.Contains(without, kind) {
			continue
		}
		data := strings.TrimPrefix(rr.String(), rr.Header().String())
		z.Add(Record{Name: rr.Header().Name, Type: kind, TTL: rr.Header().Ttl, Data: data})
	}
	return z, p.Err()
}

// Add keeps a record and gives it an id.
func (z *Zone) Add(r Record) Record {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.last++
	r.ID = strconv.Itoa(1000 + z.last)
	r.Name = dns.Fqdn(strings.ToLower(r.Name))
	z.records = append(z.records, r)
	return r
}

// Remove drops the records that match and gives them.
func (z *Zone) Remove(match func(Record) bool) []Record {
	z.mu.Lock()
	defer z.mu.Unlock()
	var gone []Record
	z.records = slices.DeleteFunc(z.records, func(r Record) bool {
		if match(r) {
			gone = append(gone, r)
			return true
		}
		return false
	})
	return gone
}

// All gives every record in the order of names, types and ids.
func (z *Zone) All() []Record {
	z.mu.Lock()
	defer z.mu.Unlock()
	out := slices.Clone(z.records)
	slices.SortStableFunc(out, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
	})
	return out
}

// At gives the records of a name and type.
func (z *Zone) At(name, kind string) (out []Record) {
	for _, r := range z.All() {
		if r.Type == kind && r.Name == dns.Fqdn(strings.ToLower(name)) {
			out = append(out, r)
		}
	}
	return out
}

// Replace puts other records in the place of all of a name and type, at once.
func (z *Zone) Replace(name, kind string, records []Record) {
	z.mu.Lock()
	defer z.mu.Unlock()
	name = dns.Fqdn(strings.ToLower(name))
	z.records = slices.DeleteFunc(z.records, func(r Record) bool { return r.Name == name && r.Type == kind })
	for _, r := range records {
		z.last++
		r.ID, r.Name, r.Type = strconv.Itoa(1000+z.last), name, kind
		z.records = append(z.records, r)
	}
}

// Change replaces all records by what do makes of them, or none if it fails:
// for APIs that do several things at once or not at all.
func (z *Zone) Change(do func([]Record) ([]Record, error)) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	after, err := do(slices.Clone(z.records))
	if err != nil {
		return err
	}
	for i := range after {
		if after[i].ID == "" {
			z.last++
			after[i].ID = strconv.Itoa(1000 + z.last)
		}
	}
	z.records = after
	return nil
}

// RRs gives what the vendor's name servers hand out.
func (z *Zone) RRs() ([]dns.RR, error) {
	var out []dns.RR
	for _, r := range z.All() {
		rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", r.Name, r.TTL, r.Type, r.Data))
		if err != nil {
			return nil, fmt.Errorf("%s %s %q: %w", r.Name, r.Type, r.Data, err)
		}
		if rr != nil {
			out = append(out, rr)
		}
	}
	return out, nil
}

// Relative gives a name as seen from the zone, "" for the zone itself.
func (z *Zone) Relative(name string) string {
	if name == z.Apex {
		return ""
	}
	return strings.TrimSuffix(name, "."+z.Apex)
}

// Absolute gives the name that is meant by one relative to the zone.
func (z *Zone) Absolute(name string) string {
	if name == "" || name == "@" {
		return z.Apex
	}
	return strings.ToLower(name) + "." + z.Apex
}
