package demo

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/internal/config"
	"github.com/tlsamgr/tlsamgr/internal/engine"
	"github.com/tlsamgr/tlsamgr/internal/install"
	"github.com/tlsamgr/tlsamgr/rollover"
)

// The names and times of the world. In earnest the TTL is an hour and the
// waits are as long as senders need; here everything happens in seconds.
const (
	domain = "demo.example"
	mxHost = "mx." + domain
	ttl    = 2 * time.Second
	lag    = 1500 * time.Millisecond // of the second name server
	wait   = 2.0                     // times the TTL
	margin = 500 * time.Millisecond
	settle = time.Second

	askers = 3                      // senders that look up anew for each mail
	caches = 10                     // senders that keep each answer for its full TTL
	pause  = 100 * time.Millisecond // between two mails of a sender
)

// world is a mail domain on the loopback interface, with everything that it
// needs and with senders that never stop.
type world struct {
	folder  string // everything that is on disk
	zone    *zone
	primary *nameserver
	lagging *nameserver
	mail    *mailServer
	ca      *issuer
	key     *ecdsa.PrivateKey // of the certificate that was issued last
	unit    *engine.Unit
	owner   string // of the TLSA records

	asked, cached *tally // of the two kinds of senders

	stops []func() error // what ends the world, the last first
}

// newWorld builds the world and starts its servers, but no senders yet. The
// caller closes it.
func newWorld() (w *world, err error) {
	w = &world{asked: new(tally), cached: new(tally)}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.folder, err = os.MkdirTemp("", "tlsamgr-demo-"); err != nil {
		return w, err
	}
	w.stops = append(w.stops, func() error { return os.RemoveAll(w.folder) })
	if w.ca, err = newIssuer("Demo CA"); err != nil {
		return w, err
	}
	if err = w.startMail(); err != nil {
		return w, err
	}
	if err = w.startNames(); err != nil {
		return w, err
	}
	return w, w.openUnit()
}

// startMail starts the mail server on every address that this machine offers:
// not every system has 127.0.0.2 or IPv6.
func (w *world) startMail() error {
	var ips []string
	for _, ip := range []string{"127.0.0.1", "127.0.0.2", "::1"} {
		if l, err := net.Listen("tcp", net.JoinHostPort(ip, "0")); err == nil && len(ips) < 2 {
			ips = append(ips, ip)
			_ = l.Close()
		}
	}
	live := filepath.Join(w.folder, "live")
	m, err := newMailServer(mxHost, live, 2525, ips...)
	if err != nil {
		m, err = newMailServer(mxHost, live, 0, ips...) // somebody else has the port
	}
	if err != nil {
		return err
	}
	w.mail = m
	w.owner = fmt.Sprintf("_%d._tcp.%s.", m.port(), mxHost)
	w.stops = append(w.stops, m.close)
	return nil
}

// startNames signs the zone and starts its name servers.
func (w *world) startNames() (err error) {
	if w.zone, err = newZone(domain+".", w.records()); err != nil {
		return err
	}
	if w.primary, err = newNameserver("ns1", "127.0.0.1", 0); err != nil {
		return err
	}
	w.stops = append(w.stops, w.primary.close)
	if w.lagging, err = newNameserver("ns2", "127.0.0.1", lag); err != nil {
		return err
	}
	w.stops = append(w.stops, w.lagging.close)
	return w.zone.serve(w.primary, w.lagging)
}

// records is the zone before anything is published in it.
func (w *world) records() []string {
	seconds := int(ttl.Seconds())
	out := []string{
		fmt.Sprintf("%s. %d IN SOA ns1.%[1]s. hostmaster.%[1]s. 0 3600 600 86400 %[2]d", domain, seconds),
		fmt.Sprintf("%s. %d IN NS ns1.%[1]s.", domain, seconds),
		fmt.Sprintf("%s. %d IN NS ns2.%[1]s.", domain, seconds),
		fmt.Sprintf("ns1.%s. %d IN A 127.0.0.1", domain, seconds),
		fmt.Sprintf("ns2.%s. %d IN A 127.0.0.1", domain, seconds),
		fmt.Sprintf("%s. %d IN MX 10 %s.", domain, seconds, mxHost),
	}
	for _, l := range w.mail.listeners {
		rtype, ip := "A", l.Addr().(*net.TCPAddr).IP
		if ip.To4() == nil {
			rtype = "AAAA"
		}
		out = append(out, fmt.Sprintf("%s. %d IN %s %s", mxHost, seconds, rtype, ip))
	}
	return out
}

