package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/dane"
)

// ErrHidden is matched by the error of CheckAncestors.
var ErrHidden = errors.New("a name above existing records is denied")

// ServerAnswer is what one authoritative server says about the TLSA RRset of
// one owner name.
type ServerAnswer struct {
	Server
	Err error // why the server counts as not seen, a *ServerError; then nothing else is set

	Records []dane.Record // in canonical order; none: the server denies the RRset, or Alias is set
	Alias   string        // the owner is a CNAME, and this is its target; the RRset is there
	TTL     time.Duration // as served, of the records or of the CNAME

	// NegativeTTL is how long the denial may be cached, where there is one.
	NegativeTTL time.Duration

	// Signed says that RRSIG records cover the answer. The two times are when
	// the last of them began and when the first of them ends. Nothing is verified.
	Signed              bool
	SignatureInception  time.Time
	SignatureExpiration time.Time
}

// ServerError is why a server gave no usable answer.
type ServerError struct {
	Server Server
	Err    error
}

// Error names the server, then the reason.
func (e *ServerError) Error() string { return e.Server.String() + ": " + e.Err.Error() }

// Unwrap gives the reason without the server's name.
func (e *ServerError) Unwrap() error { return e.Err }

// AskServer asks one authoritative server of the zone for the TLSA RRset of an
// owner name, over UDP and then over TCP, within the timeout (0:
// DefaultTimeout). Resolvers use both, so both must answer, with authority,
// and agree. An empty zone accepts a denial by whatever zone the server names.
func AskServer(ctx context.Context, s Server, zone, owner string, timeout time.Duration) ServerAnswer {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(timeout, DefaultTimeout))
	defer cancel()
	a, err := askServer(ctx, s, newPlace(zone, owner))
	if err != nil {
		return ServerAnswer{Server: s, Err: &ServerError{s, err}}
	}
	a.Server = s
	return a
}

func askServer(ctx context.Context, s Server, at place) (ServerAnswer, error) {
	if err := s.dialable(); err != nil {
		return ServerAnswer{}, err
	}
	a, err := askTwice(ctx, s.Address, at)
	if errors.Is(err, errDisagree) { // a change may have come in between
		return askTwice(ctx, s.Address, at)
	}
	return a, err
}

// AskAll asks every server at the same time, up to 16 at once, and gives their
// answers in the order of the servers.
func AskAll(ctx context.Context, servers []Server, zone, owner string, timeout time.Duration) []ServerAnswer {
	const atOnce = 16
	out := make([]ServerAnswer, len(servers))
	slots := make(chan struct{}, atOnce)
	var wait sync.WaitGroup
	for i, s := range servers {
		slots <- struct{}{}
		wait.Go(func() {
			out[i] = AskServer(ctx, s, zone, owner, timeout)
			<-slots
		})
	}
	wait.Wait()
	return out
}

// errDisagree marks a server that says one thing over UDP and another over TCP.
var errDisagree = errors.New("answers differently over UDP and over TCP")

// askTwice asks over UDP, then over TCP, and puts the two answers together.
func askTwice(ctx context.Context, address string, at place) (ServerAnswer, error) {
	q, err := newQuery(at.owner, dns.TypeTLSA)
	if err != nil {
		return ServerAnswer{}, err
	}
	deadline, _ := ctx.Deadline()
	half, cancel := context.WithTimeout(ctx, time.Until(deadline)/2)
	defer cancel()
	udp, err := askUDP(half, address, q)
	if err != nil {
		return ServerAnswer{}, fmt.Errorf("%w over UDP", err)
	}
	q.Id = dns.Id()
	tcp, err := askTCP(ctx, address, q)
	if err != nil {
		return ServerAnswer{}, fmt.Errorf("%w over TCP", err)
	}
	now := time.Now()
	a, err := interpretAuthority(tcp, at, now)
	if err != nil || udp.Truncated { // a truncated reply says: ask over TCP, which agrees with anything
		return a, err
	}
	b, err := interpretAuthority(udp, at, now)
	if err != nil {
		return b, err
	}
	return reconcile(a, b)
}

// reconcile makes one answer of two. Of times and TTLs the careful ones count.
func reconcile(a, b ServerAnswer) (ServerAnswer, error) {
	if a.Alias != b.Alias || !slices.Equal(a.Records, b.Records) {
		return ServerAnswer{}, errDisagree
	}
	a.TTL, a.NegativeTTL = max(a.TTL, b.TTL), max(a.NegativeTTL, b.NegativeTTL)
	if a.Signed = a.Signed && b.Signed; !a.Signed {
		a.SignatureInception, a.SignatureExpiration = time.Time{}, time.Time{}
		return a, nil
	}
	if b.SignatureInception.After(a.SignatureInception) {
		a.SignatureInception = b.SignatureInception
	}
	if b.SignatureExpiration.Before(a.SignatureExpiration) {
		a.SignatureExpiration = b.SignatureExpiration
	}
	return a, nil
}

// CheckAncestors asks one authoritative server for each name between the zone
// and an owner that has records: "_tcp.mx1.example.com." exists because
// something below it does, so the server must not deny it with NXDOMAIN
// (RFC 8020, Section 2; RFC 4592, Section 2.2.2). Resolvers that minimise
// query names would never find the records. The error is a *ServerError and
// matches ErrHidden when that happens. An owner that the server denies, or a
// name that it answers NODATA for, hides nothing.
func CheckAncestors(ctx context.Context, s Server, zone, owner string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(timeout, DefaultTimeout))
	defer cancel()
	if err := checkAncestors(ctx, s, newPlace(zone, owner)); err != nil {
		return &ServerError{s, err}
	}
	return nil
}

func checkAncestors(ctx context.Context, s Server, at place) error {
	if err := s.dialable(); err != nil {
		return err
	}
	if denied, err := denies(ctx, s.Address, at.owner, dns.TypeTLSA); denied || err != nil {
		return err
	}
	for name := parent(at.owner); name != at.zone && dns.IsSubDomain(at.zone, name); name = parent(name) {
		hidden, err := denies(ctx, s.Address, name, dns.TypeA)
		if err != nil {
			return err
		}
		if hidden {
			return fmt.Errorf("%w: NXDOMAIN for %s, but %s exists", ErrHidden, name, at.owner)
		}
	}
	return nil
}

// denies says whether an authoritative server answers NXDOMAIN.
func denies(ctx context.Context, address, name string, qtype uint16) (bool, error) {
	q, err := newQuery(name, qtype)
	if err != nil {
		return false, err
	}
	m, err := askAny(ctx, address, q)
	if err != nil {
		return false, err
	}
	return m.Rcode == dns.RcodeNameError, authoritative(m, name)
}
