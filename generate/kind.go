package generate

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// kind is what one object of a file is.
type kind int

const (
	kindCertificate kind = iota + 1
	kindTrusted
	kindBundle
	kindRequest
	kindPublic
	kindRSAPublic
	kindPKCS8
	kindPKCS1
	kindSEC1
	kindEncrypted
	kindPKCS12
)

// kindOf tells the kind of a PEM object by its label, by the names of RFC
// 7468 and the older ones that are still about.
func kindOf(label string) (kind, bool) {
	switch label {
	case "CERTIFICATE", "X509 CERTIFICATE", "X.509 CERTIFICATE":
		return kindCertificate, true
	case "TRUSTED CERTIFICATE":
		return kindTrusted, true
	case "PKCS7", "PKCS #7 SIGNED DATA", "CMS":
		return kindBundle, true
	case "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST":
		return kindRequest, true
	case "PUBLIC KEY":
		return kindPublic, true
	case "RSA PUBLIC KEY":
		return kindRSAPublic, true
	case "PRIVATE KEY":
		return kindPKCS8, true
	case "RSA PRIVATE KEY":
		return kindPKCS1, true
	case "EC PRIVATE KEY":
		return kindSEC1, true
	}
	return 0, false
}

// add adds one object of a known kind.
func (p *parser) add(k kind, der []byte, line int) error {
	switch k {
	case kindCertificate:
		return p.addCertificate(der, line)
	case kindTrusted:
		return p.addTrusted(der, line)
	case kindBundle:
		return p.addBundle(der, line)
	case kindRequest:
		return p.addKey(readRequest, der, line)
	case kindPublic:
		return p.addKey(readPublic, der, line)
	case kindRSAPublic:
		return p.addKey(readRSAPublic, der, line)
	case kindPKCS8:
		return p.addKey(readPKCS8, der, line)
	case kindPKCS1:
		return p.addKey(readPKCS1, der, line)
	case kindSEC1:
		return p.addKey(readSEC1, der, line)
	case kindEncrypted:
		return p.encrypted()
	case kindPKCS12:
		return hinted(errPKCS12, "`openssl pkcs12 -in FILE -nokeys` takes the certificates out of it")
	}
	return errors.New("not a certificate, key or certificate request")
}

// isDER says whether data is one DER element of the kind that everything here
// is, or looks like one and is no text: "0" begins both.
func isDER(data []byte) bool {
	input := cryptobyte.String(data)
	return input.SkipASN1(asn1.SEQUENCE) && input.Empty() ||
		data[0] == '0' && len(data) > 1 && data[1] >= 0x80 && !bytes.Contains(data, []byte(beginMark))
}

// addDER adds a file that is one DER object, whose kind has to be found out.
func (p *parser) addDER(data []byte) error {
	k := sniff(data)
	if k == 0 {
		return errors.New("not a DER certificate, key or certificate request")
	}
	return p.add(k, data, 0)
}

// sniff tells the kind of a DER object by what it begins with. What is too
// damaged for that is read as a certificate, whose error then says why.
func sniff(data []byte) kind {
	input := cryptobyte.String(data)
	var body cryptobyte.String
	if !input.ReadASN1(&body, asn1.SEQUENCE) {
		return kindCertificate
	}
	var first, second cryptobyte.String
	var tag1, tag2 asn1.Tag
	if !body.ReadAnyASN1(&first, &tag1) || !body.ReadAnyASN1(&second, &tag2) {
		return 0
	}
	switch {
	case tag1 == asn1.OBJECT_IDENTIFIER:
		return kindBundle
	case tag1 == asn1.INTEGER:
		return sniffNumbered(first, tag2, body.Empty())
	case tag1 == asn1.SEQUENCE && tag2 == asn1.BIT_STRING && body.Empty():
		return kindPublic
	case tag1 == asn1.SEQUENCE && tag2 == asn1.OCTET_STRING && body.Empty():
		return kindEncrypted
	case tag1 == asn1.SEQUENCE && tag2 == asn1.SEQUENCE && isRequest(first):
		return kindRequest
	}
	return kindCertificate
}

// sniffNumbered tells objects that begin with a version or a number.
func sniffNumbered(number cryptobyte.String, next asn1.Tag, alone bool) kind {
	version := -1
	if len(number) == 1 {
		version = int(number[0])
	}
	switch {
	case version == 3 && next == asn1.SEQUENCE:
		return kindPKCS12
	case version <= 1 && next == asn1.SEQUENCE:
		return kindPKCS8
	case version == 1 && next == asn1.OCTET_STRING:
		return kindSEC1
	case next == asn1.INTEGER && alone:
		return kindRSAPublic
	case version <= 1 && next == asn1.INTEGER:
		return kindPKCS1
	}
	return 0
}

// isRequest tells what a certificate request signs from what a certificate
// signs: version 0, then two sequences, then attributes.
func isRequest(info cryptobyte.String) bool {
	var version uint
	return info.ReadASN1Integer(&version) && version == 0 && info.SkipASN1(asn1.SEQUENCE) && info.SkipASN1(asn1.SEQUENCE) &&
		info.SkipOptionalASN1(asn1.Tag(0).Constructed().ContextSpecific()) && info.Empty()
}

// foreign says what a file is that is neither PEM nor DER.
func foreign(data []byte) error {
	for _, prefix := range []string{"ssh-", "ecdsa-sha2-", "sk-"} {
		if bytes.HasPrefix(data, []byte(prefix)) {
			return fmt.Errorf("%w: %w", ErrNothing, errOpenSSHKey)
		}
	}
	return fmt.Errorf("%w: neither PEM nor DER", ErrNothing)
}
