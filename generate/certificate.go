package generate

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/tlsamgr/tlsamgr/dane"
)

// certificate is a certificate taken apart as far as records need it. It is
// walked, not parsed: that is twenty times as fast, and accepts certificates
// that crypto/x509 does not (rare curves, negative serial numbers). All slices
// are parts of der.
type certificate struct {
	der     []byte
	spki    []byte // as it stands in der, never encoded again (RFC 6698, Section 2.1.2)
	issuer  []byte // the name, the whole element
	subject []byte
	dates   []byte // the content of validity
	v1      bool
	weak    bool // signed with a hash that senders no longer believe

	ca      bool   // basicConstraints
	sans    []byte // the content of subjectAltName
	keyID   []byte // subjectKeyIdentifier
	issueID []byte // keyIdentifier of authorityKeyIdentifier
	bound   bool   // keyID is a hash of the key: whoever names it means this key

	line    int            // of its BEGIN; 0 where there are no lines, or several files have it
	parents []*certificate // that issued it, in the order of the file
	issued  bool           // another one of the file

	cached  bool          // lives in an issuerCache, whose owner makes the same records again and again
	sound   bool          // of a cached issuer: there is nothing to warn about
	records []dane.Record // of a cached issuer: what was made of it
}

// read takes a DER certificate apart, and holds on to der.
func (c *certificate) read(der []byte) error {
	spki, err := dane.SubjectPublicKeyInfo(der)
	if err != nil {
		return err
	}
	*c = certificate{der: der, spki: spki, parents: c.parents[:0]}
	// The frame has just been checked: these steps cannot fail.
	var body, tbs, algorithm cryptobyte.String
	input := cryptobyte.String(der)
	input.ReadASN1(&body, asn1.SEQUENCE)
	body.ReadASN1(&tbs, asn1.SEQUENCE)
	c.v1 = !tbs.PeekASN1Tag(asn1.Tag(0).Constructed().ContextSpecific())
	tbs.SkipOptionalASN1(asn1.Tag(0).Constructed().ContextSpecific())
	tbs.SkipASN1(asn1.INTEGER)
	tbs.ReadASN1(&algorithm, asn1.SEQUENCE)
	c.weak = isWeak(algorithm)
	tbs.ReadASN1Element((*cryptobyte.String)(&c.issuer), asn1.SEQUENCE)
	tbs.ReadASN1((*cryptobyte.String)(&c.dates), asn1.SEQUENCE)
	tbs.ReadASN1Element((*cryptobyte.String)(&c.subject), asn1.SEQUENCE)
	tbs.SkipASN1(asn1.SEQUENCE)
	tbs.SkipOptionalASN1(asn1.Tag(1).ContextSpecific())
	tbs.SkipOptionalASN1(asn1.Tag(2).ContextSpecific())
	var extensions cryptobyte.String
	if tbs.ReadASN1(&extensions, asn1.Tag(3).Constructed().ContextSpecific()) {
		return c.readExtensions(extensions)
	}
	return nil
}

// readExtensions looks for the four extensions that matter (RFC 5280, Section 4.2.1).
func (c *certificate) readExtensions(explicit cryptobyte.String) error {
	var list cryptobyte.String
	explicit.ReadASN1(&list, asn1.SEQUENCE)
	for !list.Empty() {
		var extension, oid, value cryptobyte.String
		if !list.ReadASN1(&extension, asn1.SEQUENCE) || !extension.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) ||
			!extension.SkipOptionalASN1(asn1.BOOLEAN) || !extension.ReadASN1(&value, asn1.OCTET_STRING) || !extension.Empty() {
			return errors.New("not a DER certificate: bad extension")
		}
		if err := c.readExtension(string(oid), value); err != nil {
			return err
		}
	}
	return nil
}

// The extensions' object identifiers, 2.5.29.n, as DER has them.
const (
	oidSubjectKeyID     = "\x55\x1d\x0e"
	oidSubjectAltName   = "\x55\x1d\x11"
	oidBasicConstraints = "\x55\x1d\x13"
	oidAuthorityKeyID   = "\x55\x1d\x23"
)

