package generate

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
)

// What follows finds out who issued whom among the certificates of a source.
// Their order in the file plays no part.

// maxPairs bounds how many pairs of certificates are compared whose names
// say that one issued the other, and maxSignatures how many signatures are
// verified: a hostile file of ten thousand CAs with one name must not take hours.
const (
	maxPairs      = 1 << 20
	maxSignatures = 5000
)

var errTooMany = errors.New("too many certificates of CAs with the same name")

// relate links every certificate to those that issued it, and picks the leaves.
func (s *Source) relate() error {
	for _, c := range s.certs {
		c.parents, c.issued = c.parents[:0], false
	}
	if len(s.certs) > 1 {
		m := newMatchmaker(s.certs)
		for _, child := range s.certs {
			if err := m.link(child); err != nil {
				return err
			}
		}
		for _, c := range m.unverified {
			s.warn("%s may have issued another one here: that could not be verified", c.place())
		}
	}
	s.pickLeaves()
	return nil
}

// pickLeaves finds the certificates that are servers' own: those of no CA that
// issued no other. "3 x x" describes the leaf (RFC 6698, Section 2.1.1). Where
// there are only CA certificates, one with a DNS name that issued no other is a
// server's self-made one.
func (s *Source) pickLeaves() {
	s.leaves = s.leaves[:0]
	for _, c := range s.certs {
		if !c.ca && !c.issued {
			s.leaves = append(s.leaves, c)
		}
	}
	if len(s.leaves) > 0 {
		return
	}
	for _, c := range s.certs {
		if !c.issued && c.hasDNSName() {
			s.leaves = append(s.leaves, c)
		}
	}
}

// maxAncestors is more than any sender follows.
const maxAncestors = 64

// ancestors appends the certificates above one to an empty list, the nearest
// first. Certificates that are not of a CA end the way up: no sender would
// follow it.
func (c *certificate) ancestors(above []*certificate) []*certificate {
	at := c
	for next := 0; ; next++ {
		for _, parent := range at.parents {
			if parent != c && parent.mayIssue() && !slices.Contains(above, parent) {
				above = append(above, parent)
			}
		}
		if next == len(above) || len(above) > maxAncestors {
			return above
		}
		at = above[next]
	}
}

// matchmaker finds the issuers of certificates.
type matchmaker struct {
	certs      []*certificate
	bySubject  map[string][]*certificate // nil: few enough to look through
	pairs      int                       // that may still be compared
	signatures int                       // that may still be verified
	unverified []*certificate            // issuers by name whose signature is beyond us
}

func newMatchmaker(certs []*certificate) *matchmaker {
	m := &matchmaker{certs: certs, pairs: maxPairs, signatures: maxSignatures}
	if len(certs) > small {
		m.bySubject = make(map[string][]*certificate, len(certs))
		for _, c := range certs {
			m.bySubject[string(c.subject)] = append(m.bySubject[string(c.subject)], c)
		}
	}
	return m
}

// link links a certificate to those that issued it. Where some are proved,
// those that could not be judged do not count.
func (m *matchmaker) link(child *certificate) error {
	candidates := m.certs
	if m.bySubject != nil {
		candidates = m.bySubject[string(child.issuer)]
	}
	var unsure []*certificate
	for _, c := range candidates {
		if c == child || !bytes.Equal(c.subject, child.issuer) {
			continue
		}
		switch m.issued(c, child) {
		case yes:
			child.parents = append(child.parents, c)
		case unknown:
			unsure = append(unsure, c)
		}
	}
	if m.pairs < 0 || m.signatures < 0 {
		return errTooMany
	}
	if len(child.parents) == 0 && unsure != nil {
		child.parents, m.unverified = unsure, append(m.unverified, unsure...)
	}
	for _, parent := range child.parents {
		parent.issued = true
	}
	return nil
}

// answer is what can be said about a signature.
type answer int

const (
	no answer = iota
	yes
	unknown
)

// issued says whether parent, which has the right name, issued child. Most
// CAs' key identifiers are hashes of their keys: then the child says itself
// which key signed it, and the signature need not be verified, which would
// cost ten times as much as everything else.
func (m *matchmaker) issued(parent, child *certificate) answer {
	if m.pairs--; m.pairs < 0 || bytes.Equal(parent.spki, child.spki) {
		return no // self-signed, or one key's certificates by different issuers
	}
	if len(child.issueID) > 0 && bytes.Equal(child.issueID, parent.keyID) {
		if !parent.bound {
			parent.keepBound()
		}
		if parent.bound {
			return yes
		}
	}
	if m.signatures--; m.signatures < 0 {
		return no
	}
	return verified(parent, child)
}

// verified says whether the signature on child is by the key of parent.
func verified(parent, child *certificate) answer {
	p, errParent := x509.ParseCertificate(parent.der)
	c, errChild := x509.ParseCertificate(child.der)
	differ := len(child.issueID) > 0 && len(parent.keyID) > 0 && !bytes.Equal(child.issueID, parent.keyID)
	if errParent != nil || errChild != nil {
		return unsure(differ)
	}
	err := p.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
	var insecure x509.InsecureAlgorithmError
	switch {
	case err == nil:
		return yes
	case errors.Is(err, x509.ErrUnsupportedAlgorithm) || errors.As(err, &insecure):
		return unsure(differ)
	}
	return no
}

// unsure is the answer where the signature cannot be verified: the names fit,
// and the key identifiers may speak against it.
func unsure(differ bool) answer {
	if differ {
		return no
	}
	return unknown
}
