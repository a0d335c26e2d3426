package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// DefaultTimeout bounds a lookup where a Resolver or a caller names no time.
const DefaultTimeout = 10 * time.Second

// ErrNotValidating is matched by the error of ProbeValidating when the
// resolver's word on DNSSEC says nothing.
var ErrNotValidating = errors.New("no DNSSEC validation to rely on")

// Resolver asks a validating recursive resolver: it is the stub that DANE
// senders need (RFC 7672, Section 2.1.1). It may be used concurrently.
type Resolver struct {
	Address string        // "127.0.0.1:53", an IP address with a port
	Timeout time.Duration // of one lookup, every retry included; 0: DefaultTimeout

	// Trust believes the AD bit of a resolver that is not on this machine,
	// because the path to it is known to be safe (RFC 4035, Section 4.6).
	Trust bool
}

// Lookup asks for the records of one type at one name, following CNAMEs. That
// there are none, NXDOMAIN or no data, is an answer. A SERVFAIL is asked again
// with validation off: data that is there all the same is Bogus.
//
// Status Insecure has a meaning only if the resolver validates at all; see
// ProbeValidating.
func (r *Resolver) Lookup(ctx context.Context, name string, qtype uint16) Answer {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(r.Timeout, DefaultTimeout))
	defer cancel()
	q, err := newQuery(name, qtype)
	if err != nil {
		return Answer{Name: name, Type: qtype, Status: Failed, Why: err.Error()}
	}
	q.RecursionDesired = true
	q.AuthenticatedData = true // "I understand the AD bit" (RFC 6840, Section 5.7)
	a, rcode := r.ask(ctx, q)
	if rcode == dns.RcodeServerFailure {
		a = r.askUnvalidated(ctx, q, a)
	}
	return r.believe(a)
}

// ask sends the question once and reads the answer.
func (r *Resolver) ask(ctx context.Context, q *dns.Msg) (Answer, int) {
	question := q.Question[0]
	m, err := askAny(ctx, r.Address, q)
	if err != nil {
		why := fmt.Sprintf("resolver %s: %v", r.Address, err)
		return Answer{Name: question.Name, Type: question.Qtype, Status: Failed, Why: why}, -1
	}
	a := interpret(question, m)
	if a.Status == Failed {
		a.Why = fmt.Sprintf("resolver %s %s", r.Address, a.Why)
	}
	return a, m.Rcode
}

// askUnvalidated finds out what a SERVFAIL means. With checking disabled a
// resolver hands out what it could not validate (RFC 4035, Section 3.2.2). One
// more question as before makes sure that it was no passing trouble upstream.
func (r *Resolver) askUnvalidated(ctx context.Context, q *dns.Msg, failed Answer) Answer {
	unchecked := q.Copy()
	unchecked.Id, unchecked.CheckingDisabled = dns.Id(), true
	if a, _ := r.ask(ctx, unchecked); a.Status == Failed {
		return failed
	}
	again := q.Copy()
	again.Id = dns.Id()
	a, rcode := r.ask(ctx, again)
	if rcode == dns.RcodeServerFailure {
		a.Status = Bogus
		a.Why += ", and has an answer when it need not validate"
	}
	return a
}

// believe decides what the resolver's word on DNSSEC is worth: the AD bit must
// be disregarded unless it came over a secure channel or the resolver was
// configured to regard it (RFC 4035, Section 4.6).
func (r *Resolver) believe(a Answer) Answer {
	switch {
	case a.Status != Secure && a.Status != Insecure:
	case !r.believed():
		a.Status = Indeterminate
		a.Why = fmt.Sprintf("resolver %s is not on this machine, so its word on DNSSEC is not believed", r.Address)
	case a.Status == Insecure:
		a.Why = fmt.Sprintf("not signed: resolver %s answers without the AD bit", r.Address)
	}
	return a
}

func (r *Resolver) believed() bool {
	address, err := netip.ParseAddrPort(r.Address)
	return r.Trust || err == nil && address.Addr().Unmap().IsLoopback()
}

// ProbeValidating finds out whether the resolver validates DNSSEC and is to be
// believed: it must vouch for the SOA record of the root or of one of the
// zones given, which should be signed ones, or find it bogus. The error matches
// ErrNotValidating when its answers show no sign of validation, ErrFailed when
// there are none.
func (r *Resolver) ProbeValidating(ctx context.Context, zones ...string) error {
	if !r.believed() {
		return fmt.Errorf("resolver %s: %w: it is not on this machine, and nothing says that the path to it is trusted", r.Address, ErrNotValidating)
	}
	var asking sync.WaitGroup
	defer asking.Wait() // nothing uses the resolver any more when this returns
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // the first good sign is enough
	zones = append([]string{"."}, zones...)
	answers := make(chan Answer, len(zones))
	for _, zone := range zones {
		asking.Go(func() { answers <- r.Lookup(ctx, zone, dns.TypeSOA) })
	}
	err := fmt.Errorf("resolver %s: %w: its answers come without the AD bit", r.Address, ErrNotValidating)
	failed := 0
	for range zones {
		a := <-answers
		switch a.Status {
		case Secure, Bogus:
			return nil
		case Failed:
			failed++
			if failed == len(zones) {
				err = a.Err()
			}
		}
	}
	return err
}

// Addresses looks up the A and AAAA records of a host at the same time and
// gives all addresses in ascending order, IPv4 first. The two answers are to
// be judged apart: trouble with one type does not spoil the other.
func (r *Resolver) Addresses(ctx context.Context, host string) (addresses []netip.Addr, a, aaaa Answer) {
	var wait sync.WaitGroup
	wait.Go(func() { a = r.Lookup(ctx, host, dns.TypeA) })
	wait.Go(func() { aaaa = r.Lookup(ctx, host, dns.TypeAAAA) })
	wait.Wait()
	return append(a.Addresses(), aaaa.Addresses()...), a, aaaa
}
