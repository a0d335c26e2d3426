package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tlsamgr/tlsamgr/check"
	"github.com/tlsamgr/tlsamgr/internal/config"
	"github.com/tlsamgr/tlsamgr/rollover"
)

// handshakes is how many fresh connections are made where the server chooses
// the key: a process that lingers with the old files answers only some of them.
const handshakes = 3

// endpoints are the mail servers of one unit.
type endpoints struct {
	resolver *check.Resolver
	prober   *check.Prober
	byOwner  map[string][]config.Endpoint
}

// Probe looks at every address of every endpoint of the owner (RFC 7672,
// Section 2.2: each address must match).
func (e endpoints) Probe(ctx context.Context, owner string, algorithms []string) []rollover.AddressView {
	var targets []check.Target
	var out []rollover.AddressView
	for _, ep := range e.byOwner[owner] {
		found, err := e.targets(ctx, ep)
		if err != nil {
			out = append(out, rollover.AddressView{Address: net.JoinHostPort(ep.Host, strconv.Itoa(ep.Port)), Err: err.Error()})
		}
		targets = append(targets, found...)
	}
	views := make([]rollover.AddressView, len(targets))
	var wg sync.WaitGroup
	for i, t := range targets {
		wg.Go(func() { views[i] = e.address(ctx, t, algorithms) })
	}
	wg.Wait()
	return append(out, views...)
}

// targets gives the addresses of an endpoint.
func (e endpoints) targets(ctx context.Context, ep config.Endpoint) ([]check.Target, error) {
	addresses, a, aaaa := e.resolver.Addresses(ctx, ep.Host)
	if len(addresses) == 0 {
		return nil, fmt.Errorf("no address: A %s, AAAA %s", outcome(a), outcome(aaaa))
	}
	var out []check.Target
	for _, addr := range addresses {
		out = append(out, check.Target{Host: ep.Host, Port: ep.Port, Protocol: ep.Protocol, Address: net.JoinHostPort(addr.String(), strconv.Itoa(ep.Port))})
	}
	// Both families must have been answered before "every address" means anything.
	for _, answer := range []check.Answer{a, aaaa} {
		if err := answer.Err(); err != nil {
			return out, err
		}
	}
	return out, nil
}

func outcome(a check.Answer) string {
	if a.Why != "" {
		return string(a.Status) + " (" + a.Why + ")"
	}
	return "none"
}

// address makes the handshakes with one address.
func (e endpoints) address(ctx context.Context, t check.Target, algorithms []string) rollover.AddressView {
	v := rollover.AddressView{Address: fmt.Sprintf("%s (%s)", strings.TrimSuffix(t.Host, "."), t.Address)}
	if len(algorithms) == 1 {
		algorithms = slices.Repeat(algorithms, handshakes)
	}
	for _, algorithm := range algorithms {
		p, err := e.prober.Chain(ctx, t, algorithm)
		switch {
		case err == nil:
			v.Served = append(v.Served, rollover.Served{Algorithm: p.Algorithm, Chain: p.Chain})
		case errors.Is(err, check.ErrNoCommonKey):
			// The chain of this algorithm is missing; that shows in Served.
		default:
			v.Err = err.Error()
			v.Broken = errors.Is(err, check.ErrNoSTARTTLS) || errors.Is(err, check.ErrNoTLS)
			return v
		}
	}
	return v
}
