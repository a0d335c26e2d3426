package generate

import (
	"fmt"

	"github.com/tlsamgr/tlsamgr/dane"
)

// What follows is said, not refused: the records are right, and whether they
// do what their owner hopes for is another matter.

func (m *maker) say(format string, args ...any) {
	m.words = append(m.words, fmt.Sprintf(format, args...))
}

// checkLeaf looks at the dates of a leaf. DANE-EE ignores them (RFC 7671,
// Section 5.1), but not every sender knows that.
func (m *maker) checkLeaf(leaf *certificate) {
	if text := m.outside(leaf); text != "" {
		m.say("%s %s: DANE-EE ignores dates, some senders do not", leaf.place(), text)
	}
}

// outside says how a certificate is not valid now.
func (m *maker) outside(c *certificate) string {
	if m.now == (stamp{}) {
		return ""
	}
	from, to, ok := c.validity()
	switch {
	case !ok:
		return "has dates that cannot be understood"
	case string(to[:]) < string(m.now[:]):
		return "expired on " + to.String()
	case string(from[:]) > string(m.now[:]):
		return "is not valid before " + from.String()
	}
	return ""
}

// checkChain looks at what senders will check when they match an issuer
// (RFC 7671, Section 5.2): dates, and signatures by hashes that still count.
func (m *maker) checkChain(leaf *certificate, above []*certificate) {
	if leaf.weak && len(above) > 0 {
		m.say("%s is signed with a hash that senders no longer accept: %s will not match", leaf.place(), m.issuer[0])
	}
	for _, c := range above {
		if !c.sound {
			m.checkCA(c)
		}
	}
}

func (m *maker) checkCA(c *certificate) {
	words := len(m.words)
	if text := m.outside(c); text != "" {
		m.say("%s, a CA's, %s: senders will not accept it", c.place(), text)
	}
	if c.weak && !c.selfIssued() {
		m.say("%s, a CA's, is signed with a hash that senders no longer accept", c.place())
	}
	c.sound = c.cached && len(m.words) == words
}

// checkUnrelated names the certificates that no record was made of.
func (m *maker) checkUnrelated() {
	used := map[*certificate]bool{}
	for _, leaf := range m.leaves {
		used[leaf] = true
		for _, c := range leaf.ancestors(nil) {
			used[c] = true
		}
	}
	for _, c := range m.certs {
		switch {
		case used[c]:
		case c.mayIssue():
			m.say("%s is passed over: it is above no server's certificate here", c.place())
		default:
			m.say("%s is passed over: it issued another one here, but is of no CA, which no sender accepts", c.place())
		}
	}
}

// checkSize warns about sets that are too large for some senders.
func (m *maker) checkSize() {
	for _, set := range m.sets.list {
		if n := len(set.Records); n > dane.WarnRecords {
			m.say("%d records of one owner: large senders fail on more than %d", n, dane.MaxRecords)
		}
	}
}
