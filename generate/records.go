package generate

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tlsamgr/tlsamgr/dane"
)

// Set holds the records of one owner name, each once: those of leaves first,
// then those of their issuers in the order of the chain.
type Set struct {
	Owner   string // "_25._tcp.mx1.example.com."; empty when no name is known
	Records []dane.Record
}

// Result is what a source gives.
type Result struct {
	Sets     []Set    // owners in the order given, or by the names in the leaves
	Warnings []string // what the owner of the certificates should know
}

// Records makes the records of the source. It fails when a record that the
// options name cannot be made, and with ErrNoLeaf when there are only CA
// certificates and the records of a leaf are asked for.
func (s *Source) Records(o Options) (Result, error) {
	checked, err := o.check()
	if err != nil {
		return Result{}, err
	}
	result, err := s.records(checked)
	result.Warnings = append(checked.warnings, result.Warnings...)
	return result, err
}

// maker makes the records of one source for one order.
type maker struct {
	*Source
	*order
	sets  sets
	words []string // warnings

	// Room that is kept from one source to the next.
	room  []dane.Record  // for the records of one certificate
	above []*certificate // for the ancestors of one
	host  []byte         // for one name
}

func (s *Source) records(o *order) (Result, error) {
	return new(maker).make(s, o)
}

// make makes the records of a source. The result is good until the next call.
func (m *maker) make(s *Source, o *order) (Result, error) {
	m.Source, m.order, m.words = s, o, slices.Clip(s.warnings)
	m.sets.reset()
	var err error
	switch {
	case len(s.certs) == 0:
		err = m.ofKeys()
	case len(s.leaves) == 0:
		err = m.ofIssuersAlone()
	default:
		err = m.ofLeaves()
	}
	if err != nil {
		return Result{}, err
	}
	m.checkSize()
	return Result{Sets: m.sets.list, Warnings: m.words}, nil
}

// ofKeys makes records of keys that have no certificate yet: that is how the
// next key of a rollover is announced (RFC 7671, Section 8.1).
func (m *maker) ofKeys() error {
	if m.explicit && len(m.issuer) > 0 {
		return fmt.Errorf("%s describes the certificate of a CA, and there is only a key", m.issuer[0])
	}
	for _, k := range m.keys {
		m.say("no certificate, only a %s: these are the records of a key that is yet to get one", k.kind)
		var records []dane.Record
		for _, p := range m.leaf {
			r, err := p.OfSPKI(k.spki)
			if err != nil {
				return fmt.Errorf("%s: %w", k.kind, err)
			}
			records = append(records, r)
		}
		m.sets.add(m.ownersOf(k.forEachName), records)
	}
	return nil
}

func (k *key) forEachName(yield func(name []byte)) {
	for _, name := range k.names {
		yield(name)
	}
}

// ofLeaves makes the records of all leaves, then those of their issuers.
func (m *maker) ofLeaves() error {
	owners := make([][]string, len(m.leaves))
	for i, leaf := range m.leaves {
		m.checkLeaf(leaf)
		owners[i] = m.ownersOf(leaf.forEachName)
		if err := m.add(owners[i], leaf, m.leaf); err != nil {
			return err
		}
	}
	if len(m.issuer) == 0 {
		return nil
	}
	above := 0
	for i, leaf := range m.leaves {
		n, err := m.ofIssuers(leaf, owners[i])
		if err != nil {
			return err
		}
		above += n
	}
	if len(m.leaves) > 1 || above+1 < len(m.certs) {
		m.checkUnrelated()
	}
	return nil
}

