package rollover

import (
	"fmt"
	"slices"

	"github.com/tlsamgr/tlsamgr/dane"
)

// owner is what follows from one OwnerView: which records its name must hold.
type owner struct {
	view      OwnerView
	memory    *Memory
	presented []*dane.Chain // what the endpoints and the live generation present
	needed    []dane.Record // records of every chain that is live, or served with a key of ours
	wanted    []dane.Record // needed, then those of the staged chains
	staged    []dane.Record // those of the staged chains
}

// look works out what every owner must hold, and says what fails now.
func (n *planner) look() {
	for _, v := range n.o.Owners {
		o := owner{view: v, memory: n.state.memory(v.Owner), presented: n.presented(v)}
		n.want(&o)
		n.owners = append(n.owners, o)
		n.failing(o)
		n.validation(o)
	}
	if n.o.Live == nil && n.o.Staged == nil {
		n.note(Reason{Kind: CauseNote, Subject: "certificate", Text: "no certificate has been handed over yet", Hint: "tlsamgr stage"})
	}
}

// validation says what is wrong with the DNSSEC of an owner, whether or not a
// step depends on it now.
func (n *planner) validation(o owner) {
	r := Reason{Kind: CauseHeld, Subject: o.view.Owner, Text: o.view.Names.Why, Hint: o.view.Names.Security.hint()}
	switch o.view.Names.Security {
	case Secure:
		return
	case Indeterminate:
		r.Kind = CauseNote
	case Insecure:
		if !o.memory.records(n.o.Now, n.p) {
			return // nobody does DANE for this name; publish says why not
		}
	}
	n.note(r)
}

// want collects the wanted records in the order in which they may be added
// one by one: a parameter combination must match what is in service from its
// first instant (RFC 7671, Section 8.1), so live chains come first.
func (n *planner) want(o *owner) {
	for _, c := range o.presented {
		if !n.held(c) {
			continue // a key that is not on this disk gets no record: who knows whose it is
		}
		records, err := n.recordsOf(c)
		o.needed = append(o.needed, without(records, o.needed)...)
		if err != nil {
			n.note(Reason{Kind: CauseNote, Subject: o.view.Owner, Text: fmt.Sprintf("no record for the chain of key %.8s that is served: %v", c.KeyID(), err)})
		}
	}
	o.wanted = slices.Clone(o.needed)
	if n.o.Staged == nil {
		return
	}
	for _, c := range n.o.Staged.Chains {
		records, err := n.recordsOf(c)
		o.staged = append(o.staged, without(records, o.staged)...)
		if err != nil {
			n.note(Reason{Kind: CauseHeld, Subject: n.o.Staged.ID, Text: fmt.Sprintf("no record for the staged chain of key %.8s: %v", c.KeyID(), err), Hint: "stage the full chain, issuers included"})
		}
	}
	o.wanted = append(o.wanted, without(o.staged, o.wanted)...)
}

// recordsOf gives the records of a chain, and what keeps it from having more.
func (n *planner) recordsOf(c *dane.Chain) ([]dane.Record, error) {
	var out []dane.Record
	for _, p := range n.p.Records {
		records, err := c.Records(p)
		if err != nil {
			return out, err
		}
		out = append(out, without(records, out)...)
	}
	return out, nil
}

// staged is the generation that waits to become live; nil when there is none,
// or when it had to be taken back a short while ago.
func (n *planner) staged() *Bundle {
	st := n.o.Staged
	if st == nil || st.is(n.o.Live) {
		return nil
	}
	if bar := n.state.barred(st.ID); bar != nil && bar.Until.After(n.o.Now) {
		return nil
	}
	return st
}

// held says whether the key of a chain is on this disk.
func (n *planner) held(c *dane.Chain) bool {
	return n.o.Live.key(c) || n.o.Staged.key(c) || slices.ContainsFunc(n.o.Held, func(b *Bundle) bool { return b.key(c) })
}

// failing says where mail fails DANE now: some server shows records, and some
// address presents a chain that they do not authenticate, or no TLS at all.
func (n *planner) failing(o owner) {
	if o.view.Names.Security != Secure {
		return
	}
	for _, s := range o.view.Names.Servers {
		if s.Err != "" || len(s.Records) == 0 {
			continue
		}
		for _, a := range o.view.Addresses {
			if why := n.refused(o.view.Owner, s.Records, a); why != "" {
				n.note(Reason{Kind: CauseFailing, Subject: a.Address, Text: "senders that do DANE do not deliver: " + why,
					Hint: "compare what is served with what is published: " + o.view.Owner})
			}
		}
	}
}

func (n *planner) refused(name string, records []dane.Record, a AddressView) string {
	if a.Broken {
		return a.Err
	}
	for _, s := range a.Served {
		r := dane.Match(records, s.Chain, dane.Options{Names: []string{host(name)}, Now: n.o.Now})
		if r.Verdict == dane.NotAuthenticated {
			return fmt.Sprintf("the key %.8s presented here matches no TLSA record", s.Chain.KeyID())
		}
	}
	return ""
}

// rejects says whether records would reject a chain now.
func (n *planner) rejects(name string, records []dane.Record, c *dane.Chain) string {
	return Version{Records: records}.Rejects(c, name, n.o.Now)
}

// spoils names the presented chain that the records accept before a change
// and not after it; empty when there is none.
func (n *planner) spoils(o owner, before, after []dane.Record) string {
	for _, c := range o.presented {
		why := n.rejects(o.view.Owner, after, c)
		if why != "" && n.rejects(o.view.Owner, before, c) == "" {
			return fmt.Sprintf("the chain of key %.8s, which is in service, would not match: %s", c.KeyID(), why)
		}
	}
	return ""
}
