package check

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// Server is one address of one authoritative name server.
type Server struct {
	Name    string // "ns1.example.net."
	Address string // "192.0.2.1:53"

	// Unresolved is why addresses of the name server are not known, and then
	// Address is empty. Such a server stands in the list so that nobody takes
	// the others for all there are; asking it is an error.
	Unresolved string
}

// String gives "ns1.example.net (192.0.2.1:53)".
func (s Server) String() string {
	name := strings.TrimSuffix(s.Name, ".")
	switch {
	case s.Address == "":
		return name
	case name == "":
		return s.Address
	}
	return fmt.Sprintf("%s (%s)", name, s.Address)
}

// dialable says why the server cannot be asked.
func (s Server) dialable() error {
	if s.Unresolved != "" {
		return fmt.Errorf("not all of its addresses are known: %s", s.Unresolved)
	}
	return dialable(s.Address)
}

// maxServers bounds the names and the addresses of a zone's name servers that
// we are ready to ask. Real zones have up to 13.
const maxServers = 64

// Zone finds the zone that holds a name, by the SOA record that comes with the
// answer or with the denial (RFC 2308, Section 3). The name need not exist. A
// CNAME at the name is not followed: what counts is the zone that the CNAME
// itself is in. The SOA record is as the resolver has it, its TTL counted
// down. Errors match ErrBogus or ErrFailed.
func (r *Resolver) Zone(ctx context.Context, name string) (zone string, soa *dns.SOA, err error) {
	for at := dns.CanonicalName(name); ; at = parent(at) {
		a := r.Lookup(ctx, at, dns.TypeSOA)
		if err := a.Err(); err != nil {
			return "", nil, fmt.Errorf("find the zone of %s: %w", name, err)
		}
		if soa := apex(a); soa != nil {
			return dns.CanonicalName(soa.Hdr.Name), soa, nil
		}
		if at == "." {
			return "", nil, fmt.Errorf("find the zone of %s: %w: resolver %s gives no SOA record", name, ErrFailed, r.Address)
		}
	}
}

// apex gives the SOA record of the zone that an answer about SOA comes from,
// or nil where the answer speaks of another name: no alias is a zone apex
// (RFC 1034, Section 3.6.2), so the zone of an alias is that of its parent.
func apex(a Answer) *dns.SOA {
	if a.Canonical != a.Name {
		return nil
	}
	if len(a.Records) > 0 {
		return a.Records[0].(*dns.SOA)
	}
	return a.Denial
}

// parent is the name without its first label; the root's is the root.
func parent(name string) string {
	next, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[next:]
}

// Nameservers gives every address of every name server of a zone, sorted by
// name. A name server that could not be resolved, wholly or for one address
// type, has an entry without address that says so. Errors match ErrBogus or
// ErrFailed.
func (r *Resolver) Nameservers(ctx context.Context, zone string) ([]Server, error) {
	a := r.Lookup(ctx, zone, dns.TypeNS)
	if err := a.Err(); err != nil {
		return nil, fmt.Errorf("name servers of %s: %w", zone, err)
	}
	if len(a.Records) == 0 {
		return nil, fmt.Errorf("name servers of %s: %w: there are no NS records", zone, ErrFailed)
	}
	if len(a.Records) > maxServers {
		return nil, fmt.Errorf("name servers of %s: %w: %d of them, at most %d are asked", zone, ErrFailed, len(a.Records), maxServers)
	}
	found := make([][]Server, len(a.Records))
	var wait sync.WaitGroup
	for i, rr := range a.Records {
		wait.Go(func() { found[i] = r.servers(ctx, rr.(*dns.NS).Ns) })
	}
	wait.Wait()
	servers := slices.Concat(found...)
	if len(servers) > maxServers {
		return nil, fmt.Errorf("name servers of %s: %w: %d addresses, at most %d are asked", zone, ErrFailed, len(servers), maxServers)
	}
	slices.SortFunc(servers, Server.compare)
	return servers, nil
}

// servers resolves one name server. Both address types must be answered:
// senders may reach the server by either.
func (r *Resolver) servers(ctx context.Context, name string) []Server {
	name = dns.CanonicalName(name)
	addresses, a, aaaa := r.Addresses(ctx, name)
	var out []Server
	for _, address := range addresses {
		out = append(out, Server{Name: name, Address: netip.AddrPortFrom(address, 53).String()})
	}
	for _, answer := range []Answer{a, aaaa} {
		if err := answer.Err(); err != nil {
			out = append(out, Server{Name: name, Unresolved: err.Error()})
		}
	}
	if len(out) == 0 {
		out = append(out, Server{Name: name, Unresolved: "it has neither A nor AAAA records"})
	}
	return out
}

func (s Server) compare(t Server) int {
	return cmp.Or(strings.Compare(s.Name, t.Name), strings.Compare(s.Address, t.Address), strings.Compare(s.Unresolved, t.Unresolved))
}