// ofIssuers makes the records of the issuers of a leaf, and of no other CA:
// "2 x x" must name a certificate above the leaf (RFC 7671, Section 5.2). It
// gives their number.
func (m *maker) ofIssuers(leaf *certificate, owners []string) (int, error) {
	above := leaf.ancestors(m.above[:0])
	m.above = above
	if len(above) == 0 && m.explicit {
		return 0, hinted(fmt.Errorf("%s describes a CA above the server's certificate, and no certificate here issued %s", m.issuer[0], leaf.place()),
			"give the full chain, as the mail server sends it")
	}
	for _, c := range above {
		if err := m.addIssuer(owners, c); err != nil {
			return 0, err
		}
	}
	m.checkChain(leaf, above)
	return len(above), nil
}

// add makes records of a certificate and adds them to the sets of the owners.
func (m *maker) add(owners []string, c *certificate, params []dane.Params) (err error) {
	if m.room, err = c.appendRecords(m.room[:0], params); err == nil {
		m.sets.add(owners, m.room)
	}
	return err
}

// addIssuer is add for the issuers of leaves: the records of those that turn up
// in many files are made once.
func (m *maker) addIssuer(owners []string, c *certificate) (err error) {
	if !c.cached {
		return m.add(owners, c, m.issuer)
	}
	if c.records == nil {
		if c.records, err = c.appendRecords(nil, m.issuer); err != nil {
			return err
		}
	}
	m.sets.add(owners, c.records)
	return nil
}

func (c *certificate) appendRecords(records []dane.Record, params []dane.Params) ([]dane.Record, error) {
	for _, p := range params {
		r, err := c.record(p)
		if err != nil {
			return records, err
		}
		records = append(records, r)
	}
	return records, nil
}

// ofIssuersAlone deals with files that hold CA certificates only.
func (m *maker) ofIssuersAlone() error {
	if !m.explicit || len(m.leaf) > 0 && len(m.certs) > 1 {
		return hinted(fmt.Errorf("%w, only certificates of CAs", ErrNoLeaf),
			"give the server's certificate or full chain; for records of the CAs alone: --record '2 1 1'")
	}
	owners := m.ownersOf(func(func([]byte)) {})
	if len(m.leaf) > 0 {
		m.say("%s is of a CA, and %s describes the certificate of a server: right only if the server presents this very certificate as its own", m.certs[0].place(), m.leaf[0])
		if err := m.add(owners, m.certs[0], m.leaf); err != nil {
			return err
		}
	}
	if len(m.issuer) == 0 {
		return nil
	}
	m.say("no server's certificate here: whether these CAs issued one was not checked")
	for _, c := range m.certs {
		if c.issued {
			continue
		}
		for _, c := range append([]*certificate{c}, c.ancestors(nil)...) {
			if err := m.addIssuer(owners, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxRData is how long the data of a record can be: a DNS message has 65,535
// octets, of which header, question, owner and the record's own fields are some.
const maxRData = 65535 - 600

func (c *certificate) record(p dane.Params) (dane.Record, error) {
	selected := c.der
	if p.Selector == dane.SPKI {
		selected = c.spki
	}
	if p.Matching == dane.Full && len(selected) > maxRData {
		return dane.Record{}, fmt.Errorf("%s of %s would take %d octets, more than a DNS message holds", p, c.place(), len(selected))
	}
	if p.Selector == dane.SPKI {
		return p.OfSPKI(c.spki)
	}
	return p.Of(c.der)
}

// ownersOf gives the owner names for something that has names: those asked
// for, else its own. An empty name stands for none.
func (m *maker) ownersOf(forEachName func(yield func(name []byte))) []string {
	if m.owners != nil {
		return m.owners
	}
	var owners []string
	forEachName(func(name []byte) {
		var err error
		if m.host, err = appendHost(m.host[:0], name); err == nil {
			owners, err = m.appendOwners(owners, m.host)
		}
		if errors.Is(err, errWildcard) {
			m.say("%q cannot own records: name each server with --host", clip(string(name)))
		} else if err != nil {
			m.say("name %q is passed over: %v", clip(string(name)), err)
		}
	})
	if owners == nil {
		return []string{""}
	}
	return owners
}
