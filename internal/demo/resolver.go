package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// queryTime bounds one query to a name server.
const queryTime = 2 * time.Second

// resolver is a validating resolver for one zone. It asks one of the zone's
// servers at random and believes nothing that the anchor has not signed. With
// caching it keeps every answer for exactly its TTL, as long as a resolver may.
type resolver struct {
	origin  string
	anchor  *dns.DNSKEY
	servers []string // "127.0.0.1:4711"
	keeping keeping

	mu    sync.Mutex
	cache map[recordSet]answer
}

// keeping says what a resolver does with an answer once it has given it.
type keeping int

const (
	fresh   keeping = iota // ask anew each time
	caching                // keep it for its TTL
)

// answer is what the resolver found out about one RRset. It was validated.
type answer struct {
	rcode   int
	records []dns.RR // the RRset and its signatures; none: it does not exist
	denial  []dns.RR // the proof that it does not exist
	ttl     time.Duration
	at      time.Time // when it was received
}

// newResolver makes a resolver for a zone from its name servers.
func newResolver(z *zone, k keeping, servers ...*nameserver) *resolver {
	r := &resolver{origin: z.origin, anchor: z.key, keeping: k, cache: make(map[recordSet]answer)}
	for _, s := range servers {
		r.servers = append(r.servers, s.address)
	}
	return r
}

// lookup gives the answer to a question, from the cache while it lasts.
// errBogus is matched by the error when an answer does not validate.
func (r *resolver) lookup(ctx context.Context, name string, rtype uint16) (answer, error) {
	at := recordSet{dns.CanonicalName(name), rtype}
	r.mu.Lock()
	known, ok := r.cache[at]
	r.mu.Unlock()
	if ok && time.Since(known.at) < known.ttl {
		return known, nil
	}
	m, err := r.ask(ctx, at)
	if err != nil {
		return answer{}, err
	}
	a, err := validate(m, at, authority{origin: r.origin, key: r.anchor, now: time.Now()})
	if err != nil {
		return answer{}, err
	}
	if r.keeping == caching {
		r.mu.Lock()
		r.cache[at] = a
		r.mu.Unlock()
	}
	return a, nil
}

// ask sends the question to one server after the other, in random order,
// until one gives an answer.
func (r *resolver) ask(ctx context.Context, at recordSet) (*dns.Msg, error) {
	query := new(dns.Msg).SetQuestion(at.name, at.rtype)
	query.SetEdns0(udpSize, true)
	query.RecursionDesired, query.CheckingDisabled = false, true
	var failed []error
	for _, i := range rand.Perm(len(r.servers)) {
		m, err := exchange(ctx, query, r.servers[i])
		if err == nil {
			return m, nil
		}
		failed = append(failed, err)
	}
	return nil, errors.Join(failed...)
}

// exchange asks one server by UDP, and by TCP when the answer is too long.
func exchange(ctx context.Context, query *dns.Msg, server string) (*dns.Msg, error) {
	for _, network := range []string{"udp", "tcp"} {
		client := dns.Client{Net: network, Timeout: queryTime, UDPSize: udpSize}
		m, _, err := client.ExchangeContext(ctx, query, server)
		if err != nil {
			return nil, fmt.Errorf("ask %s: %w", server, err)
		}
		if m.Truncated {
			continue
		}
		if !m.Authoritative || m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
			return nil, fmt.Errorf("ask %s: %s for %s", server, dns.RcodeToString[m.Rcode], query.Question[0].Name)
		}
		return m, nil
	}
	return nil, fmt.Errorf("ask %s: truncated answer by TCP", server)
}

// ServeDNS answers a stub resolver: with the AD bit set, because everything
// it hands out was validated, or with SERVFAIL. A client that set CD wants to
// judge for itself.
func (r *resolver) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	reply := new(dns.Msg).SetReply(query)
	reply.RecursionAvailable = true
	if len(query.Question) != 1 || query.Question[0].Qclass != dns.ClassINET || unanswerable(query.Question[0].Qtype) {
		reply.Rcode = dns.RcodeNotImplemented
		send(w, query, reply)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*queryTime)
	defer cancel()
	if query.CheckingDisabled {
		r.relay(ctx, query, reply)
	} else {
		r.answer(ctx, query, reply)
	}
	send(w, query, reply)
}

// answer fills in a validated reply.
func (r *resolver) answer(ctx context.Context, query, reply *dns.Msg) {
	a, err := r.lookup(ctx, query.Question[0].Name, query.Question[0].Qtype)
	if err != nil {
		reply.Rcode = dns.RcodeServerFailure
		return
	}
	reply.Rcode = a.rcode
	reply.Answer, reply.Ns = aged(a.records, a), aged(a.denial, a)
	// The client says that it understands AD by AD or DO.
	opt := query.IsEdns0()
	reply.AuthenticatedData = query.AuthenticatedData || opt != nil && opt.Do()
}

// relay fills in what a server said, unjudged.
func (r *resolver) relay(ctx context.Context, query, reply *dns.Msg) {
	q := query.Question[0]
	m, err := r.ask(ctx, recordSet{dns.CanonicalName(q.Name), q.Qtype})
	if err != nil {
		reply.Rcode = dns.RcodeServerFailure
		return
	}
	reply.Rcode, reply.Answer, reply.Ns = m.Rcode, m.Answer, m.Ns
}

// aged copies records with the TTL that is left of them.
func aged(rrs []dns.RR, a answer) []dns.RR {
	left := uint32(max(0, (a.ttl - time.Since(a.at)).Round(time.Second).Seconds()))
	out := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		out[i] = dns.Copy(rr)
		out[i].Header().Ttl = min(rr.Header().Ttl, left)
	}
	return out
}
