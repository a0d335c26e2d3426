package rollover

import (
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// Decision is the answer of Next: the state to save, then at most one step.
type Decision struct {
	State State     `json:"-"`
	Step  Step      `json:"step"`
	Phase Phase     `json:"phase"`
	Why   []Reason  `json:"why"`
	Wake  time.Time `json:"wake,omitzero"` // when to ask again; zero: nothing is left to do
}

// Step is one thing to do. It is data: it can be printed, stored and
// compared, and doing it twice is the same as doing it once.
type Step struct {
	Kind       Kind          `json:"kind"`
	Changes    []dane.Change `json:"changes,omitempty"`    // DoPublish, DoRetire
	Generation string        `json:"generation,omitempty"` // DoSwap, DoReturn: the generation to switch to
	Keep       []string      `json:"keep,omitempty"`       // DoClean: the generations to keep
	Reason     string        `json:"reason,omitempty"`
}

// Kind is the kind of a step.
type Kind string

// The kinds of steps.
const (
	DoNothing Kind = ""        // wait until Wake, or for ever
	DoPublish Kind = "publish" // add records; never replaces, never removes
	DoSwap    Kind = "swap"    // switch the served files and reload
	DoReload  Kind = "reload"  // reload again: the switched files are not served yet
	DoReturn  Kind = "return"  // switch back to the previous generation and reload
	DoRetire  Kind = "retire"  // remove records of ours that nothing needs
	DoClean   Kind = "clean"   // delete generations that nothing can need
)

// Phase is where a unit stands. It is derived from the facts and decides nothing.
type Phase string

// The phases.
const (
	Idle        Phase = "idle"        // the live chain is published, proven, and nothing else is wanted
	Publishing  Phase = "publishing"  // records are missing
	Propagating Phase = "propagating" // some authoritative server does not show them yet
	Waiting     Phase = "waiting"     // senders may hold an older RRset
	Swapping    Phase = "swapping"    // the staged chain may be served now
	Proving     Phase = "proving"     // some address does not serve the new chain yet
	Settling    Phase = "settling"    // proven; old records stay a while
	Retiring    Phase = "retiring"    // old records go
	Held        Phase = "held"        // something must be put right first
)

// Reason is one fact that matters now.
type Reason struct {
	Kind    Cause     `json:"kind"`
	Subject string    `json:"subject"` // the server, address, owner or generation it is about
	Text    string    `json:"text"`
	Hint    string    `json:"hint,omitempty"`
	Since   time.Time `json:"since,omitzero"` // since when it has been so
	Until   time.Time `json:"until,omitzero"` // when it ends by itself
}

// Cause sorts reasons.
type Cause string

// The causes.
const (
	CauseServer  Cause = "server"  // awaited: an authoritative server
	CauseBelief  Cause = "belief"  // awaited: an RRset that senders may hold
	CauseAddress Cause = "address" // awaited: an address that serves something else
	CauseSettle  Cause = "settle"  // awaited: the settle time
	CauseBarred  Cause = "barred"  // awaited: a generation that was taken back may be tried again
	CauseHeld    Cause = "held"    // needs a person: what is wrong and what to do
	CauseFailing Cause = "failing" // mail fails DANE now
	CauseNote    Cause = "note"    // worth knowing
)

// Awaited says whether time or the world will settle this reason.
func (r Reason) Awaited() bool {
	switch r.Kind {
	case CauseServer, CauseBelief, CauseAddress, CauseSettle, CauseBarred:
		return true
	}
	return false
}

// Any says whether one of the reasons has the cause.
func (d Decision) Any(cause Cause) bool {
	for _, r := range d.Why {
		if r.Kind == cause {
			return true
		}
	}
	return false
}
