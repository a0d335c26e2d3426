package demo

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/internal/install"
)

// testWorld is everything that senders need.
type testWorld struct {
	*testing.T
	zone    *zone
	servers []*nameserver
	mail    *mailServer
	ca      *issuer
	owner   string
}

func newTestWorld(t *testing.T, lag time.Duration) *testWorld {
	t.Helper()
	w := &testWorld{T: t}
	w.zone, w.servers = testZone(t, lag)
	w.mail, w.ca = testMailServer(t)
	w.owner = fmt.Sprintf("_%d._tcp.%s.", w.mail.port(), host)
	return w
}

// record is the 3 1 1 record of a key.
func (w *testWorld) record(key *ecdsa.PrivateKey) dane.Record {
	w.Helper()
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		w.Fatal(err)
	}
	r, err := dane.Params{Usage: dane.DANEEE, Selector: dane.SPKI, Matching: dane.SHA256}.OfSPKI(spki)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// serve puts files in front of the mail server.
func (w *testWorld) serve(f install.Pair) {
	w.Helper()
	put(w.T, w.mail.live, f)
	if err := w.mail.reload(w.Context()); err != nil {
		w.Fatal(err)
	}
}

func (w *testWorld) sender(k keeping) *sender {
	return &sender{domain: "demo.example.", port: w.mail.port(), resolver: newResolver(w.zone, k, w.servers...), pause: 20 * time.Millisecond, tally: new(tally)}
}

// TestDeliver holds what one delivery ends with, in every state of the world.
func TestDeliver(t *testing.T) {
	w := newTestWorld(t, 0)
	one, key1 := certify(t, w.ca)
	_, key2 := certify(t, w.ca)
	publish := func(add, remove []dane.Record) {
		apply(t, w.zone, dane.Change{Owner: w.owner, TTL: 1, Add: add, Remove: remove})
	}
	r1, r2 := w.record(key1), w.record(key2)
	unusable := dane.NewRecord(dane.Params{Usage: dane.DANEEE, Selector: dane.SPKI, Matching: dane.SHA256}, []byte("short"))
	for _, s := range []struct {
		name          string
		change        func()
		authenticated bool
		err           error
	}{
		{"no records, no TLS", func() {}, false, nil},
		{"records, no TLS", func() { publish([]dane.Record{r1}, nil) }, false, errNoTLS},
		{"the record of the key", func() { w.serve(one) }, true, nil},
		{"that of the next key as well", func() { publish([]dane.Record{r2}, nil) }, true, nil},
		{"only that of the next key", func() { publish(nil, []dane.Record{r1}) }, false, errNoMatch},
		{"only an unusable one", func() { publish([]dane.Record{unusable}, []dane.Record{r2}) }, false, nil},
		{"none", func() { publish(nil, []dane.Record{unusable}) }, false, nil},
		{"a zone signed with another key", func() {
			other, _ := testZone(t, 0)
			w.zone.key = other.key
		}, false, errLookup},
	} {
		s.change()
		for n := range 2 {
			authenticated, err := w.sender(fresh).deliver(t.Context(), n)
			if authenticated != s.authenticated || !errors.Is(err, s.err) {
				t.Errorf("%s, address %d: authenticated %t, %v", s.name, n, authenticated, err)
			}
		}
	}
	nobody := w.sender(fresh)
	nobody.resolver.servers = []string{"127.0.0.1:1"}
	if _, err := nobody.deliver(t.Context(), 0); !errors.Is(err, errLookup) {
		t.Errorf("no name server: %v", err)
	}
}

// TestOrders drives two changes of the key by hand: in the right order nobody
// may fail, in the naive one senders must, or they see nothing.
func TestOrders(t *testing.T) {
	t.Parallel()
	const lag, ttl = 300 * time.Millisecond, time.Second
	for _, naive := range []bool{false, true} {
		t.Run(fmt.Sprintf("naive=%t", naive), func(t *testing.T) {
			t.Parallel()
			w := newTestWorld(t, lag)
			one, key1 := certify(t, w.ca)
			two, key2 := certify(t, w.ca)
			w.serve(one)
			apply(t, w.zone, dane.Change{Owner: w.owner, TTL: 1, Add: []dane.Record{w.record(key1)}})
			time.Sleep(lag + ttl)
			senders := []*sender{w.sender(fresh), w.sender(caching), w.sender(caching)}
			stop := start(t, senders)
			time.Sleep(100 * time.Millisecond) // let the caches fill
			if naive {
				w.serve(two)
				apply(t, w.zone, dane.Change{Owner: w.owner, Add: []dane.Record{w.record(key2)}, Remove: []dane.Record{w.record(key1)}})
				time.Sleep(lag + ttl)
			} else {
				apply(t, w.zone, dane.Change{Owner: w.owner, Add: []dane.Record{w.record(key2)}})
				time.Sleep(lag + ttl + 500*time.Millisecond)
				w.serve(two)
				apply(t, w.zone, dane.Change{Owner: w.owner, Remove: []dane.Record{w.record(key1)}})
				time.Sleep(lag)
			}
			stop()
			var total count
			for i, s := range senders {
				c := s.tally.read()
				total = total.plus(c)
				if c.authenticated == 0 || c.authenticated != c.delivered {
					t.Errorf("sender %d: %+v", i, c)
				}
			}
			// In the naive order failures must be seen, and for that one reason.
			if n := total.failed(); (n > 0) != naive || n != total.failures[errNoMatch] || total.last.Before(total.first) {
				t.Errorf("%+v", total)
			}
			if n := w.mail.accepted.Load(); int(n) != total.delivered {
				t.Errorf("the server accepted %d mails, the senders delivered %d", n, total.delivered)
			}
		})
	}
}

// start lets senders run until the returned function is called.
func start(t *testing.T, senders []*sender) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, s := range senders {
		running.Go(func() { s.run(ctx) })
	}
	return func() {
		cancel()
		running.Wait()
	}
}
