package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/rollover"
)

// limit bounds the whole show, which takes about 15 seconds.
const limit = 44 * time.Second

// How a show can prove the opposite of what it shows.
var (
	ErrFailedDelivery = errors.New("a delivery failed in a rollover that must not fail one")
	ErrBlindSenders   = errors.New("the naive order failed no delivery, so the senders cannot have looked")
	ErrEndState       = errors.New("the rollover did not end as it must")
	ErrTooSlow        = fmt.Errorf("the demo is not over after %s; is this machine very busy?", limit)

	errOutput = errors.New("the demo ends here")
)

// Run shows a first certificate, a change of key and a renewal as tlsamgr
// carries them out, then a change of key in the naive order, and writes what
// happens to out. It takes less than 45 seconds and leaves nothing behind,
// also when ctx ends it early. Errors match one of those above when the show
// proved the opposite of what it shows.
func Run(ctx context.Context, out io.Writer, o Options) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, ErrTooSlow)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	w, err := newWorld()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	s := &show{world: w, screen: newScreen(out, o, func() string { return w.count().String() }, stop)}
	defer s.end()
	s.introduce()
	w.send(ctx)
	for _, act := range []func(context.Context) error{s.firstCertificate, s.newKey, s.sameKey, s.naiveOrder} {
		if err := act(ctx); err != nil {
			return ending(ctx, err)
		}
	}
	return ending(ctx, nil)
}

// ending says why the show ended: what was being done when its context ended
// failed only because of that.
func ending(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	if cause := context.Cause(ctx); errors.Is(cause, ErrTooSlow) || errors.Is(cause, errOutput) {
		return cause
	}
	return ctx.Err()
}

// show is a world, and the screen that tells what happens in it.
type show struct {
	*screen
	world   *world
	why     map[rollover.Kind]string // why a step is safe in this act; DoNothing: why a name server is awaited
	awaited string                   // what the last line said is awaited
}

// introduce tells who is on the stage.
func (s *show) introduce() {
	w := s.world
	s.text(bold, "A mail server changes its key while senders that insist on DANE never stop.")
	s.text(faint, "Everything runs inside this process, on loopback addresses.")
	s.gap()
	s.event(blue, "zone", fmt.Sprintf("%s, signed with DNSSEC, on ns1 (%s) and ns2 (%s); ns2 shows every change %s late",
		domain, w.primary.address, w.lagging.address, seconds(lag)), "")
	s.event(blue, "server", fmt.Sprintf("%s receives on %s", mxHost, strings.Join(w.mail.addresses(), " and ")), "")
	s.event(blue, "senders", fmt.Sprintf("%d look up each time, %d keep every answer for its TTL of %s", askers, caches, ttl), "")
	s.event(blue, "tlsamgr", fmt.Sprintf("the real one, with short waits: %.0f x TTL + %s", wait, seconds(margin)), "")
}

// act begins a part of the show.
func (s *show) act(title string, why map[rollover.Kind]string) {
	s.why, s.awaited = why, ""
	s.gap()
	s.text(bold, title)
}

// report tells what tlsamgr did, or what it waits for. It is called after
// each look that tlsamgr takes at the world, and says nothing twice.
func (s *show) report(d rollover.Decision, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	if err != nil {
		s.event(red, "error", s.plain(err.Error()), "")
		return
	}
	if d.Step.Kind != rollover.DoNothing {
		s.awaited = ""
		s.event(green, string(d.Step.Kind), s.done(d.Step), s.why[d.Step.Kind])
		return
	}
	for _, r := range d.Why {
		if r.Kind != rollover.CauseNote {
			s.await(r, d.State)
			return
		}
	}
}

// await tells of a fact that is awaited, when it is another one than before.
func (s *show) await(r rollover.Reason, state rollover.State) {
	if key := string(r.Kind) + r.Subject; key != s.awaited {
		s.awaited = key
		s.tell(r, state)
	}
	s.expect(r.Until)
}

// tell puts a fact that is awaited into words: its own, or shorter ones that
// refer to the time of the show.
func (s *show) tell(r rollover.Reason, state rollover.State) {
	switch r.Kind {
	case rollover.CauseServer:
		s.event("", "wait", s.plain(r.Text), s.why[rollover.DoNothing])
	case rollover.CauseBelief:
		s.event("", "wait", fmt.Sprintf("until %s: senders may still hold %s", s.clock(r.Until), s.believed(r, state)),
			fmt.Sprintf("Who asked just before the change believes the answer for its TTL of %s; tlsamgr waits %.0f x that and a margin.", ttl, wait))
	case rollover.CauseSettle:
		s.event("", "wait", fmt.Sprintf("until %s: the old record stays", s.clock(r.Until)),
			"Every address has shown the new certificate; some process may still linger with the old one.")
	default:
		s.event("", "wait", s.plain(r.Text), "")
	}
}

// believed names the RRset of a belief that is waited for.
func (s *show) believed(r rollover.Reason, state rollover.State) string {
	for _, m := range state.Owners {
		for _, v := range m.Versions {
			if m.Owner == r.Subject && len(v.Records) > 0 && v.Until(s.world.unit.Config.Policy).Equal(r.Until) {
				return short(v.Records) + " alone"
			}
		}
	}
	return "an older RRset"
}

// done puts a step that was taken into words.
func (s *show) done(step rollover.Step) string {
	var add, remove []dane.Record
	for _, c := range step.Changes {
		add, remove = append(add, c.Add...), append(remove, c.Remove...)
	}
	switch step.Kind {
	case rollover.DoPublish:
		return "+ " + short(add) + " at " + s.world.owner
	case rollover.DoRetire:
		return "- " + short(remove) + " at " + s.world.owner
	case rollover.DoSwap:
		return "one rename switches key and certificate; the server reloads"
	case rollover.DoClean:
		return "the files of the old certificate are deleted"
	}
	return step.Reason
}

// plain leaves out what was introduced before: the addresses of the name
// servers, and where the records are.
func (s *show) plain(text string) string {
	w := s.world
	return strings.NewReplacer(w.primary.address+" ("+w.primary.address+")", w.primary.name, w.lagging.address+" ("+w.lagging.address+")", w.lagging.name,
		w.primary.address, w.primary.name, w.lagging.address, w.lagging.name, " at "+w.owner, "").Replace(text)
}

// short lists records.
func short(records []dane.Record) string {
	var out []string
	for _, r := range records {
		out = append(out, r.Short())
	}
	return strings.Join(out, ", ")
}
