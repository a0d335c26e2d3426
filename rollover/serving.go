package rollover

import (
	"fmt"
	"slices"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// brokenTimes is how many looks in a row must find an address broken that
// worked before the swap, before the swap is taken back.
const brokenTimes = 3

// prove notes since when every address has presented the live generation and
// nothing else. An address that cannot be seen proves nothing and disproves nothing.
func (n *planner) prove() {
	live, sw := n.o.Live, &n.state.Swap
	if live == nil {
		return
	}
	pending := sw.Returning || n.o.Staged != nil && sw.ID == n.o.Staged.ID
	if sw.ID != live.ID && !pending {
		*sw = Swap{ID: live.ID, At: n.o.Now} // switched by hand, or the state was lost
	}
	if sw.ID != live.ID {
		return
	}
	n.proven = len(n.o.Owners) > 0
	broken := false
	for _, o := range n.o.Owners {
		n.proven = n.proven && len(o.Addresses) > 0
		for _, a := range o.Addresses {
			n.proven = n.proven && n.presents(a, live)
			broken = broken || a.Broken && slices.Contains(sw.Worked, a.Address)
			if n.other(a, live) != nil {
				sw.Proven = time.Time{}
			}
		}
	}
	if n.proven && sw.Proven.IsZero() {
		sw.Proven = n.o.Now
	}
	if broken && !sw.Tried.IsZero() {
		sw.Broken++
	} else {
		sw.Broken = 0
	}
}

// presents says whether an address presents every chain of a generation and
// nothing else.
func (n *planner) presents(a AddressView, b *Bundle) bool {
	if a.Err != "" || n.other(a, b) != nil {
		return false
	}
	for _, c := range b.Chains {
		if !slices.ContainsFunc(a.Served, func(s Served) bool { return s.Chain.LeafID() == c.LeafID() }) {
			return false
		}
	}
	return true
}

// other gives a chain that an address presents and that is not of this
// generation, or nil.
func (n *planner) other(a AddressView, b *Bundle) *dane.Chain {
	for _, s := range a.Served {
		if !b.leaf(s.Chain) {
			return s.Chain
		}
	}
	return nil
}

// working names the addresses that complete a handshake now.
func (n *planner) working() []string {
	var out []string
	for _, o := range n.o.Owners {
		for _, a := range o.Addresses {
			if len(a.Served) > 0 {
				out = append(out, a.Address)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// serve gets the live generation in front of every address: reload while an
// address presents something else, and return to the previous generation when
// an address that worked before the swap does not work any more (rule 6).
func (n *planner) serve() Step {
	sw := n.state.Swap
	if n.o.Live == nil {
		return Step{}
	}
	if sw.ID != n.o.Live.ID {
		if sw.Returning && n.returnable(sw.ID) {
			return Step{Kind: DoReturn, Generation: sw.ID, Reason: "the return to the previous generation was not finished"}
		}
		return Step{}
	}
	if sw.Broken >= brokenTimes && n.returnable(sw.Previous) {
		return Step{Kind: DoReturn, Generation: sw.Previous, Reason: "an address that worked before the swap does not complete a handshake any more"}
	}
	lagging := false
	for _, o := range n.o.Owners {
		for _, a := range o.Addresses {
			if n.presents(a, n.o.Live) {
				continue
			}
			lagging = lagging || n.other(a, n.o.Live) != nil
			n.note(Reason{Kind: CauseAddress, Subject: a.Address, Text: n.unproven(a)})
		}
	}
	if sw.Reloaded.IsZero() && n.due(sw) {
		return Step{Kind: DoReload, Reason: "the files were switched and no reload has succeeded since"}
	}
	if lagging && n.due(sw) {
		return Step{Kind: DoReload, Reason: "an address still presents another chain"}
	}
	return Step{}
}

// unproven says why an address does not prove the live generation.
func (n *planner) unproven(a AddressView) string {
	if c := n.other(a, n.o.Live); c != nil {
		return fmt.Sprintf("%s still presents another certificate (key %.8s)", a.Address, c.KeyID())
	}
	if a.Err != "" {
		return fmt.Sprintf("%s cannot be seen: %s", a.Address, a.Err)
	}
	return a.Address + " does not present every chain of the live generation"
}

// due says whether it is time to reload again: at once the first time, then
// after 10 seconds, a minute, ten minutes and every hour.
func (n *planner) due(sw Swap) bool {
	if sw.Reloads == 0 {
		return true
	}
	pauses := []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute, time.Hour}
	return !sw.Tried.Add(pauses[min(sw.Reloads, len(pauses))-1]).After(n.o.Now)
}

// returnable says whether the previous generation is there and every believed
// RRset accepts it.
func (n *planner) returnable(id string) bool {
	i := slices.IndexFunc(n.o.Held, func(b *Bundle) bool { return b.ID == id })
	if i < 0 || !n.trusted {
		return false
	}
	for _, o := range n.owners {
		if len(o.memory.rejecting(n.o.Held[i].Chains, n.o.Now, n.p)) > 0 {
			return false
		}
	}
	return true
}

// bar keeps a generation from being tried again for 1, 10, 100 minutes, then a day.
func (n *planner) bar(id string) {
	b := n.state.barred(id)
	if b == nil {
		n.state.Barred = append(n.state.Barred, Barred{ID: id})
		b = &n.state.Barred[len(n.state.Barred)-1]
	}
	pauses := []time.Duration{time.Minute, 10 * time.Minute, 100 * time.Minute, 24 * time.Hour}
	b.Until = n.o.Now.Add(pauses[min(b.Times, len(pauses)-1)])
	b.Times++
	b.Why = "an address that worked before stopped working when this generation was live"
}

// clean deletes generations that nothing can need any more: a key is kept
// until its chain is served nowhere and no return to it is possible.
func (n *planner) clean() Step {
	sw := n.state.Swap
	if n.o.Live == nil || !n.trusted || !n.proven || sw.ID != n.o.Live.ID || sw.Proven.IsZero() || sw.Proven.Add(max(n.p.Settle, 0)).After(n.o.Now) {
		return Step{}
	}
	for _, o := range n.owners {
		if o.view.Listed.Err != "" || len(n.extra(o)) > 0 {
			return Step{}
		}
	}
	keep := []string{n.o.Live.ID}
	if n.o.Staged != nil && !n.o.Staged.is(n.o.Live) {
		keep = append(keep, n.o.Staged.ID)
	}
	if !slices.ContainsFunc(n.o.Held, func(b *Bundle) bool { return !slices.Contains(keep, b.ID) }) {
		return Step{}
	}
	return Step{Kind: DoClean, Keep: keep, Reason: "their chains are served nowhere and their records are gone"}
}
