package rollover

import (
	"cmp"
	"slices"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// unseen is how long an intended version that nobody has ever seen counts as
// served: a request whose reply was lost may still be carried out.
const unseen = time.Hour

// forgotten is how long a version is kept after its belief has ended, so that
// a clock that was wrong for a while cannot make the memory forget.
const forgotten = 14 * 24 * time.Hour

// manyTTLs bounds how many versions may differ in nothing but their TTL.
const manyTTLs = 16

// Until is when the last sender has given the version up: last served anywhere,
// plus the TTL times the wait, plus the margin. It has no meaning while the
// version is Serving.
func (v Version) Until(p Policy) time.Time {
	return v.Last.Add(p.withDefaults().lasting(v.TTL))
}

// Believed says whether a sender may hold the version at that time.
func (v Version) Believed(now time.Time, p Policy) bool {
	return v.Serving || v.Until(p).After(now)
}

// Rejects says why the version does not accept the chain at that time, in the
// strict sense of RFC 7671, Section 8: every usage, selector and matching type
// combination of the RRset must match on its own. Empty: it accepts.
func (v Version) Rejects(c *dane.Chain, owner string, now time.Time) string {
	if v.Unknown {
		if slices.Contains(v.Before, c.KeyID()) {
			return ""
		}
		return "what was served before tlsamgr began to watch is not known"
	}
	rejections := dane.Rejects(v.Records, c, dane.Options{Names: []string{host(owner)}, Now: now})
	if len(rejections) == 0 {
		return ""
	}
	return rejections[0].Params.String() + ": " + rejections[0].Reason
}

// remember takes in what the name servers of the owner answered at now.
//
// A version counts as served until every server has been seen without it in
// one look, and from the moment of that look its TTL runs (RFC 7583, Section
// 3.2.1: the clock starts when the last server has changed). A server that did
// not answer was not seen.
func (m *Memory) remember(view NameView, now time.Time) {
	complete := len(view.Servers) > 0
	var seen []int
	for _, s := range view.Servers {
		if s.Err != "" {
			complete = false
			continue
		}
		m.arrived(s.Records)
		i := m.version(s.Records, s.TTL, now)
		m.Versions[i].Serving = true
		seen = append(seen, i)
	}
	for i := range m.Versions {
		v := &m.Versions[i]
		if !v.Serving || v.Unknown {
			continue
		}
		if complete && !slices.Contains(seen, i) && !v.Intended.Add(unseen).After(now) {
			v.Serving = false
		}
		v.Last = later(v.Last, now)
	}
}

// arrived ends the uncertainty about an intended version: it was seen, with
// whatever TTL the provider gave it.
func (m *Memory) arrived(records []dane.Record) {
	for i := range m.Versions {
		if v := &m.Versions[i]; slices.Equal(v.Records, records) {
			v.Intended = time.Time{}
		}
	}
}

// sight notes what is served without believing the clock: versions that are
// seen count as served, and nothing counts as gone.
func (m *Memory) sight(view NameView, now time.Time) {
	for _, s := range view.Servers {
		if s.Err != "" {
			continue
		}
		m.arrived(s.Records)
		m.Versions[m.version(s.Records, s.TTL, now)].Serving = true
	}
}

// intend notes an RRset that may be out there from now on, because a request
// for it is about to be sent.
func (m *Memory) intend(records []dane.Record, ttl time.Duration, now time.Time) {
	v := &m.Versions[m.version(records, ttl, now)]
	if !v.Serving {
		v.Intended = now
	}
	v.Serving, v.Last = true, later(v.Last, now)
}

// underway notes what the provider lists: where no server shows it yet, it is
// on its way to them, whoever asked for it.
func (m *Memory) underway(records []dane.Record, ttl time.Duration, now time.Time) {
	for _, v := range m.Versions {
		if v.Serving && slices.Equal(v.Records, records) {
			return
		}
	}
	m.intend(records, ttl, now)
}

// began stands for everything that may have been served before the first
// look. keys are those which mail must have been running on until now.
func (m *Memory) began(keys []string, ttl time.Duration, now time.Time) {
	m.Versions = append(m.Versions, Version{Unknown: true, Before: keys, TTL: ttl, First: now, Last: now})
}

// renew starts every running wait again: what senders could validate in the
// meantime is not known.
func (m *Memory) renew(now time.Time, p Policy) {
	for i := range m.Versions {
		if v := &m.Versions[i]; v.Believed(now, p) {
			v.Last = later(v.Last, now)
		}
	}
}

// forget drops versions that have not been believable for a long time.
func (m *Memory) forget(now time.Time, p Policy) {
	m.Versions = slices.DeleteFunc(m.Versions, func(v Version) bool {
		return !v.Serving && v.Until(p).Add(forgotten).Before(now)
	})
}

// version gives the index of the version with these records and this TTL, and
// adds it where there is none. A
// changed TTL makes another version: each has its own end. A server that gives
// another TTL with every answer would fill the memory, so from some number on
// the youngest with these records takes the highest TTL.
func (m *Memory) version(records []dane.Record, ttl time.Duration, now time.Time) int {
	same, count := 0, 0
	for i, v := range m.Versions {
		if v.Unknown || !slices.Equal(v.Records, records) {
			continue
		}
		if v.TTL == ttl {
			return i
		}
		same = i
		count++
	}
	if count >= manyTTLs {
		m.Versions[same].TTL = max(m.Versions[same].TTL, ttl)
		return same
	}
	m.Versions = append(m.Versions, Version{Records: slices.Clone(records), TTL: ttl, First: now, Last: now})
	return len(m.Versions) - 1
}

// own adds records to those that are ours.
func (m *Memory) own(records []dane.Record) {
	m.Ours = dane.SortRecords(append(m.Ours, records...))
}

// belief is a version that somebody may hold, and what is wrong with a chain
// in its eyes.
type belief struct {
	version Version
	why     string
}

// rejecting gives the believed versions that do not accept every chain, the
// one that lasts longest first; versions that are still served come before all.
func (m *Memory) rejecting(chains []*dane.Chain, now time.Time, p Policy) []belief {
	var out []belief
	for _, v := range m.Versions {
		if !v.Believed(now, p) {
			continue
		}
		for _, c := range chains {
			if why := v.Rejects(c, m.Owner, now); why != "" {
				out = append(out, belief{v, why})
				break
			}
		}
	}
	slices.SortStableFunc(out, func(a, b belief) int {
		if a.version.Serving != b.version.Serving {
			if a.version.Serving {
				return -1
			}
			return 1
		}
		return -a.version.Until(p).Compare(b.version.Until(p))
	})
	return out
}

// records says whether any believed version has records.
func (m *Memory) records(now time.Time, p Policy) bool {
	return slices.ContainsFunc(m.Versions, func(v Version) bool {
		return (len(v.Records) > 0 || v.Unknown) && v.Believed(now, p)
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// compareReasons orders reasons: what needs a person first.
func compareReasons(a, b Reason) int {
	rank := func(r Reason) int {
		return slices.Index([]Cause{CauseFailing, CauseHeld, CauseServer, CauseBelief, CauseAddress, CauseBarred, CauseSettle, CauseNote}, r.Kind)
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Text, b.Text))
}
