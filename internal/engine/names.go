package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/check"
	"github.com/tlsamgr/tlsamgr/rollover"
)

// askTimeout bounds the question to one authoritative server, UDP and TCP together.
const askTimeout = 5 * time.Second

// names asks the DNS: every authoritative server what it serves, and the
// validating resolver whether senders can use it.
type names struct {
	resolver *check.Resolver
	watched  func(owner string) []string // servers to ask instead of the zone's own
	zones    []string                    // all that are managed: some of them should be signed
	now      func() time.Time
}

// Ask obeys RFC 7672, Section 2.2.2: senders look up TLSA records only where
// the addresses of the host are secure, so both must be.
func (n names) Ask(ctx context.Context, owner string) rollover.NameView {
	host := hostOf(owner)
	zone, servers, err := n.servers(ctx, owner)
	view := rollover.NameView{}
	if err != nil {
		view.Why = err.Error()
	}
	for _, a := range check.AskAll(ctx, servers, zone, owner, askTimeout) {
		view.Servers = append(view.Servers, serverView(a))
		if a.Err == nil && a.Alias != "" {
			view.Alias = a.Alias
		}
		if view.Clock == "" {
			view.Clock = clashing(a, n.now())
		}
	}
	if err == nil {
		view.Security, view.Why = n.security(ctx, owner, host)
		if view.Security == rollover.Insecure {
			if why := n.preflight(ctx, zone); why != "" {
				view.Security, view.Why = rollover.Indeterminate, why
			}
		}
	}
	return view
}

// servers gives the zone that holds the owner and the servers to ask.
func (n names) servers(ctx context.Context, owner string) (string, []check.Server, error) {
	zone, _, err := n.resolver.Zone(ctx, owner)
	if err != nil {
		return "", nil, err
	}
	if addresses := n.watched(owner); len(addresses) > 0 {
		var out []check.Server
		for _, a := range addresses {
			out = append(out, check.Server{Address: a})
		}
		return zone, out, nil
	}
	servers, err := n.resolver.Nameservers(ctx, zone)
	return zone, servers, err
}

// security joins the status of the TLSA lookup with that of the addresses.
func (n names) security(ctx context.Context, owner, host string) (rollover.Security, string) {
	tlsa := n.resolver.Lookup(ctx, owner, dns.TypeTLSA)
	if s, why := status(tlsa); s != rollover.Secure {
		return s, why
	}
	a, aaaa := n.resolver.Lookup(ctx, host, dns.TypeA), n.resolver.Lookup(ctx, host, dns.TypeAAAA)
	for _, answer := range []check.Answer{a, aaaa} {
		// A and AAAA are judged apart: a broken denial of one does not hide the other.
		if answer.Status == check.Secure && len(answer.Records) > 0 {
			return rollover.Secure, ""
		}
	}
	if s, why := status(a); s != rollover.Secure {
		return s, why
	}
	return status(aaaa)
}

func status(a check.Answer) (rollover.Security, string) {
	why := fmt.Sprintf("%s %s: %s", strings.TrimSuffix(a.Name, "."), dns.TypeToString[a.Type], a.Why)
	switch a.Status {
	case check.Secure:
		return rollover.Secure, ""
	case check.Insecure:
		return rollover.Insecure, why
	case check.Bogus:
		return rollover.Bogus, why
	}
	return rollover.Indeterminate, why
}

func serverView(a check.ServerAnswer) rollover.ServerView {
	v := rollover.ServerView{Server: a.Server.String(), Records: a.Records, TTL: a.TTL}
	if len(a.Records) == 0 && a.Alias == "" {
		v.TTL = a.NegativeTTL
	}
	if a.Err == nil {
		return v
	}
	v.Err = a.Err.Error()
	var named *check.ServerError
	if errors.As(a.Err, &named) {
		v.Err = named.Unwrap().Error() // the reason says which server it is
	}
	return rollover.ServerView{Server: v.Server, Err: v.Err}
}

// clashing says why the wall clock cannot agree with a server's signatures.
func clashing(a check.ServerAnswer, now time.Time) string {
	switch {
	case a.Err != nil || !a.Signed:
		return ""
	case now.Before(a.SignatureInception):
		return fmt.Sprintf("%s signed its answer at %s, but it is %s by this clock", a.Server, stamp(a.SignatureInception), stamp(now))
	case now.After(a.SignatureExpiration):
		return fmt.Sprintf("the signatures of %s ended at %s, and it is %s by this clock: either the zone is not re-signed or the clock is wrong",
			a.Server, stamp(a.SignatureExpiration), stamp(now))
	}
	return ""
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// hostOf is the TLSA base domain of an owner name.
func hostOf(owner string) string {
	labels := strings.SplitN(owner, ".", 3)
	return strings.TrimSuffix(labels[len(labels)-1], ".")
}
