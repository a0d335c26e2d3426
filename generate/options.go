package generate

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// Options say which records are wanted. The zero value is what most mail
// servers publish: `3 1 1` of each leaf and `2 1 1` of each of its issuers,
// for port 25 of the DNS names in the certificate.
type Options struct {
	// Params are the parameters of the records. Usages 3 and 1 describe leaves
	// and keys, 2 and 0 the issuers of leaves. Empty: `3 1 1`, and `2 1 1` as far
	// as the source holds issuers; those named here must all be possible.
	Params []dane.Params

	Hosts    []string // of the owner names, in any script; empty: the DNS names of each leaf
	Ports    []int    // empty: 25
	Protocol string   // "tcp", "udp" or "sctp"; empty: "tcp"

	// AllowPKIX lifts the refusal of usages 0 and 1 for port 25, where senders
	// treat them as unusable (RFC 7672, Section 3.1.3).
	AllowPKIX bool

	// Now is the time for which certificates that are not valid are warned
	// about; they have records all the same. Zero: no warnings.
	Now time.Time
}

// order is Options, checked and brought into the form that is worked with.
type order struct {
	leaf     []dane.Params // usages 3 and 1
	issuer   []dane.Params // usages 2 and 0
	explicit bool          // the caller named them
	prefixes []string      // "_25._tcp."
	owners   []string      // of all hosts; nil: by the names of each leaf
	now      stamp         // zero: not known
	warnings []string
}

// Check says what is wrong with the options, whatever they are used for.
func (o Options) Check() error {
	_, err := o.check()
	return err
}

// check checks the options once for all sources.
func (o Options) check() (*order, error) {
	out := &order{explicit: len(o.Params) > 0}
	if !o.Now.IsZero() {
		out.now = stampOf(o.Now)
	}
	ports := o.Ports
	if len(ports) == 0 {
		ports = []int{25}
	}
	protocol := o.Protocol
	if protocol == "" {
		protocol = "tcp"
	}
	for _, port := range ports {
		prefix, err := ownerPrefix(port, protocol)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out.prefixes, prefix) {
			out.prefixes = append(out.prefixes, prefix)
		}
	}
	if err := out.addHosts(o.Hosts); err != nil {
		return nil, err
	}
	mail := slices.Contains(ports, 25) && protocol == "tcp"
	return out, out.addParams(o.Params, mail && !o.AllowPKIX)
}

func (o *order) addHosts(hosts []string) error {
	for _, host := range hosts {
		name, err := appendHostName(nil, host)
		if errors.Is(err, errWildcard) {
			err = hinted(err, "name the servers one by one")
		}
		if err != nil {
			return err
		}
		if o.owners, err = o.appendOwners(o.owners, name); err != nil {
			return err
		}
	}
	return nil
}

// appendOwners appends the owner names of a host, each once.
func (o *order) appendOwners(owners []string, host []byte) ([]string, error) {
	for _, prefix := range o.prefixes {
		owner, err := ownerOf(prefix, host)
		if err != nil {
			return owners, err
		}
		if !slices.Contains(owners, owner) {
			owners = append(owners, owner)
		}
	}
	return owners, nil
}

// addParams sorts the parameters by what they describe.
func (o *order) addParams(params []dane.Params, refusePKIX bool) error {
	if !o.explicit {
		params = []dane.Params{{Usage: dane.DANEEE, Selector: dane.SPKI, Matching: dane.SHA256}, {Usage: dane.DANETA, Selector: dane.SPKI, Matching: dane.SHA256}}
	}
	for _, p := range params {
		if !p.Assigned() {
			return fmt.Errorf("parameters %s have no meaning (RFC 6698, Section 7)", p)
		}
		if refusePKIX && (p.Usage == dane.PKIXTA || p.Usage == dane.PKIXEE) {
			return hinted(fmt.Errorf("%s (%s) is unusable on port 25: senders would deliver without authentication, or not at all (RFC 7672, Section 3.1.3)", p, p.Words()),
				fmt.Sprintf("use usage %d instead, or --allow-pkix if you know why", p.Usage+2))
		}
		if list := o.listFor(p); !slices.Contains(*list, p) {
			*list = append(*list, p)
		}
	}
	if p, ok := uneven(params); ok {
		o.warn("the set has %s but not the other digest of it: publish SHA2-512 for all of usage and selector or for none (RFC 7671, Section 8.3)", p)
	}
	return nil
}

func (o *order) listFor(p dane.Params) *[]dane.Params {
	if p.Usage == dane.DANETA || p.Usage == dane.PKIXTA {
		return &o.issuer
	}
	return &o.leaf
}

func (o *order) warn(format string, args ...any) {
	o.warnings = append(o.warnings, fmt.Sprintf(format, args...))
}

// uneven looks for a digest that is there for one usage and selector and
// missing for another: senders that prefer it would judge by half of the set
// ("digest agility": RFC 7671, Section 8.3).
func uneven(params []dane.Params) (missing dane.Params, found bool) {
	for _, p := range params {
		for _, q := range params {
			twin := dane.Params{Usage: p.Usage, Selector: p.Selector, Matching: q.Matching}
			if p.Matching != dane.Full && q.Matching != dane.Full && !slices.Contains(params, twin) {
				return p, true
			}
		}
	}
	return missing, false
}
