package demo

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/internal/install"
	"github.com/tlsamgr/tlsamgr/rollover"
)

// firstCertificate brings a host without TLSA records to DANE, and waits until
// all senders make use of it.
func (s *show) firstCertificate(ctx context.Context) error {
	s.act("1. The first certificate", map[rollover.Kind]string{
		rollover.DoSwap:    "There are no TLSA records yet, so no sender looks at the certificate.",
		rollover.DoPublish: "Only now: from its first instant a record must match what every address serves.",
	})
	if err := s.roll(ctx, nil); err != nil {
		return err
	}
	for {
		before := s.world.count()
		if err := sleep(ctx, 3*pause); err != nil {
			return err
		}
		after := s.world.count()
		if n := after.delivered - before.delivered; n > 0 && after.authenticated-before.authenticated == n {
			s.event(green, "mail", "every sender has found the record and authenticates the server", "")
			return nil
		}
	}
}

// newKey changes the key.
func (s *show) newKey(ctx context.Context) error {
	s.act("2. A new key", map[rollover.Kind]string{
		rollover.DoNothing: "The caches' clock starts when the last name server has changed, not when the provider said yes.",
		rollover.DoPublish: "Beside the record in use, not in its place: the RRset must match before the swap and after it.",
		rollover.DoSwap:    "Nobody can hold an RRset any more that does not know the new key.",
		rollover.DoRetire:  "No certificate needs it. Who still holds both records finds the new one.",
	})
	return s.roll(ctx, nil)
}

// sameKey renews the certificate with the key that is in use, and sums up.
func (s *show) sameKey(ctx context.Context) error {
	s.act("3. A renewal that keeps its key", map[rollover.Kind]string{
		rollover.DoSwap: "3 1 1 pins the key, not the certificate: whatever RRset anybody holds, it matches. Nothing to publish, nothing to wait for.",
	})
	if err := s.roll(ctx, s.world.key); err != nil {
		return err
	}
	return s.sumUp()
}

// roll hands a certificate to tlsamgr, for a new key or for one that is
// given, and lets tlsamgr carry it to the end.
func (s *show) roll(ctx context.Context, key *ecdsa.PrivateKey) error {
	w := s.world
	g, err := s.stage(key)
	if err != nil {
		return err
	}
	d, err := w.unit.Carry(ctx, true, s.report)
	if err != nil {
		return err
	}
	if d.Phase != rollover.Idle {
		return fmt.Errorf("%w: it is %s", ErrEndState, d.Phase)
	}
	return s.proveEnd(ctx, g)
}

// stage has a certificate issued and hands it to tlsamgr.
func (s *show) stage(key *ecdsa.PrivateKey) (install.Generation, error) {
	g, err := s.world.certificate(key)
	if err != nil {
		return g, err
	}
	which := "a new key"
	if key != nil {
		which = "the same key"
	}
	s.event(blue, "stage", fmt.Sprintf("a certificate with %s, %.8s…", which, g.Chains[0].KeyID()), "")
	return g, nil
}

// proveEnd holds that the rollover ended as it must, by what the zone has and
// the server serves, not by what tlsamgr says.
func (s *show) proveEnd(ctx context.Context, g install.Generation) error {
	want, err := g.Chains[0].Records(pinned())
	if err != nil {
		return err
	}
	records, err := s.world.published(ctx)
	if err != nil {
		return err
	}
	if !slices.Equal(records, want) {
		return fmt.Errorf("%w: %s is published, not %s", ErrEndState, short(records), short(want))
	}
	if !bytes.Equal(s.world.mail.serves(), g.Chains[0].Leaf()) {
		return fmt.Errorf("%w: another certificate is served", ErrEndState)
	}
	return nil
}

// sumUp tells how mail fared under tlsamgr. No delivery may have failed.
func (s *show) sumUp() error {
	c := s.world.count()
	style := green
	if c.failed() > 0 {
		style = red
	}
	s.gap()
	s.text(style, c.String())
	if c.failed() > 0 {
		return fmt.Errorf("%w: %s", ErrFailedDelivery, reasons(c))
	}
	return nil
}

// naiveOrder changes the key as scripts do that know nothing of caches: it
// swaps, and then replaces the record.
func (s *show) naiveOrder(ctx context.Context) error {
	w := s.world
	s.act("4. For contrast, the naive order: swap, then publish", nil)
	w.asked.take()
	w.cached.take()
	old, err := w.published(ctx)
	if err != nil {
		return err
	}
	g, err := s.stage(nil)
	if err != nil {
		return err
	}
	if err := w.unit.Files.Switch(g.ID); err != nil {
		return err
	}
	if err := w.mail.reload(ctx); err != nil {
		return err
	}
	s.event(red, "swap", "at once", "")
	add, err := g.Chains[0].Records(pinned())
	if err != nil {
		return err
	}
	if err := w.zone.Apply(ctx, []dane.Change{{Owner: w.owner, Add: add, Remove: old}}); err != nil {
		return err
	}
	s.event(red, "publish", short(add)+" in the place of "+short(old),
		"The provider said yes and the script is content. ns2 and the caches still have the old record, and the server does not know its key any more.")
	return s.watch(ctx)
}

// watch waits until the last cache has forgotten the old record, and tells
// what happened to the mail meanwhile.
func (s *show) watch(ctx context.Context) error {
	over := lag + ttl + margin
	s.expect(time.Now().Add(over))
	if err := sleep(ctx, over); err != nil {
		return err
	}
	return s.contrast(s.world.asked.read(), s.world.cached.read())
}

// contrast tells what the naive order did to senders that ask anew and to
// those with a cache. It must fail some deliveries.
func (s *show) contrast(asked, cached count) error {
	all := asked.plus(cached)
	s.gap()
	if all.failed() == 0 {
		s.text(red, all.String())
		return ErrBlindSenders
	}
	s.text(red, all.String()+", over "+seconds(all.lasted()))
	s.text("", "The reason: "+reasons(all)+".")
	s.gap()
	s.text("", fmt.Sprintf("What to take home: senders that asked anew failed for %s, because ns2 lagged; those with a cache "+
		"for up to %s, lag + TTL. With a TTL of an hour it is an hour, and nothing on the receiving server shows it: "+
		"the mail waits in other people's queues. Publishing first and swapping at once fails the same way. "+
		"The order that fails nobody is: add the new record, wait until every name server has it, wait until "+
		"every cache has it, swap, look at every address, and only then remove the old record.",
		seconds(asked.lasted()), seconds(cached.lasted())))
	return nil
}

// reasons lists why deliveries failed.
func reasons(c count) string {
	var out []string
	for why := range maps.Keys(c.failures) {
		out = append(out, why.Error())
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

// pinned is what the demo publishes: 3 1 1, the leaf's key as SHA-256.
func pinned() dane.Params {
	return dane.Params{Usage: dane.DANEEE, Selector: dane.SPKI, Matching: dane.SHA256}
}

// sleep waits, unless the show ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
