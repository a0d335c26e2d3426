package generate

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// key is a public key that came without a certificate, or the public half of a
// private key. Nothing secret is kept.
type key struct {
	kind  string   // privateKey, publicKey or certRequest
	spki  []byte   // the SubjectPublicKeyInfo that a certificate of this key has
	names [][]byte // DNS names that a certificate request asks for
	line  int
}

// The algorithms that private keys are read of, as DER has them.
const (
	oidRSA     = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"
	oidRSAPSS  = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"
	oidEC      = "\x2a\x86\x48\xce\x3d\x02\x01"
	oidEd25519 = "\x2b\x65\x70"
	oidP256    = "\x2a\x86\x48\xce\x3d\x03\x01\x07"
	oidP384    = "\x2b\x81\x04\x00\x22"
	oidP521    = "\x2b\x81\x04\x00\x23"
)

// Errors about private keys say nothing about their content.
var (
	errPrivateKey  = errors.New("the private key is damaged")
	errKeyHalves   = errors.New("the private key is damaged: its two halves do not belong together")
	errKeyUnknown  = errors.New("a private key of an algorithm that cannot be read")
	errEncrypted   = errors.New("the private key is encrypted")
	errOpenSSHKey  = errors.New("an OpenSSH key, not a certificate")
	errPKCS12      = errors.New("a PKCS#12 file, which is encrypted")
	errNotARequest = errors.New("not a DER certificate request")
)

// buildSPKI puts a SubjectPublicKeyInfo together from an algorithm identifier,
// kept byte for byte, and the bits of the key (RFC 5280, Section 4.1.2.7).
func buildSPKI(algorithm, bits []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(algorithm)
		b.AddASN1BitString(bits)
	})
	return b.BytesOrPanic() // cannot fail: nothing in it is longer than the input
}

// buildAlgorithm makes an algorithm identifier with its parameters in DER.
func buildAlgorithm(oid string, parameters []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(oid)) })
		b.AddBytes(parameters)
	})
	return b.BytesOrPanic()
}

// rsaAlgorithm is the identifier of RSA keys, parameters NULL (RFC 3279, Section 2.3.1).
func rsaAlgorithm() []byte { return buildAlgorithm(oidRSA, []byte{5, 0}) }

// readPKCS8 reads a PRIVATE KEY (RFC 5208, Section 5; RFC 5958, Section 2).
func readPKCS8(der []byte) (key, error) {
	input := cryptobyte.String(der)
	var info, algorithm, secret cryptobyte.String
	var version uint
	if !input.ReadASN1(&info, asn1.SEQUENCE) || !input.Empty() || !info.ReadASN1Integer(&version) || version > 1 ||
		!info.ReadASN1Element(&algorithm, asn1.SEQUENCE) || !info.ReadASN1(&secret, asn1.OCTET_STRING) {
		return key{}, errPrivateKey
	}
	var parts, oid cryptobyte.String
	inner := algorithm
	if !inner.ReadASN1(&parts, asn1.SEQUENCE) || !parts.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) {
		return key{}, errPrivateKey
	}
	switch string(oid) {
	case oidRSA, oidRSAPSS:
		return rsaKey(algorithm, secret)
	case oidEC:
		return ecKey(secret, parts)
	case oidEd25519:
		return ed25519Key(algorithm, secret)
	}
	return key{}, errKeyUnknown
}

// rsaKey reads an RSA PRIVATE KEY (RFC 8017, Appendix A.1.2).
func rsaKey(algorithm, der cryptobyte.String) (key, error) {
	var numbers, n, e cryptobyte.String
	var version uint
	if !der.ReadASN1(&numbers, asn1.SEQUENCE) || !der.Empty() || !numbers.ReadASN1Integer(&version) || version > 1 ||
		!numbers.ReadASN1Element(&n, asn1.INTEGER) || !numbers.ReadASN1Element(&e, asn1.INTEGER) ||
		!numbers.SkipASN1(asn1.INTEGER) {
		return key{}, errPrivateKey
	}
	var public cryptobyte.Builder
	public.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(n)
		b.AddBytes(e)
	})
	return key{kind: privateKey, spki: buildSPKI(algorithm, public.BytesOrPanic())}, nil
}

// What a key was found as.
const (
	privateKey  = "private key"
	publicKey   = "public key"
	certRequest = "certificate request"
)

// ecKey reads an EC PRIVATE KEY (RFC 5915, Section 3). The curve is in the
// parameters of PKCS#8 or in the key itself.
func ecKey(der, parameters cryptobyte.String) (key, error) {
	var parts, secret cryptobyte.String
	var version uint
	if !der.ReadASN1(&parts, asn1.SEQUENCE) || !der.Empty() || !parts.ReadASN1Integer(&version) || version != 1 ||
		!parts.ReadASN1(&secret, asn1.OCTET_STRING) {
		return key{}, errPrivateKey
	}
	var own, public cryptobyte.String
	var hasOwn, hasPublic bool
	if !parts.ReadOptionalASN1(&own, &hasOwn, asn1.Tag(0).Constructed().ContextSpecific()) ||
		!parts.ReadOptionalASN1(&public, &hasPublic, asn1.Tag(1).Constructed().ContextSpecific()) {
		return key{}, errPrivateKey
	}
	if len(parameters) == 0 {
		parameters = own
	}
	var point []byte
	if hasPublic && !public.ReadASN1BitStringAsBytes(&point) {
		return key{}, errPrivateKey
	}
	computed, err := ecPoint(parameters, secret)
	switch {
	case err != nil:
		return key{}, err
	case point == nil && computed == nil:
		return key{}, errKeyUnknown
	case point == nil:
		point = computed
	case computed != nil && !samePoint(point, computed):
		return key{}, errKeyHalves
	}
	return key{kind: privateKey, spki: buildSPKI(buildAlgorithm(oidEC, parameters), point)}, nil
}

