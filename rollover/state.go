package rollover

import (
	"slices"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// State is everything that is remembered about one certificate unit between
// two looks at the world. It is plain data: JSON in, JSON out, no pointers
// into anything else. The zero value is a unit that was never looked at.
type State struct {
	Serial uint64    `json:"serial"`       // grows by one with every save
	Seen   time.Time `json:"seen"`         // time of the last observation, UTC
	Boot   Boot      `json:"boot"`         // the boot clock at that time
	Gap    bool      `json:"gap,omitzero"` // the last save was lost: something may have been served that is not remembered

	Owners []Memory `json:"owners"`          // one per owner name ever configured, sorted by name
	Swap   Swap     `json:"swap"`            // the last change of the served files
	Barred []Barred `json:"barred,omitzero"` // generations that had to be taken back

	// What the last decision said, for those who ask without looking again.
	Phase Phase     `json:"phase"`
	Wake  time.Time `json:"wake,omitzero"`
	Why   []Reason  `json:"why,omitempty"`
}

// Boot is a reading of a clock that only counts up and that nobody sets.
// Readings can be compared when ID is the same and not empty.
type Boot struct {
	ID     string        `json:"id,omitempty"`
	Uptime time.Duration `json:"uptime,omitempty"`
}

// Memory is what senders may still believe about one owner name.
type Memory struct {
	Owner    string        `json:"owner"`
	Versions []Version     `json:"versions"`       // every version of the RRset that was seen or intended, oldest first
	Ours     []dane.Record `json:"ours,omitempty"` // records that tlsamgr published or was told to take over
}

// Version is one state of a TLSA RRset. A version without records is the
// absence of the RRset: a sender that holds it does not do DANE and cannot fail.
type Version struct {
	Records  []dane.Record `json:"records"`
	TTL      time.Duration `json:"ttl"`               // with which it was served; another TTL makes another version
	First    time.Time     `json:"first"`             // first seen or intended
	Last     time.Time     `json:"last"`              // last moment at which some server may have served it
	Serving  bool          `json:"serving"`           // some server may serve it now
	Intended time.Time     `json:"intended,omitzero"` // asked for then, and not seen since
	Before   []string      `json:"before,omitempty"`  // stands for whatever was served before the memory began: ids of the keys it is taken to accept
	Unknown  bool          `json:"unknown,omitzero"`  // see Before
}

// Swap is the last change of the files that the mail server reads.
type Swap struct {
	ID        string    `json:"id,omitempty"`       // generation that was switched to
	Previous  string    `json:"previous,omitempty"` // generation that was live before
	Returning bool      `json:"returning,omitzero"` // it takes back an earlier swap
	At        time.Time `json:"at,omitzero"`        // when it was decided
	Reloaded  time.Time `json:"reloaded,omitzero"`  // last reload that succeeded
	Reloads   int       `json:"reloads,omitempty"`  // reloads tried
	Tried     time.Time `json:"tried,omitzero"`     // last reload tried
	Proven    time.Time `json:"proven,omitzero"`    // since when every address has served nothing else
	Worked    []string  `json:"worked,omitempty"`   // addresses that completed a handshake before the swap
	Broken    int       `json:"broken,omitempty"`   // observations in a row in which one of these failed
}

// Barred is a generation that broke the service when it was live.
type Barred struct {
	ID    string    `json:"id"`
	Times int       `json:"times"`
	Until time.Time `json:"until"`
	Why   string    `json:"why"`
}

// Clone gives a deep copy.
func (s State) Clone() State {
	s.Owners = slices.Clone(s.Owners)
	for i := range s.Owners {
		m := &s.Owners[i]
		m.Ours = slices.Clone(m.Ours)
		m.Versions = slices.Clone(m.Versions) // Records and Before are never changed in place
	}
	s.Swap.Worked = slices.Clone(s.Swap.Worked)
	s.Barred = slices.Clone(s.Barred)
	s.Why = slices.Clone(s.Why)
	return s
}

// Adopt makes records that somebody else published ours, so that they are
// removed when nothing needs them.
func (s *State) Adopt(owner string, records []dane.Record) { s.memory(owner).own(records) }

// memory gives the memory of an owner, a new one where there is none.
func (s *State) memory(owner string) *Memory {
	i, found := slices.BinarySearchFunc(s.Owners, owner, func(m Memory, o string) int {
		if m.Owner < o {
			return -1
		}
		if m.Owner > o {
			return 1
		}
		return 0
	})
	if !found {
		s.Owners = slices.Insert(s.Owners, i, Memory{Owner: owner})
	}
	return &s.Owners[i]
}

// barred gives the bar on a generation, or nil.
func (s *State) barred(id string) *Barred {
	for i := range s.Barred {
		if s.Barred[i].ID == id {
			return &s.Barred[i]
		}
	}
	return nil
}

// shift moves every remembered time by d: the wall clock was set, and the
// waits must go on measuring real time.
func (s *State) shift(d time.Duration) {
	move := func(t *time.Time) {
		if !t.IsZero() {
			*t = t.Add(d)
		}
	}
	for i := range s.Owners {
		for j := range s.Owners[i].Versions {
			v := &s.Owners[i].Versions[j]
			move(&v.First)
			move(&v.Last)
			move(&v.Intended)
		}
	}
	for _, t := range []*time.Time{&s.Seen, &s.Swap.At, &s.Swap.Reloaded, &s.Swap.Tried, &s.Swap.Proven} {
		move(t)
	}
	for i := range s.Barred {
		move(&s.Barred[i].Until)
	}
	for i := range s.Why {
		move(&s.Why[i].Since)
		move(&s.Why[i].Until)
	}
}