func (c *certificate) readExtension(oid string, value cryptobyte.String) error {
	ok := true
	switch oid {
	case oidSubjectKeyID:
		ok = value.ReadASN1((*cryptobyte.String)(&c.keyID), asn1.OCTET_STRING)
	case oidSubjectAltName:
		ok = value.ReadASN1((*cryptobyte.String)(&c.sans), asn1.SEQUENCE)
	case oidBasicConstraints:
		var constraints, ca cryptobyte.String
		ok = value.ReadASN1(&constraints, asn1.SEQUENCE)
		if constraints.ReadASN1(&ca, asn1.BOOLEAN) {
			c.ca = len(ca) == 1 && ca[0] != 0
		}
	case oidAuthorityKeyID:
		var id cryptobyte.String
		ok = value.ReadASN1(&id, asn1.SEQUENCE)
		id.ReadASN1((*cryptobyte.String)(&c.issueID), asn1.Tag(0).ContextSpecific())
	}
	if !ok || !value.Empty() && (oid == oidSubjectAltName || oid == oidBasicConstraints) {
		return fmt.Errorf("not a DER certificate: bad extension 2.5.29.%d", oid[2])
	}
	return nil
}

// selfIssued says whether the certificate names itself as its issuer.
func (c *certificate) selfIssued() bool { return bytes.Equal(c.issuer, c.subject) }

// mayIssue says whether senders would accept the certificate as an issuer:
// basicConstraints say so, or it is so old that it cannot have any.
func (c *certificate) mayIssue() bool { return c.ca || c.v1 }

// keepBound works out whether the key identifier is a hash of the key: by
// RFC 5280, Section 4.2.1.2 or RFC 7093, Section 2.
func (c *certificate) keepBound() {
	input := cryptobyte.String(c.spki)
	var info cryptobyte.String
	var bits []byte
	if !input.ReadASN1(&info, asn1.SEQUENCE) || !info.SkipASN1(asn1.SEQUENCE) || !info.ReadASN1BitStringAsBytes(&bits) {
		return
	}
	old, ofKey, ofInfo := sha1.Sum(bits), sha256.Sum256(bits), sha256.Sum256(c.spki)
	for _, sum := range [][]byte{old[:], ofKey[:20], ofKey[:], ofInfo[:]} {
		c.bound = c.bound || bytes.Equal(c.keyID, sum)
	}
}

// isWeak says whether a signature algorithm (the content of its identifier)
// rests on MD2, MD5 or SHA-1 (RFC 6698, Appendix A.1.2.1).
func isWeak(algorithm cryptobyte.String) bool {
	var oid cryptobyte.String
	algorithm.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER)
	switch string(oid) {
	case "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x02", "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04", // md2, md5WithRSAEncryption
		"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", "\x2b\x0e\x03\x02\x1d", // sha1WithRSAEncryption, twice
		"\x2a\x86\x48\xce\x38\x04\x03", "\x2a\x86\x48\xce\x3d\x04\x01": // dsa-with-sha1, ecdsa-with-SHA1
		return true
	}
	return false
}

// stamp is a time as fourteen digits, YYYYMMDDhhmmss in UTC: it can be compared
// as text, at a fraction of what parsing costs.
type stamp [14]byte

// String gives the day.
func (s stamp) String() string { return fmt.Sprintf("%s-%s-%s", s[:4], s[4:6], s[6:8]) }

func stampOf(t time.Time) (s stamp) {
	copy(s[:], t.UTC().AppendFormat(nil, "20060102150405"))
	return s
}

// validity gives the dates of the certificate; ok is false when they cannot be
// understood, which DANE-EE does not mind.
func (c *certificate) validity() (from, to stamp, ok bool) {
	dates := cryptobyte.String(c.dates)
	from, ok1 := readStamp(&dates)
	to, ok2 := readStamp(&dates)
	return from, to, ok1 && ok2
}

// readStamp reads a date (RFC 5280, Section 4.1.2.5): two digits of the year
// mean 1950 to 2049.
func readStamp(dates *cryptobyte.String) (s stamp, ok bool) {
	var content cryptobyte.String
	var tag asn1.Tag
	if !dates.ReadAnyASN1(&content, &tag) || len(content) == 0 || content[len(content)-1] != 'Z' {
		return s, false
	}
	digits := content[:len(content)-1]
	switch {
	case tag == asn1.GeneralizedTime && len(digits) == 14:
		copy(s[:], digits)
	case tag == asn1.UTCTime && len(digits) == 12:
		copy(s[:], "20")
		if digits[0] >= '5' {
			copy(s[:], "19")
		}
		copy(s[2:], digits)
	default:
		return s, false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return s, false
		}
	}
	return s, true
}

// place names the certificate within its file, for people.
func (c *certificate) place() string {
	name := commonName(c.subject)
	switch {
	case c.line > 0 && name != "":
		return fmt.Sprintf("the certificate in line %d (%q)", c.line, name)
	case c.line > 0:
		return fmt.Sprintf("the certificate in line %d", c.line)
	case name != "":
		return fmt.Sprintf("the certificate %q", name)
	}
	return "the certificate"
}
