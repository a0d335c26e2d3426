package rollover

import (
	"fmt"
	"slices"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// publish adds every wanted record that the provider does not list. It never
// removes and never replaces (rules 1 and 2 of the design). While a server has
// not yet shown what the provider lists, only what is in service is repaired.
func (n *planner) publish() Step {
	var changes []dane.Change
	for _, o := range n.owners {
		if o.view.Names.Alias != "" {
			n.note(Reason{Kind: CauseHeld, Subject: o.view.Owner, Text: fmt.Sprintf("the owner name is a CNAME to %s; records cannot stand beside it", o.view.Names.Alias),
				Hint: "remove the CNAME, or manage the target name"})
			continue
		}
		n.travelling(o)
		missing := without(o.wanted, o.view.Listed.Records)
		if o.view.Listed.Err != "" {
			if len(missing) > 0 && !n.visible(o) {
				n.note(Reason{Kind: CauseHeld, Subject: o.view.Owner, Text: "the provider does not list the records: " + o.view.Listed.Err})
			}
			continue
		}
		if len(missing) > 0 && !n.arrived(o) {
			n.awaitArrival(o)
			missing = without(o.needed, o.view.Listed.Records)
		}
		if len(missing) == 0 {
			continue
		}
		if r := n.publishable(o, missing); r.Text != "" {
			n.note(r)
			continue
		}
		changes = append(changes, dane.Change{Owner: o.view.Owner, TTL: uint32(n.p.TTL / time.Second), Add: missing})
	}
	if len(changes) == 0 {
		return Step{}
	}
	return Step{Kind: DoPublish, Changes: changes, Reason: "records of chains that are live or staged are missing"}
}

// arrived says whether every server shows exactly what the provider lists. As
// long as one does not, nothing more is written: it may have several versions
// before it, and one of them, served unseen for a moment, would be missing from
// the memory. With one change at a time every server goes from one version that
// was seen on it to the next.
func (n *planner) arrived(o owner) bool {
	for _, s := range o.view.Names.Servers {
		if s.Err != "" || !slices.Equal(s.Records, o.view.Listed.Records) {
			return false
		}
	}
	return len(o.view.Names.Servers) > 0
}

// awaitArrival names the servers that do not show what the provider lists.
func (n *planner) awaitArrival(o owner) {
	n.showing(o, o.view.Listed.Records)
	for _, s := range o.view.Names.Servers {
		if extra := without(s.Records, o.view.Listed.Records); s.Err == "" && len(extra) > 0 {
			n.note(Reason{Kind: CauseServer, Subject: s.Server, Text: fmt.Sprintf("%s still shows %s at %s", s.Server, extra[0].Short(), o.view.Owner)})
		}
	}
}

// travelling names the servers that do not show what the provider lists already
// (rule 3 of the design).
func (n *planner) travelling(o owner) {
	listed := without(o.wanted, without(o.wanted, o.view.Listed.Records))
	for _, s := range o.view.Names.Servers {
		if missing := without(listed, s.Records); s.Err == "" && len(missing) > 0 {
			n.note(n.absent(o, s, missing))
		}
	}
}

func (n *planner) absent(o owner, s ServerView, missing []dane.Record) Reason {
	return Reason{Kind: CauseServer, Subject: s.Server, Text: fmt.Sprintf("%s does not show %s at %s yet", s.Server, missing[0].Short(), o.view.Owner)}
}

// publishable says why missing records may not be added; no text: they may.
func (n *planner) publishable(o owner, missing []dane.Record) Reason {
	before := o.view.Listed.Records
	after := dane.Change{Add: missing}.Apply(before)
	if len(after) > dane.MaxRecords {
		return Reason{Kind: CauseHeld, Subject: o.view.Owner, Text: fmt.Sprintf("%d records would be too many: large senders fail above %d", len(after), dane.MaxRecords),
			Hint: "remove records that nobody needs"}
	}
	if len(after) >= dane.WarnRecords {
		n.note(Reason{Kind: CauseNote, Subject: o.view.Owner, Text: fmt.Sprintf("%d records; senders fail above %d", len(after), dane.MaxRecords)})
	}
	if len(before) == 0 {
		return n.first(o, after)
	}
	if why := n.spoils(o, before, after); why != "" {
		return Reason{Kind: CauseHeld, Subject: o.view.Owner, Text: "records are not added: " + why}
	}
	return Reason{}
}

// first says why the very first RRset of a name may not be published: it
// commits every address to STARTTLS with a matching chain from its first
// instant (RFC 7672, Section 2.2).
func (n *planner) first(o owner, after []dane.Record) Reason {
	held := func(text, hint string) Reason {
		return Reason{Kind: CauseHeld, Subject: o.view.Owner, Text: "nothing is published yet: " + text, Hint: hint}
	}
	if s := o.view.Names.Security; s != Secure {
		return held(o.view.Names.Why, s.hint())
	}
	if !n.trusted {
		return held("the clock is wrong", "")
	}
	if len(o.view.Addresses) == 0 {
		return held("no address of the endpoint is known", "")
	}
	for _, a := range o.view.Addresses {
		if a.Err != "" {
			return Reason{Kind: CauseAddress, Subject: a.Address, Text: "nothing is published before every address offers STARTTLS: " + a.Err}
		}
		for _, s := range a.Served {
			if why := n.rejects(o.view.Owner, after, s.Chain); why != "" {
				return Reason{Kind: CauseAddress, Subject: a.Address, Text: fmt.Sprintf("nothing is published while another chain (key %.8s) is served here: %s", s.Chain.KeyID(), why),
					Hint: "let the mail server read the live directory, or stage the certificate that it serves"}
			}
		}
	}
	return Reason{}
}

// retire removes records of ours that no live, served or staged chain needs,
// once every address has proven the live generation for the settle time.
func (n *planner) retire() Step {
	var changes []dane.Change
	for _, o := range n.owners {
		extra := n.extra(o)
		if len(extra) == 0 || o.view.Names.Alias != "" {
			continue
		}
		if !n.removable(o, extra) {
			continue
		}
		changes = append(changes, dane.Change{Owner: o.view.Owner, TTL: uint32(o.view.Listed.TTL / time.Second), Remove: extra})
	}
	if len(changes) == 0 {
		return Step{}
	}
	return Step{Kind: DoRetire, Changes: changes, Reason: "no chain needs these records, every address is proven and the settle time is over"}
}

// extra gives the listed records of ours that nothing needs, and tells of
// those that are not ours.
func (n *planner) extra(o owner) []dane.Record {
	var extra []dane.Record
	for _, r := range without(o.view.Listed.Records, o.wanted) {
		if slices.Contains(o.memory.Ours, r) {
			extra = append(extra, r)
			continue
		}
		n.note(Reason{Kind: CauseNote, Subject: o.view.Owner, Text: "not ours, kept: " + r.Short(), Hint: "`tlsamgr adopt` takes over records that are already published"})
	}
	return extra
}

// removable says whether extra records may go, and if not, what is awaited.
// A removal may not be visible anywhere before the chain that needs the
// record has left every address; after that no wait is due.
func (n *planner) removable(o owner, extra []dane.Record) bool {
	if o.view.Listed.Err != "" || !n.trusted || n.o.Live == nil || n.state.Swap.ID != n.o.Live.ID {
		return false
	}
	if n.state.Swap.Proven.IsZero() || !n.proven {
		return false // serve tells which address is awaited
	}
	if settled := n.state.Swap.Proven.Add(max(n.p.Settle, 0)); settled.After(n.o.Now) {
		n.note(Reason{Kind: CauseSettle, Subject: o.view.Owner, Text: fmt.Sprintf("old records stay until the new chain has settled: %s", extra[0].Short()), Until: settled})
		return false
	}
	if !n.sound(o) || !n.showing(o, o.needed) {
		return false
	}
	if !n.arrived(o) {
		n.awaitArrival(o)
		return false
	}
	before := o.view.Listed.Records
	after := dane.Change{Remove: extra}.Apply(before)
	if len(after) == 0 {
		return false
	}
	if why := n.spoils(o, before, after); why != "" {
		n.note(Reason{Kind: CauseHeld, Subject: o.view.Owner, Text: "old records stay: " + why})
		return false
	}
	return true
}

// sound says whether validation lets anything irreversible happen to an owner.
func (n *planner) sound(o owner) bool {
	if o.view.Names.Security == Secure {
		return true
	}
	n.note(Reason{Kind: CauseHeld, Subject: o.view.Owner, Text: "no key or record is changed: " + o.view.Names.Why, Hint: o.view.Names.Security.hint()})
	return false
}

// showing says whether every authoritative server shows these records, and
// names those that do not.
func (n *planner) showing(o owner, records []dane.Record) bool {
	ok := len(o.view.Names.Servers) > 0
	if !ok {
		n.note(Reason{Kind: CauseServer, Subject: o.view.Owner, Text: "no authoritative server is known: " + o.view.Names.Why})
	}
	for _, s := range o.view.Names.Servers {
		if s.Err != "" {
			n.note(Reason{Kind: CauseServer, Subject: s.Server, Text: fmt.Sprintf("%s does not answer for %s: %s", s.Server, o.view.Owner, s.Err)})
			ok = false
			continue
		}
		if missing := without(records, s.Records); len(missing) > 0 {
			n.note(n.absent(o, s, missing))
			ok = false
		}
	}
	return ok
}

// visible is showing all that is wanted, without a word.
func (n *planner) visible(o owner) bool {
	return len(o.view.Names.Servers) > 0 && !slices.ContainsFunc(o.view.Names.Servers, func(s ServerView) bool {
		return s.Err != "" || len(without(o.wanted, s.Records)) > 0
	})
}

// without gives the records of a that are not in b, in the order of a.
func without(a, b []dane.Record) []dane.Record {
	var out []dane.Record
	for _, r := range a {
		if !slices.Contains(b, r) {
			out = append(out, r)
		}
	}
	return out
}
