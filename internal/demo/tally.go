package demo

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"
)

// tally counts what becomes of deliveries, for senders of one kind.
type tally struct {
	mu    sync.Mutex
	count count
}

// count is how deliveries went.
type count struct {
	delivered     int           // accepted by the server
	authenticated int           // of them: to a host that DANE authenticated
	failures      map[error]int // by reason
	first, last   time.Time     // failure
}

// add counts one delivery.
func (t *tally) add(authenticated bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.count.delivered++
		if authenticated {
			t.count.authenticated++
		}
		return
	}
	if t.count.failures == nil {
		t.count.failures = make(map[error]int)
	}
	t.count.failures[reason(err)]++
	t.count.last = time.Now()
	if t.count.first.IsZero() {
		t.count.first = t.count.last
	}
}

// read gives the count so far.
func (t *tally) read() count {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.count
	c.failures = maps.Clone(c.failures)
	return c
}

// take gives the count and starts again from nothing.
func (t *tally) take() count {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.count
	t.count = count{}
	return c
}

// failed is how many deliveries failed.
func (c count) failed() int {
	n := 0
	for _, times := range c.failures {
		n += times
	}
	return n
}

// lasted is the time between the first failure and the last.
func (c count) lasted() time.Duration { return c.last.Sub(c.first) }

// plus adds up two counts.
func (c count) plus(d count) count {
	sum := count{delivered: c.delivered + d.delivered, authenticated: c.authenticated + d.authenticated,
		failures: make(map[error]int), first: c.first, last: c.last}
	for _, part := range []count{c, d} {
		for why, times := range part.failures {
			sum.failures[why] += times
		}
	}
	if sum.first.IsZero() || !d.first.IsZero() && d.first.Before(sum.first) {
		sum.first = d.first
	}
	if d.last.After(sum.last) {
		sum.last = d.last
	}
	return sum
}

// String says how many deliveries were tried and how many of them failed.
func (c count) String() string {
	return fmt.Sprintf("%d deliveries, %d failed", c.delivered+c.failed(), c.failed())
}

// reason is the kind of an error.
func reason(err error) error {
	for _, kind := range []error{errLookup, errNoMatch, errNoTLS, errDelivery} {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return err
}
