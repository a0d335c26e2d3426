package dane

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Chain is what a server presents: its own certificate, the leaf, and whatever
// it sends after it, in that order. It never changes, and it is safe for use
// by several goroutines. What does not depend on the time (hashes, signatures)
// is worked out once.
type Chain struct {
	certs []*certificate
	ids   func() ids
	names func() []string
	above func() []*certificate // those that issued the leaf

	mu     sync.Mutex
	routes map[steps]*route // the ways up from the leaf that were looked at
}

// ids are the names under which a chain is known.
type ids struct{ chain, leaf, key string }

// NewChain makes a chain of DER certificates, the leaf first. It needs one at
// least, and fails when one of them has no readable key. It keeps a copy.
func NewChain(der ...[]byte) (*Chain, error) {
	if len(der) == 0 {
		return nil, errors.New("a chain of no certificates")
	}
	c := &Chain{routes: map[steps]*route{}}
	for i, d := range der {
		cert, err := newCertificate(bytes.Clone(d))
		if err != nil {
			return nil, fmt.Errorf("certificate %d of %d: %w", i+1, len(der), err)
		}
		c.certs = append(c.certs, cert)
	}
	c.ids = sync.OnceValue(c.identify)
	c.names = sync.OnceValue(c.certs[0].names)
	c.above = sync.OnceValue(c.issuers)
	return c, nil
}

// Certificates gives the DER certificates, the leaf first. Their bytes must
// not be changed.
func (c *Chain) Certificates() [][]byte {
	out := make([][]byte, len(c.certs))
	for i, cert := range c.certs {
		out[i] = cert.der
	}
	return out
}

// Leaf gives the server's own certificate as DER. Its bytes must not be changed.
func (c *Chain) Leaf() []byte { return c.certs[0].der }

// ID is the SHA-256 over all certificates as hex: the identity of the chain.
func (c *Chain) ID() string { return c.ids().chain }

// LeafID is the SHA-256 of the leaf as hex.
func (c *Chain) LeafID() string { return c.ids().leaf }

// KeyID is the SHA-256 of the leaf's SubjectPublicKeyInfo as hex: the data of
// its record 3 1 1.
func (c *Chain) KeyID() string { return c.ids().key }

func (c *Chain) identify() ids {
	all := sha256.New()
	for _, cert := range c.certs {
		all.Write(cert.der)
	}
	leaf := c.certs[0]
	return ids{
		chain: hex.EncodeToString(all.Sum(nil)),
		leaf:  hex.EncodeToString([]byte(leaf.digests()[Cert][0])),
		key:   hex.EncodeToString([]byte(leaf.digests()[SPKI][0])),
	}
}

// Algorithm names the kind of the leaf's key: "rsa", "ecdsa", "ed25519" or
// "other". A TLS server has one certificate for each kind.
func (c *Chain) Algorithm() string { return c.certs[0].algorithm() }

// Validity gives the two dates of the leaf in UTC; zero times where a date
// cannot be read. DANE-EE does not look at them (RFC 7671, Section 5.1).
func (c *Chain) Validity() (notBefore, notAfter time.Time) {
	return c.certs[0].notBefore, c.certs[0].notAfter
}

// Names gives the names that the leaf is for, in lower case and in its order:
// the DNS names of its subject alternative name, or, when it has none, its
// common names (RFC 7672, Section 3.2.3). What cannot be a host name is left out.
func (c *Chain) Names() []string { return slices.Clone(c.names()) }

// Covers says whether the leaf is for a host name, in the sense of RFC 7672,
// Section 3.2.3. Case and a final dot of name do not matter; an international
// name must be in its ASCII form.
func (c *Chain) Covers(name string) bool {
	return slices.ContainsFunc(c.names(), func(pattern string) bool { return covers(pattern, name) })
}

