package generate

import (
	"errors"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

var errNotPKCS7 = errors.New("not DER PKCS#7 signed data")

// oidSignedData is 1.2.840.113549.1.7.2.
const oidSignedData = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"

// readPKCS7 gives the certificates of a PKCS#7 bundle (RFC 2315, Section 9.1),
// in the order in which they lie there: it means nothing.
func readPKCS7(der []byte) (certs [][]byte, err error) {
	input := cryptobyte.String(der)
	var info, oid, explicit, data, set cryptobyte.String
	var present bool
	if !input.ReadASN1(&info, asn1.SEQUENCE) || !input.Empty() || !info.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) ||
		string(oid) != oidSignedData || !info.ReadASN1(&explicit, asn1.Tag(0).Constructed().ContextSpecific()) ||
		!explicit.ReadASN1(&data, asn1.SEQUENCE) || !data.SkipASN1(asn1.INTEGER) || !data.SkipASN1(asn1.SET) ||
		!data.SkipASN1(asn1.SEQUENCE) || !data.ReadOptionalASN1(&set, &present, asn1.Tag(0).Constructed().ContextSpecific()) {
		return nil, errNotPKCS7
	}
	for !set.Empty() {
		var element cryptobyte.String
		var tag asn1.Tag
		if !set.ReadAnyASN1Element(&element, &tag) {
			return nil, errNotPKCS7
		}
		if tag == asn1.SEQUENCE { // the others are forms of certificates that TLS does not use
			certs = append(certs, element)
		}
	}
	return certs, nil
}
