package rollover

import (
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// None is how a Policy says "no time at all" where zero means the default.
const None = time.Duration(-1)

// The defaults of a Policy.
const (
	DefaultWait   = 2.0
	DefaultFloor  = time.Hour
	DefaultMargin = 5 * time.Minute
	DefaultSettle = time.Hour
	DefaultTTL    = time.Hour
)

// Policy is what the operator may choose about one certificate unit. It adds
// margins and never removes one: the zero value is the conservative default.
type Policy struct {
	Records []dane.Params // parameter combinations to publish; empty: 3 1 1
	Names   []string      // names of the certificate, and next-hop domains: reference identifiers for DANE-TA
	TTL     time.Duration // of a new RRset, whole seconds; an existing one keeps its own

	Wait   float64       // multiple of the TTL to wait; 0: 2 (RFC 7671, Section 8.1), at least 1
	Floor  time.Duration // resolvers lengthen TTLs below this; 0: one hour; None: they do not
	Margin time.Duration // between a sender's lookup and its handshake; 0: five minutes; None: nothing
	Settle time.Duration // between the proof of a swap and the removal of old records; 0: one hour; None: nothing
}

// withDefaults fills in what the zero value means. None stays None, so that
// doing it twice changes nothing.
func (p Policy) withDefaults() Policy {
	if len(p.Records) == 0 {
		p.Records = []dane.Params{{Usage: dane.DANEEE, Selector: dane.SPKI, Matching: dane.SHA256}}
	}
	if p.Wait == 0 {
		p.Wait = DefaultWait
	}
	p.Wait = max(p.Wait, 1)
	p.TTL = orDefault(p.TTL, DefaultTTL)
	p.Floor = orDefault(p.Floor, DefaultFloor)
	p.Margin = orDefault(p.Margin, DefaultMargin)
	p.Settle = orDefault(p.Settle, DefaultSettle)
	return p
}

func orDefault(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}

// lasting is how long a sender may hold on to an RRset of that TTL after it
// was last served.
func (p Policy) lasting(ttl time.Duration) time.Duration {
	return time.Duration(p.Wait*float64(max(ttl, p.Floor))) + max(p.Margin, 0)
}