// Records gives the records that match this chain: for DANE-EE the record of
// the leaf, for DANE-TA those of the certificates in the chain that issued the
// leaf, verified by signature: one record, or more where a CA's certificate
// was sent in several forms. It fails when the chain holds no issuer: such a
// record could not match (RFC 7671, Section 5.2.2).
func (c *Chain) Records(p Params) ([]Record, error) {
	if !p.Assigned() {
		return nil, noMeaning(p)
	}
	if p.Usage == DANEEE || p.Usage == PKIXEE {
		return []Record{c.certs[0].record(p)}, nil
	}
	var records []Record
	for _, issuer := range c.above() {
		records = append(records, issuer.record(p))
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("%s needs the certificate that issued the leaf, and the chain of %d has none", p, len(c.certs))
	}
	return SortRecords(records), nil
}

// issuers gives the certificates that signed the leaf. A self-signed leaf has
// none: the way up ends there, even if it was sent twice.
func (c *Chain) issuers() (found []*certificate) {
	leaf := c.certs[0]
	if leaf.mayIssue(leaf) {
		return nil
	}
	for i, candidate := range c.certs {
		if i > 0 && i <= maxCandidates && candidate.mayIssue(leaf) && candidate.signed(leaf) == nil {
			found = append(found, candidate)
		}
	}
	return found
}

// certificate is one certificate of a chain.
type certificate struct {
	outline
	der                 []byte
	notBefore, notAfter time.Time

	digests func() *[2][2]string              // of the selected bytes, by Selector and Matching-1
	x509    func() (*x509.Certificate, error) // the certificate read whole: only DANE-TA needs it
}

func newCertificate(der []byte) (*certificate, error) {
	o, err := outlineOf(der)
	if err != nil {
		return nil, err
	}
	c := &certificate{outline: o, der: der}
	validity := cryptobyte.String(o.validity)
	c.notBefore = readTime(&validity)
	c.notAfter = readTime(&validity)
	c.digests = sync.OnceValue(c.digest)
	c.x509 = sync.OnceValues(func() (*x509.Certificate, error) { return x509.ParseCertificate(der) })
	return c, nil
}

// readTime reads one date; the zero time stands for one that cannot be read.
func readTime(s *cryptobyte.String) time.Time {
	var t time.Time
	ok := false
	switch {
	case s.PeekASN1Tag(asn1.UTCTime):
		ok = s.ReadASN1UTCTime(&t)
	case s.PeekASN1Tag(asn1.GeneralizedTime):
		ok = s.ReadASN1GeneralizedTime(&t)
	}
	if !ok {
		return time.Time{}
	}
	return t.UTC()
}

// selected gives the bytes that a selector selects (RFC 6698, Section 2.1.2).
func (c *certificate) selected(s Selector) []byte {
	if s == SPKI {
		return c.spki
	}
	return c.der
}

// record gives the record with assigned parameters.
func (c *certificate) record(p Params) Record {
	if p.Matching == Full {
		return Record{Params: p, data: string(c.selected(p.Selector))}
	}
	return Record{Params: p, data: c.digests()[p.Selector][p.Matching-SHA256]}
}

func (c *certificate) digest() *[2][2]string {
	return &[2][2]string{
		Cert: {SHA256.of(c.der), SHA512.of(c.der)},
		SPKI: {SHA256.of(c.spki), SHA512.of(c.spki)},
	}
}

// has says whether a record with assigned parameters describes the certificate.
func (c *certificate) has(r Record) bool {
	if r.Matching == Full {
		return string(c.selected(r.Selector)) == r.data
	}
	return c.digests()[r.Selector][r.Matching-SHA256] == r.data
}

// algorithm names the kind of the key by the OID in front of it.
func (c *certificate) algorithm() string {
	var info, algorithm, oid cryptobyte.String
	spki := cryptobyte.String(c.spki)
	if !spki.ReadASN1(&info, asn1.SEQUENCE) || !info.ReadASN1(&algorithm, asn1.SEQUENCE) || !algorithm.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) {
		return "other"
	}
	switch string(oid) {
	case "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a": // rsaEncryption, id-RSASSA-PSS
		return "rsa"
	case "\x2a\x86\x48\xce\x3d\x02\x01": // id-ecPublicKey
		return "ecdsa"
	case "\x2b\x65\x70": // id-Ed25519
		return "ed25519"
	}
	return "other"
}
