package dane

import (
	"cmp"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// SubjectPublicKeyInfo finds the key of a DER certificate and gives its bytes
// as they stand there, the algorithm identifier included (RFC 6698, Section
// 2.1.2). The result is a part of der, not a copy.
//
// Only the frame of the certificate is read: version 1, odd serial numbers and
// unknown kinds of keys are fine. What is not DER is an error, because other
// readers of the same bytes would hash something else (RFC 6698, Section
// 2.1.1: certificates are DER); so are bytes after the certificate.
func SubjectPublicKeyInfo(der []byte) (spki []byte, err error) {
	o, err := outlineOf(der)
	return o.spki, err
}

// Of gives the record of one DER certificate. It fails on what is not a DER
// certificate and on parameters without a meaning.
func (p Params) Of(der []byte) (Record, error) {
	spki, err := SubjectPublicKeyInfo(der)
	if err != nil {
		return Record{}, err
	}
	if p.Selector == SPKI {
		return p.record(spki)
	}
	return p.record(der)
}

// OfSPKI gives the record of a key whose certificate need not exist yet: the
// next key of a rollover (RFC 7671, Section 8.1). It fails unless spki is one
// DER SubjectPublicKeyInfo and the selector is SPKI.
func (p Params) OfSPKI(spki []byte) (Record, error) {
	if p.Selector != SPKI {
		return Record{}, fmt.Errorf("a record %s is made from a certificate, not from a key", p)
	}
	if !isSPKI(spki) {
		return Record{}, errors.New("not a DER SubjectPublicKeyInfo")
	}
	return p.record(spki)
}

// record makes a record from the bytes that its selector selects.
func (p Params) record(selected []byte) (Record, error) {
	if !p.Assigned() {
		return Record{}, noMeaning(p)
	}
	return Record{Params: p, data: p.Matching.of(selected)}, nil
}

func noMeaning(p Params) error {
	return fmt.Errorf("parameters %s have no meaning (RFC 6698, Section 7)", p)
}

// of gives the association data for selected bytes (RFC 6698, Section 2.1.3).
// A matching type without a meaning gives none.
func (m Matching) of(selected []byte) string {
	switch m {
	case Full:
		return string(selected)
	case SHA256:
		sum := sha256.Sum256(selected)
		return string(sum[:])
	case SHA512:
		sum := sha512.Sum512(selected)
		return string(sum[:])
	}
	return ""
}

// outline is a certificate taken apart as far as matching needs it. Every
// field is a part of the DER bytes: nothing is ever encoded again, because a
// second encoding need not give the first one's bytes.
type outline struct {
	issuer     []byte // the whole element
	validity   []byte // its content: two times
	subject    []byte // the whole element
	spki       []byte // the whole element
	extensions []byte // the content of the list; nil when there is none
}

// outlineOf reads the frame of a certificate (RFC 5280, Section 4.1). It
// checks that every part is there and of its kind, and that nothing follows.
func outlineOf(der []byte) (outline, error) {
	outer := walker{rest: der}
	body := walker{rest: outer.content("certificate", asn1.SEQUENCE)}
	outer.end("certificate")
	if outer.fault != "" {
		return outline{}, errors.New("not a DER certificate: " + cmp.Or(unframed(der), outer.fault))
	}
	tbs := walker{rest: body.content("tbsCertificate", asn1.SEQUENCE)}
	body.algorithm("signatureAlgorithm")
	body.bits("signature")
	body.end("signature")

	var o outline
	tbs.version()
	tbs.content("serial number", asn1.INTEGER)
	tbs.algorithm("signature algorithm")
	o.issuer = tbs.element("issuer", asn1.SEQUENCE)
	o.validity = tbs.validity()
	o.subject = tbs.element("subject", asn1.SEQUENCE)
	o.spki = tbs.element("subjectPublicKeyInfo", asn1.SEQUENCE)
	tbs.optional("issuerUniqueID", asn1.Tag(1).ContextSpecific())
	tbs.optional("subjectUniqueID", asn1.Tag(2).ContextSpecific())
	o.extensions = tbs.extensions()
	tbs.end("tbsCertificate")
	if fault := cmp.Or(body.fault, tbs.fault); fault != "" {
		return outline{}, errors.New("not a DER certificate: " + fault)
	}
	if !isSPKI(o.spki) {
		return outline{}, errors.New("not a DER certificate: bad subjectPublicKeyInfo")
	}
	return o, nil
}

// unframed says what is wrong with the outermost header; empty when it is fine.
func unframed(der []byte) string {
	var element cryptobyte.String
	in := cryptobyte.String(der)
	switch {
	case len(der) == 0:
		return "it is empty"
	case der[0] != byte(asn1.SEQUENCE):
		return fmt.Sprintf("it begins with %#02x, not with 0x30", der[0])
	case len(der) > 1 && der[1] == 0x80:
		return "its length is indefinite (BER)"
	case !in.ReadASN1(&element, asn1.SEQUENCE):
		return "it is cut short"
	}
	return ""
}

// isSPKI says whether bytes have the form of one SubjectPublicKeyInfo (RFC
// 5280, Section 4.1.2.7). The key in it may be of any kind.
func isSPKI(der []byte) bool {
	outer := walker{rest: der}
	w := walker{rest: outer.content("", asn1.SEQUENCE)}
	outer.end("")
	w.algorithm("algorithm")
	w.bits("key")
	w.end("key")
	return outer.fault == "" && w.fault == ""
}

// walker steps through DER elements and keeps the first fault. Its reader
// refuses indefinite and over-long lengths: those are BER.
type walker struct {
	rest  cryptobyte.String
	fault string
}

// fail notes a fault; nothing is read after the first.
func (w *walker) fail(fault string) {
	if w.fault == "" {
		w.fault, w.rest = fault, nil
	}
}

// element reads one element with its header.
func (w *walker) element(what string, tag asn1.Tag) []byte {
	var out cryptobyte.String
	if !w.rest.ReadASN1Element(&out, tag) {
		w.fail("no " + what)
		return nil
	}
	return out
}

// content reads one element and gives what is inside.
func (w *walker) content(what string, tag asn1.Tag) []byte {
	var out cryptobyte.String
	if !w.rest.ReadASN1(&out, tag) || tag == asn1.INTEGER && len(out) == 0 {
		w.fail("no " + what)
		return nil
	}
	return out
}

// optional reads one element if it is next.
func (w *walker) optional(what string, tag asn1.Tag) {
	if !w.rest.SkipOptionalASN1(tag) {
		w.fail("bad " + what)
	}
}

// end notes bytes that follow the last element.
func (w *walker) end(what string) {
	if w.fault == "" && len(w.rest) > 0 {
		w.fail(fmt.Sprintf("%d bytes follow the %s", len(w.rest), what))
	}
}

// version reads the version; without one it is version 1.
func (w *walker) version() {
	var explicit cryptobyte.String
	var present bool
	if !w.rest.ReadOptionalASN1(&explicit, &present, asn1.Tag(0).Constructed().ContextSpecific()) {
		w.fail("bad version")
		return
	}
	var version cryptobyte.String
	if present && (!explicit.ReadASN1(&version, asn1.INTEGER) || !explicit.Empty() || len(version) != 1 || version[0] > 2) {
		w.fail("bad version")
	}
}

// algorithm reads an AlgorithmIdentifier: an OID and whatever belongs to it.
func (w *walker) algorithm(what string) {
	in := walker{rest: w.content(what, asn1.SEQUENCE)}
	if len(in.content(what, asn1.OBJECT_IDENTIFIER)) == 0 {
		w.fail("bad " + what)
	}
}

// bits reads a BIT STRING.
func (w *walker) bits(what string) {
	bits := w.content(what, asn1.BIT_STRING)
	if len(bits) == 0 || bits[0] > 7 {
		w.fail("bad " + what)
	}
}

// validity reads the two times between which the certificate is valid.
func (w *walker) validity() []byte {
	out := w.content("validity", asn1.SEQUENCE)
	in := walker{rest: out}
	for _, what := range []string{"notBefore", "notAfter"} {
		var tag asn1.Tag
		var t cryptobyte.String
		if !in.rest.ReadAnyASN1(&t, &tag) || tag != asn1.UTCTime && tag != asn1.GeneralizedTime {
			w.fail("no " + what)
		}
	}
	if len(in.rest) > 0 {
		w.fail("bad validity")
	}
	return out
}

// extensions reads the list of extensions, if there is one.
func (w *walker) extensions() []byte {
	var explicit, list cryptobyte.String
	var present bool
	if !w.rest.ReadOptionalASN1(&explicit, &present, asn1.Tag(3).Constructed().ContextSpecific()) {
		w.fail("bad extensions")
		return nil
	}
	if present && (!explicit.ReadASN1(&list, asn1.SEQUENCE) || !explicit.Empty()) {
		w.fail("bad extensions")
	}
	return list
}
