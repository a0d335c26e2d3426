package rollover

import (
	"fmt"
	"slices"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// jump is the difference between the wall clock and the boot clock from which
// on the wall clock is taken to have been set.
const jump = time.Minute

// Next looks at what is remembered, what is measured and what the operator
// chose, and names the one step to take now. It is total and deterministic; it
// does no I/O, reads no clock, logs nothing and changes none of its arguments.
//
// The State of the decision must be saved before its Step is done: it holds
// the intent of the step.
func Next(s State, o Observation, p Policy) Decision {
	n := &planner{state: s.Clone(), o: o, p: p.withDefaults()}
	n.readClock()
	n.remember()
	n.prove()
	n.look()
	step := n.choose()
	return n.decision(step)
}

// planner is the workplace of one call of Next.
type planner struct {
	state State
	o     Observation
	p     Policy
	why   []Reason

	owners  []owner // what follows from each OwnerView, in the order of the observation
	trusted bool    // the wall clock can be right
	proven  bool    // every address presents the live generation and nothing else, now
}

// readClock compares the wall clock with the boot clock and with the zone's
// signatures. A clock that was set within one boot shifts all remembered times
// with it, so that every wait goes on measuring real time; after a reboot a
// clock that went backwards can only lengthen a wait.
func (n *planner) readClock() {
	n.trusted = n.o.Clock == ""
	for _, v := range n.o.Owners {
		if v.Names.Clock != "" && n.o.Clock == "" {
			n.o.Clock, n.trusted = v.Names.Clock, false
		}
	}
	if !n.trusted {
		n.note(Reason{Kind: CauseHeld, Subject: "clock", Text: n.o.Clock, Hint: "set the clock of this machine; until then nothing irreversible is done"})
	}
	b, was := n.o.Boot, n.state.Boot
	if n.state.Seen.IsZero() {
		return
	}
	if b.ID != "" && b.ID == was.ID {
		step := n.o.Now.Sub(n.state.Seen) - (b.Uptime - was.Uptime)
		if step > jump || step < -jump {
			n.state.shift(step)
			n.note(Reason{Kind: CauseNote, Subject: "clock", Text: fmt.Sprintf("the clock was set by %s; running waits are not affected", step.Round(time.Second))})
		}
		return
	}
	if n.o.Now.Before(n.state.Seen.Add(-jump)) {
		n.note(Reason{Kind: CauseNote, Subject: "clock", Text: fmt.Sprintf("the clock is %s behind the last run; waits become longer by as much", n.state.Seen.Sub(n.o.Now).Round(time.Second))})
	}
}

// remember brings the memory of every owner up to date.
func (n *planner) remember() {
	for _, v := range n.o.Owners {
		m := n.state.memory(v.Owner)
		if !n.trusted {
			m.sight(v.Names, n.o.Now)
			continue
		}
		if len(v.Names.Servers) > 0 && (len(m.Versions) == 0 || n.state.Gap) {
			n.begin(m, v)
		}
		m.remember(v.Names, n.o.Now)
		if l := v.Listed; l.Err == "" && len(l.Records) > 0 {
			m.underway(l.Records, l.TTL, n.o.Now)
		}
		if v.Names.Security == Bogus {
			m.renew(n.o.Now, n.p)
		}
		m.forget(n.o.Now, n.p)
	}
	if n.trusted {
		n.state.Gap = false
		n.rememberFormer()
		n.state.Seen, n.state.Boot = n.o.Now, n.o.Boot
	}
}

// rememberFormer goes on watching owners that are not configured any more, and
// forgets those whose records nobody can believe in.
func (n *planner) rememberFormer() {
	for _, v := range n.o.Former {
		n.state.memory(v.Owner).remember(v.Names, n.o.Now)
	}
	n.state.Owners = slices.DeleteFunc(n.state.Owners, func(m Memory) bool {
		former := slices.ContainsFunc(n.o.Former, func(v FormerView) bool { return v.Owner == m.Owner })
		return former && !m.records(n.o.Now, n.p)
	})
}

// begin starts the memory of an owner that was never looked at, or whose state
// or last save was lost: what senders hold may be anything that was served before. Only
// where there is no RRset and nothing was ever installed is there nothing to fear.
func (n *planner) begin(m *Memory, v OwnerView) {
	ttl, present := n.p.TTL, n.o.Live != nil
	for _, s := range v.Names.Servers {
		ttl = max(ttl, s.TTL)
		present = present || len(s.Records) > 0 || s.Err != ""
	}
	if !present {
		return
	}
	var keys []string
	for _, c := range n.presented(v) {
		keys = append(keys, c.KeyID())
	}
	slices.Sort(keys)
	m.began(slices.Compact(keys), ttl, n.o.Now)
}

// presented gives every chain that the owner's endpoints present, and those
// of the live generation, each once.
func (n *planner) presented(v OwnerView) []*dane.Chain {
	var out []*dane.Chain
	add := func(c *dane.Chain) {
		if !slices.ContainsFunc(out, func(d *dane.Chain) bool { return d.ID() == c.ID() }) {
			out = append(out, c)
		}
	}
	if n.o.Live != nil {
		for _, c := range n.o.Live.Chains {
			add(c)
		}
	}
	for _, a := range v.Addresses {
		for _, s := range a.Served {
			add(s.Chain)
		}
	}
	return out
}

// choose goes through the rules in their order; the first that calls for a
// step wins. All of them leave their reasons.
func (n *planner) choose() Step {
	publish := n.publish()
	swap := n.swap()
	serve := n.serve()
	retire := n.retire()
	clean := n.clean()
	for _, s := range []Step{publish, swap, serve, retire, clean} {
		if s.Kind != DoNothing {
			return s
		}
	}
	return Step{}
}

// decision completes the state with the intent of the step and what is to be
// told, and closes the planner.
func (n *planner) decision(step Step) Decision {
	n.intend(step)
	slices.SortStableFunc(n.why, compareReasons)
	n.why = slices.CompactFunc(n.why, func(a, b Reason) bool {
		return a.Kind == b.Kind && a.Subject == b.Subject && a.Text == b.Text
	})
	for i := range n.why {
		n.why[i].Since = n.since(n.why[i])
	}
	wake := n.o.Now
	if step.Kind == DoNothing {
		wake = n.waking()
	}
	n.state.Phase, n.state.Why, n.state.Wake = n.standing(step), n.why, wake
	return Decision{State: n.state, Step: step, Phase: n.state.Phase, Why: slices.Clone(n.why), Wake: wake}
}

// intend writes the intent of a step into the state.
func (n *planner) intend(step Step) {
	switch step.Kind {
	case DoPublish, DoRetire:
		for _, c := range step.Changes {
			v := n.view(c.Owner)
			m := n.state.memory(c.Owner)
			ttl := v.Listed.TTL
			if len(v.Listed.Records) == 0 {
				ttl = time.Duration(c.TTL) * time.Second
			}
			m.intend(c.Apply(v.Listed.Records), ttl, n.o.Now)
			m.own(c.Add)
		}
	case DoSwap:
		n.state.Swap = Swap{ID: step.Generation, At: n.o.Now, Worked: n.working()}
		if n.o.Live != nil {
			n.state.Swap.Previous = n.o.Live.ID
		}
	case DoReturn:
		if !n.state.Swap.Returning {
			n.bar(n.state.Swap.ID)
		}
		n.state.Swap = Swap{ID: step.Generation, At: n.o.Now, Returning: true}
	}
}

// since keeps the time at which a reason first held.
func (n *planner) since(r Reason) time.Time {
	for _, old := range n.state.Why {
		if old.Kind == r.Kind && old.Subject == r.Subject && !old.Since.IsZero() {
			return old.Since
		}
	}
	return n.o.Now
}

// waking is when to ask again: when the first wait ends, or soon where the
// world is to be watched. A watch slows down with its own length, so that it
// adds little to a short wait and costs little in a long one.
func (n *planner) waking() time.Time {
	var wake time.Time
	for _, r := range n.why {
		if !r.Awaited() && r.Kind != CauseHeld && r.Kind != CauseFailing {
			continue
		}
		at := r.Until
		if at.IsZero() {
			at = n.o.Now.Add(min(max(n.o.Now.Sub(r.Since)/20, 100*time.Millisecond), time.Minute))
		}
		if at.Before(n.o.Now) {
			at = n.o.Now.Add(100 * time.Millisecond)
		}
		if wake.IsZero() || at.Before(wake) {
			wake = at
		}
	}
	return wake
}

// standing derives the phase from the step and the reasons.
func (n *planner) standing(step Step) Phase {
	switch step.Kind {
	case DoPublish:
		return Publishing
	case DoSwap:
		return Swapping
	case DoReload, DoReturn:
		return Proving
	case DoRetire:
		return Retiring
	}
	for _, at := range []struct {
		cause Cause
		phase Phase
	}{{CauseFailing, Held}, {CauseHeld, Held}, {CauseServer, Propagating}, {CauseBelief, Waiting}, {CauseAddress, Proving}, {CauseBarred, Held}, {CauseSettle, Settling}} {
		if slices.ContainsFunc(n.why, func(r Reason) bool { return r.Kind == at.cause }) {
			return at.phase
		}
	}
	return Idle
}

func (n *planner) note(r Reason) { n.why = append(n.why, r) }

// view gives the observation of an owner.
func (n *planner) view(name string) OwnerView {
	for _, v := range n.o.Owners {
		if v.Owner == name {
			return v
		}
	}
	return OwnerView{Owner: name}
}