// openUnit starts the resolver that tlsamgr believes and makes tlsamgr itself.
func (w *world) openUnit() error {
	resolver, err := listen("127.0.0.1", newResolver(w.zone, fresh, w.primary, w.lagging))
	if err != nil {
		return fmt.Errorf("resolver: %w", err)
	}
	w.stops = append(w.stops, resolver.close)
	cert := &config.Certificate{
		Name: "mx", Names: []string{mxHost}, LiveDir: w.mail.live,
		Endpoints: []config.Endpoint{{Host: mxHost, Port: w.mail.port(), Protocol: "smtp"}},
		Policy:    rollover.Policy{Names: []string{mxHost}, TTL: ttl, Wait: wait, Floor: rollover.None, Margin: margin, Settle: settle},
	}
	cfg := &config.Config{
		StateDir: filepath.Join(w.folder, "state"), Resolver: resolver.address, DNSSEC: "resolver",
		DNS: map[string]*config.DNS{"demo": {Name: "demo", Zones: []string{domain + "."},
			Nameservers: []string{w.primary.address, w.lagging.address}}},
		Certificates: []*config.Certificate{cert},
	}
	if w.unit, err = engine.Open(cfg, cert, engine.Options{Zone: w.zone}); err != nil {
		return err
	}
	w.unit.Runner.Installer = installer{w.unit.Runner.Installer, w.mail}
	return nil
}

// installer switches the files as in earnest. Only the reload is another one:
// in earnest it runs a command, which ends up as a signal to the mail server;
// here the mail server lives in this process and is simply called.
type installer struct {
	rollover.Installer
	mail *mailServer
}

// Reload makes the mail server read its files again.
func (i installer) Reload(ctx context.Context) error { return i.mail.reload(ctx) }

// certificate has one issued, for a new key where none is given, and stages it.
func (w *world) certificate(key *ecdsa.PrivateKey) (g install.Generation, err error) {
	if key == nil {
		if key, err = newKey(); err != nil {
			return g, err
		}
	}
	w.key = key
	pair, err := w.ca.issue(mxHost, key)
	if err != nil {
		return g, err
	}
	return w.unit.Files.Stage([]install.Pair{pair})
}

// send starts the senders. Those with a cache start one after the other, so
// that at each moment one of them holds an answer of about every age.
func (w *world) send(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	w.stops = append(w.stops, func() error {
		cancel()
		running.Wait()
		return nil
	})
	for range askers {
		s := w.sender(fresh, w.asked)
		running.Go(func() { s.run(ctx) })
	}
	for i := range caches {
		s := w.sender(caching, w.cached)
		running.Go(func() {
			select {
			case <-ctx.Done():
			case <-time.After(ttl * time.Duration(i) / caches):
				s.run(ctx)
			}
		})
	}
}

// sender makes one sender with a resolver of its own.
func (w *world) sender(k keeping, t *tally) *sender {
	return &sender{domain: domain + ".", port: w.mail.port(), pause: pause, tally: t,
		resolver: newResolver(w.zone, k, w.primary, w.lagging)}
}

// count adds up the tallies of all senders.
func (w *world) count() count { return w.asked.read().plus(w.cached.read()) }

// published gives the TLSA records that the zone holds now.
func (w *world) published(ctx context.Context) ([]dane.Record, error) {
	sets, err := w.zone.List(ctx, []string{w.owner})
	if err != nil {
		return nil, err
	}
	return sets[0].Records, nil
}

// close ends everything and removes what is on disk.
func (w *world) close() error {
	var errs []error
	for len(w.stops) > 0 {
		last := len(w.stops) - 1
		errs = append(errs, w.stops[last]())
		w.stops = w.stops[:last]
	}
	return errors.Join(errs...)
}
