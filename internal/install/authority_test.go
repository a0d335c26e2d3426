package install

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// authority is a CA with an intermediate, and what else may lie in a chain file.
type authority struct {
	root, issuer, crossed []byte // DER; crossed: the issuer, signed by another CA
	certificate           *x509.Certificate
	key                   crypto.Signer
}

// newAuthority makes root -> issuer; the root is of the kind of key.
func newAuthority(t *testing.T) authority {
	t.Helper()
	rootKey, otherKey, issuerKey := ecKey(t), ecKey(t), ecKey(t)
	root := template("Root", true)
	other := template("Other Root", true)
	issuer := template("Issuer", true)
	a := authority{
		root:    sign(t, root, root, rootKey.Public(), rootKey),
		issuer:  sign(t, issuer, root, issuerKey.Public(), rootKey),
		crossed: sign(t, issuer, other, issuerKey.Public(), otherKey),
		key:     issuerKey,
	}
	var err error
	if a.certificate, err = x509.ParseCertificate(a.issuer); err != nil {
		t.Fatal(err)
	}
	return a
}

// leaf issues a certificate for a key.
func (a authority) leaf(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	return sign(t, template("mx1.example.com", false), a.certificate, key.Public(), a.key)
}

// pair issues a certificate for a key and hands both over as clients do.
func (a authority) pair(t *testing.T, key crypto.Signer) Pair {
	t.Helper()
	return Pair{Chain: certificates(a.leaf(t, key), a.issuer), Key: keyPEM(t, key)}
}

func template(name string, ca bool) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true, IsCA: ca,
		NotBefore: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2044, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	if !ca {
		c.DNSNames = []string{name}
	}
	return c
}

func sign(t *testing.T, c, issuer *x509.Certificate, public crypto.PublicKey, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, issuer, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func edKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func certificates(ders ...[]byte) []byte { return encodeCertificates(ders) }

// keyPEM writes a key as PKCS #8.
func keyPEM(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
