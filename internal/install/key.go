package install

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/tlsamgr/tlsamgr/dane"
)

// privateKey is a private key as it was handed over: the DER is kept as it
// stands, so nothing that a mail server could read is ever written anew.
type privateKey struct {
	block  *pem.Block
	public crypto.PublicKey
}

// readKey finds the one private key in a PEM file. Errors carry no octet of it.
func readKey(text []byte) (privateKey, error) {
	blocks, err := readPEM(text)
	if err != nil {
		return privateKey{}, err
	}
	var found *pem.Block
	for _, b := range blocks {
		if !strings.HasSuffix(b.Type, "PRIVATE KEY") {
			continue // EC PARAMETERS, or a chain in the same file
		}
		if b.Type == "ENCRYPTED PRIVATE KEY" || len(b.Headers) > 0 {
			return privateKey{}, hinted(errors.New("the private key is encrypted"), "mail servers start without a passphrase: hand over the key decrypted, in a file that only its owner can read")
		}
		if found != nil {
			return privateKey{}, errors.New("there are several private keys in it")
		}
		found = b
	}
	if found == nil {
		return privateKey{}, errors.New("there is no private key in it")
	}
	public, err := publicOf(found)
	return privateKey{block: &pem.Block{Type: found.Type, Bytes: found.Bytes}, public: public}, err
}

// publicOf computes the public key of a private key. The errors of crypto/x509
// are not passed on: they may quote what they could not read.
func publicOf(b *pem.Block) (crypto.PublicKey, error) {
	var key any
	var err error
	switch b.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(b.Bytes)
	default:
		return nil, fmt.Errorf("a private key of the kind %q cannot be used", b.Type)
	}
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, fmt.Errorf("the private key (%s) is damaged, or of an algorithm that cannot be used", b.Type)
	}
	return signer.Public(), nil
}

// belongs says whether the key is that of a certificate. It compares the bits
// of the public keys, so that unusual parameters around them do not matter.
func (k privateKey) belongs(der []byte) bool {
	spki, err := dane.SubjectPublicKeyInfo(der)
	if err != nil {
		return false
	}
	input := cryptobyte.String(spki)
	var body, algorithm cryptobyte.String
	var bits []byte
	if !input.ReadASN1(&body, asn1.SEQUENCE) || !body.ReadASN1(&algorithm, asn1.SEQUENCE) || !body.ReadASN1BitStringAsBytes(&bits) {
		return false
	}
	return slices.ContainsFunc(k.forms(), func(form []byte) bool { return bytes.Equal(form, bits) })
}

// forms gives every way in which a certificate may write the public key: that
// of RFC 3279, Section 2.3.1 (RSA), of RFC 5480, Section 2.2 (points, whole or
// compressed) and of RFC 8410, Section 4 (Ed25519).
func (k privateKey) forms() [][]byte {
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return [][]byte{x509.MarshalPKCS1PublicKey(public)}
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			return nil
		}
		return [][]byte{point, compressed(point)}
	case ed25519.PublicKey:
		return [][]byte{public}
	}
	return nil
}

// compressed gives the short form of a point: the sign of y, then x.
func compressed(point []byte) []byte {
	half := (len(point) - 1) / 2
	sign := 2 + point[len(point)-1]&1
	return append([]byte{sign}, point[1:1+half]...)
}