// ecPoint computes the public half of a key on one of the three common curves;
// on any other it gives none.
func ecPoint(parameters cryptobyte.String, secret []byte) ([]byte, error) {
	var oid cryptobyte.String
	parameters.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER)
	var curve ecdh.Curve
	switch string(oid) {
	case oidP256:
		curve = ecdh.P256()
	case oidP384:
		curve = ecdh.P384()
	case oidP521:
		curve = ecdh.P521()
	default:
		return nil, nil
	}
	private, err := curve.NewPrivateKey(secret)
	if err != nil {
		return nil, errPrivateKey
	}
	return private.PublicKey().Bytes(), nil
}

// ed25519Key reads the secret of an Ed25519 key (RFC 8410, Section 7).
func ed25519Key(algorithm, der cryptobyte.String) (key, error) {
	var seed cryptobyte.String
	if !der.ReadASN1(&seed, asn1.OCTET_STRING) || !der.Empty() || len(seed) != ed25519.SeedSize {
		return key{}, errPrivateKey
	}
	public := ed25519.NewKeyFromSeed(seed)[ed25519.SeedSize:]
	return key{kind: privateKey, spki: buildSPKI(algorithm, public)}, nil
}

// readSEC1 reads an EC PRIVATE KEY that is not wrapped into PKCS#8.
func readSEC1(der []byte) (key, error) { return ecKey(der, nil) }

// readPKCS1 reads an RSA PRIVATE KEY that is not wrapped into PKCS#8.
func readPKCS1(der []byte) (key, error) { return rsaKey(rsaAlgorithm(), der) }

// readPublic takes a PUBLIC KEY as it is: it is a SubjectPublicKeyInfo.
func readPublic(der []byte) (key, error) {
	return key{kind: publicKey, spki: der}, nil
}

// readRSAPublic wraps an RSA PUBLIC KEY, which is bare (RFC 8017, Appendix A.1.1).
func readRSAPublic(der []byte) (key, error) {
	input := cryptobyte.String(der)
	var numbers cryptobyte.String
	if !input.ReadASN1(&numbers, asn1.SEQUENCE) || !input.Empty() || !numbers.SkipASN1(asn1.INTEGER) ||
		!numbers.SkipASN1(asn1.INTEGER) || !numbers.Empty() {
		return key{}, errors.New("not a DER RSA public key")
	}
	return key{kind: publicKey, spki: buildSPKI(rsaAlgorithm(), der)}, nil
}

// readRequest reads a certificate request (RFC 2986, Section 4).
func readRequest(der []byte) (key, error) {
	input := cryptobyte.String(der)
	var request, info, spki cryptobyte.String
	var version uint
	if !input.ReadASN1(&request, asn1.SEQUENCE) || !input.Empty() || !request.ReadASN1(&info, asn1.SEQUENCE) ||
		!request.SkipASN1(asn1.SEQUENCE) || !request.SkipASN1(asn1.BIT_STRING) || !request.Empty() ||
		!info.ReadASN1Integer(&version) || version != 0 || !info.SkipASN1(asn1.SEQUENCE) ||
		!info.ReadASN1Element(&spki, asn1.SEQUENCE) || !info.SkipOptionalASN1(asn1.Tag(0).Constructed().ContextSpecific()) || !info.Empty() {
		return key{}, errNotARequest
	}
	k := key{kind: certRequest, spki: spki}
	parsed, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return k, nil // of an algorithm that crypto/x509 does not know; the key stands where it stands
	}
	var insecure x509.InsecureAlgorithmError
	if err := parsed.CheckSignature(); err != nil && !errors.Is(err, x509.ErrUnsupportedAlgorithm) && !errors.As(err, &insecure) {
		return key{}, fmt.Errorf("%w: its signature is not by its own key", errNotARequest)
	}
	for _, name := range parsed.DNSNames {
		k.names = append(k.names, []byte(name))
	}
	return k, nil
}

// belongs says whether a certificate (its SubjectPublicKeyInfo) has this key.
// The bits of the two are compared, so that the many ways to write parameters
// around them do not matter.
func (k key) belongs(spki []byte) bool {
	mine, theirs := keyBits(k.spki), keyBits(spki)
	return mine != nil && (bytes.Equal(mine, theirs) || samePoint(mine, theirs))
}

func keyBits(spki cryptobyte.String) (bits []byte) {
	var info cryptobyte.String
	if !spki.ReadASN1(&info, asn1.SEQUENCE) || !info.SkipASN1(asn1.SEQUENCE) || !info.ReadASN1BitStringAsBytes(&bits) {
		return nil
	}
	return bits
}

// samePoint says whether two spellings of points on a curve (RFC 5480, Section
// 2.2) mean the same one: a compressed point has x and the sign of y.
func samePoint(p, q []byte) bool {
	if len(p) == len(q) {
		return bytes.Equal(p, q) // both whole, or both compressed
	}
	return bytes.Equal(compressed(p), compressed(q)) && compressed(p) != nil
}

func compressed(point []byte) []byte {
	switch {
	case len(point) < 3:
		return nil
	case point[0] == 2 || point[0] == 3:
		return point
	case point[0] == 4 && len(point)%2 == 1:
		half := (len(point) - 1) / 2
		return append([]byte{2 + point[len(point)-1]&1}, point[1:1+half]...)
	}
	return nil
}
