package rollover

import (
	"fmt"
	"slices"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// swap makes the staged generation live when no RRset that a sender may
// believe would reject it (rules 3 to 5 of the design).
func (n *planner) swap() Step {
	if st := n.o.Staged; st != nil && !st.is(n.o.Live) {
		if bar := n.state.barred(st.ID); bar != nil && bar.Until.After(n.o.Now) {
			n.note(Reason{Kind: CauseBarred, Subject: st.ID, Text: "taken back: " + bar.Why, Until: bar.Until, Hint: "stage a chain that works"})
		}
	}
	st := n.staged()
	if st == nil || !n.consistent(st) {
		return Step{}
	}
	ready := true
	for _, o := range n.owners {
		if n.unworse(o, st) {
			continue
		}
		ready = n.acceptable(o, st) && ready
	}
	for _, v := range n.o.Former {
		ready = n.dismissed(v, st) && ready
	}
	if !ready {
		return Step{}
	}
	return Step{Kind: DoSwap, Generation: st.ID, Reason: "every RRset that a sender may believe accepts the staged chain"}
}

// consistent says whether the staged chains match the very records that would
// be published for them: if not, no waiting helps.
func (n *planner) consistent(st *Bundle) bool {
	ok := true
	for _, o := range n.owners {
		for _, c := range st.Chains {
			own, err := n.recordsOf(c)
			if err != nil {
				return false // want has said so
			}
			if why := n.rejects(o.view.Owner, dane.SortRecords(own), c); why != "" {
				n.note(Reason{Kind: CauseHeld, Subject: st.ID, Text: fmt.Sprintf("the staged chain does not match its own records at %s: %s", o.view.Owner, why), Hint: "stage a certificate that is valid now, covers the name and comes with its issuer"})
				ok = false
			}
		}
	}
	return ok
}

// unworse says whether the staged chains have the keys of the live ones, and
// no believed version that accepts a live chain rejects its successor. Then
// the swap cannot hurt, whatever else is unknown.
func (n *planner) unworse(o owner, st *Bundle) bool {
	if n.o.Live == nil {
		return false
	}
	for _, c := range st.Chains {
		i := slices.IndexFunc(n.o.Live.Chains, func(d *dane.Chain) bool { return d.KeyID() == c.KeyID() })
		if i < 0 {
			return false
		}
		for _, v := range o.memory.Versions {
			if v.Believed(n.o.Now, n.p) && v.Rejects(c, o.view.Owner, n.o.Now) != "" && v.Rejects(n.o.Live.Chains[i], o.view.Owner, n.o.Now) == "" {
				return false
			}
		}
	}
	return true
}

// acceptable says whether everything that senders of one owner may believe
// accepts the staged chains, and names what is awaited.
func (n *planner) acceptable(o owner, st *Bundle) bool {
	ok := n.trusted && o.view.Names.Alias == ""
	insecure := o.view.Names.Security == Insecure && !o.memory.records(n.o.Now, n.p)
	if !insecure && !n.sound(o) {
		ok = false
	}
	// An older version may still be on its way to a server that shows neither:
	// where anything is published, all servers must have come this far.
	var needed []dane.Record
	if o.memory.records(n.o.Now, n.p) || len(o.view.Listed.Records) > 0 {
		needed = o.staged
	}
	if !n.showing(o, needed) {
		ok = false
	}
	for _, b := range o.memory.rejecting(st.Chains, n.o.Now, n.p) {
		n.note(n.awaited(o, b))
		ok = false
	}
	return ok
}

// dismissed says whether an owner that is not configured any more has no
// records left that would reject the staged chains.
func (n *planner) dismissed(v FormerView, st *Bundle) bool {
	o := owner{view: OwnerView{Owner: v.Owner, Names: v.Names}, memory: &Memory{Owner: v.Owner}}
	for _, m := range n.state.Owners {
		if m.Owner == v.Owner {
			o.memory.Versions = m.Versions
		}
	}
	if n.unworse(o, st) {
		return true
	}
	beliefs := o.memory.rejecting(st.Chains, n.o.Now, n.p)
	for _, b := range beliefs {
		r := n.awaited(o, b)
		if b.version.Serving {
			r = Reason{Kind: CauseHeld, Subject: v.Owner, Text: fmt.Sprintf("not configured any more, but %s is still out there: %s", describe(b.version), b.why),
				Hint: "remove its TLSA records, or configure the endpoint again"}
		}
		n.note(r)
	}
	return len(beliefs) == 0
}

// awaited puts a belief that rejects the staged chain into words.
func (n *planner) awaited(o owner, b belief) Reason {
	if !b.version.Serving {
		return Reason{Kind: CauseBelief, Subject: o.view.Owner, Until: b.version.Until(n.p),
			Text: fmt.Sprintf("senders may still hold %s (last served %s, TTL %s): %s", describe(b.version), b.version.Last.UTC().Format(time.RFC3339), b.version.TTL, b.why)}
	}
	for _, s := range o.view.Names.Servers {
		if s.Err == "" && slices.Equal(s.Records, b.version.Records) {
			return Reason{Kind: CauseServer, Subject: s.Server, Text: fmt.Sprintf("%s still shows %s at %s: %s", s.Server, describe(b.version), o.view.Owner, b.why)}
		}
	}
	return Reason{Kind: CauseServer, Subject: o.view.Owner, Text: fmt.Sprintf("some server may still show %s: %s", describe(b.version), b.why)}
}

// describe names a version by its records.
func describe(v Version) string {
	switch {
	case v.Unknown:
		return "an RRset from before tlsamgr began to watch"
	case len(v.Records) == 0:
		return "no RRset"
	case len(v.Records) == 1:
		return "the RRset {" + v.Records[0].Short() + "}"
	}
	text := "the RRset {" + v.Records[0].Short()
	for _, r := range v.Records[1:] {
		text += ", " + r.Short()
	}
	return text + "}"
}
