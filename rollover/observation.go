package rollover

import (
	"slices"
	"strings"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// Observation is everything that was measured now. Nothing in it is assumed.
type Observation struct {
	Now    time.Time // when the last answer was in, UTC
	Boot   Boot      // the boot clock at Now
	Clock  string    // why the wall clock cannot be right; empty: nothing speaks against it
	Owners []OwnerView
	Former []FormerView // owners that are remembered and not configured any more
	Live   *Bundle      // what the live directory holds; nil: nothing was installed yet
	Staged *Bundle      // what was handed over last; nil: nothing
	Held   []*Bundle    // every generation whose keys are on this disk, live and staged among them
}

// OwnerView is one owner name as seen from everywhere.
type OwnerView struct {
	Owner     string // "_25._tcp.mx1.example.com."
	Names     NameView
	Listed    Listing
	Addresses []AddressView // every address of every endpoint whose records this owner holds
}

// FormerView is an owner name whose endpoints are not configured any more. Its
// RRset is out there until it is seen gone, and the live files may still be
// served under its name.
type FormerView struct {
	Owner string
	Names NameView
}

// NameView is what the DNS says about one owner name.
type NameView struct {
	Security Security
	Why      string       // in words, unless Secure
	Alias    string       // target, when the owner is a CNAME
	Servers  []ServerView // every address of every authoritative name server
	Clock    string       // why the wall clock cannot agree with the signatures; empty: it does
}

// Security is the DNSSEC status of an owner name and of the addresses of its
// host: senders use TLSA records only when both are secure (RFC 7672, Section 2.2.2).
type Security string

// What validation can say. The zero value is Indeterminate.
const (
	Secure        Security = "secure"
	Insecure      Security = "insecure"
	Bogus         Security = "bogus"
	Indeterminate Security = ""
)

// hint says what to do about it.
func (s Security) hint() string {
	switch s {
	case Insecure:
		return "sign the zone with DNSSEC; senders ignore TLSA records that are not signed"
	case Bogus:
		return "mend the zone's DNSSEC first: senders that validate cannot reach this host now"
	}
	return "the resolver must be one on this machine that validates DNSSEC, and must be reachable"
}

// ServerView is the answer of one authoritative server.
type ServerView struct {
	Server  string        // "ns1.example.net (192.0.2.1:53)"
	Err     string        // why there is no answer; empty: there is one
	Records []dane.Record // sorted; none: this server denies the RRset
	TTL     time.Duration // as served; of the denial where there are no records
}

// Listing is the RRset as the provider's own interface shows it.
type Listing struct {
	Err     string
	Records []dane.Record // sorted
	TTL     time.Duration
}

// AddressView is what one address of one endpoint presents.
type AddressView struct {
	Address string   // "mx1.example.com (192.0.2.7:25)"
	Served  []Served // what was presented in each handshake
	Err     string   // why there is no complete view; empty: it is complete
	Broken  bool     // the server answers, but STARTTLS or the handshake fails
}

// Served is what one handshake showed.
type Served struct {
	Algorithm string // "rsa", "ecdsa", ... of the presented key
	Chain     *dane.Chain
}

// Bundle is one generation of a certificate unit: a chain for each key
// algorithm, all of which are swapped together.
type Bundle struct {
	ID     string
	Chains []*dane.Chain
}

// leaf says whether a presented chain has a leaf of this bundle.
func (b *Bundle) leaf(c *dane.Chain) bool {
	return b != nil && slices.ContainsFunc(b.Chains, func(d *dane.Chain) bool { return d.LeafID() == c.LeafID() })
}

// key says whether the key of a presented chain belongs to this bundle.
func (b *Bundle) key(c *dane.Chain) bool {
	return b != nil && slices.ContainsFunc(b.Chains, func(d *dane.Chain) bool { return d.KeyID() == c.KeyID() })
}

func (b *Bundle) is(other *Bundle) bool {
	return b != nil && other != nil && b.ID == other.ID
}

// host is the TLSA base domain of an owner name: "_25._tcp.mx1.example.com."
// belongs to "mx1.example.com" (RFC 7672, Section 3.2.2).
func host(owner string) string {
	labels := strings.SplitN(owner, ".", 3)
	return strings.TrimSuffix(labels[len(labels)-1], ".")
}
