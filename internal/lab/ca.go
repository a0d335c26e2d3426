package lab

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Algorithm is the kind of a key.
type Algorithm string

// The algorithms of keys: RSA with 2048 bits, ECDSA on P-256.
const (
	RSA   Algorithm = "rsa"
	ECDSA Algorithm = "ecdsa"
)

// CA is a throw-away certification authority: a root that nobody trusts, and an
// intermediate that issues, as public CAs have it.
type CA struct {
	Root   *x509.Certificate
	Issuer *x509.Certificate // what `2 1 1` records pin; second in every chain
	key    *ecdsa.PrivateKey // of the issuer
}

// NewCA makes a CA with fresh keys.
func NewCA(name string) (*CA, error) {
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	rootTemplate := authority(name + " Root")
	root, err := sign(rootTemplate, rootTemplate, rootKey.Public(), rootKey)
	if err != nil {
		return nil, fmt.Errorf("root: %w", err)
	}
	issuer, err := sign(authority(name+" Issuer"), root, key.Public(), rootKey)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	return &CA{Root: root, Issuer: issuer, key: key}, nil
}

// authority is the template of a CA certificate.
func authority(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
}

// sign makes a certificate with a random serial number.
func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// NewKey makes a private key.
func NewKey(algorithm Algorithm) (crypto.Signer, error) {
	switch algorithm {
	case RSA:
		return rsa.GenerateKey(rand.Reader, 2048)
	case ECDSA:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		return nil, fmt.Errorf("no such algorithm: %q", algorithm)
	}
}

// Request is what a certificate is issued for.
type Request struct {
	Names     []string      // DNS names, at least one
	Key       crypto.Signer // nil: a new one
	Algorithm Algorithm     // of a new key; empty: ECDSA
	NotBefore time.Time     // zero: an hour ago
	NotAfter  time.Time     // zero: in 90 days
}

// Certificate is an issued certificate with its private key.
type Certificate struct {
	Leaf  *x509.Certificate
	Key   crypto.Signer
	Chain []byte // PEM: the leaf, then the issuer
	PEM   []byte // PEM of the private key (PKCS #8)
}

// Issue issues a certificate.
func (c *CA) Issue(r Request) (*Certificate, error) {
	if len(r.Names) == 0 {
		return nil, errors.New("issue: no names")
	}
	if r.Algorithm == "" {
		r.Algorithm = ECDSA
	}
	if r.Key == nil {
		key, err := NewKey(r.Algorithm)
		if err != nil {
			return nil, fmt.Errorf("issue: %w", err)
		}
		r.Key = key
	}
	leaf, err := sign(r.template(), c.Issuer, r.Key.Public(), c.key)
	if err != nil {
		return nil, fmt.Errorf("issue: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(r.Key)
	if err != nil {
		return nil, fmt.Errorf("issue: %w", err)
	}
	return &Certificate{
		Leaf: leaf, Key: r.Key,
		Chain: slices.Concat(block("CERTIFICATE", leaf.Raw), block("CERTIFICATE", c.Issuer.Raw)),
		PEM:   block("PRIVATE KEY", der),
	}, nil
}

// template is the certificate that a request asks for.
func (r Request) template() *x509.Certificate {
	notBefore, notAfter := r.NotBefore, r.NotAfter
	if notBefore.IsZero() {
		notBefore = time.Now().Add(-time.Hour)
	}
	if notAfter.IsZero() {
		notAfter = time.Now().AddDate(0, 0, 90)
	}
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: r.Names[0]},
		DNSNames:              r.Names,
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
}

func block(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}

// TLSA is the data of the record `3 1 1` of the certificate's key.
func (c *Certificate) TLSA() string { return record("3 1 1 ", c.Leaf) }

// TLSA is the data of the record `2 1 1` of the issuer's key.
func (c *CA) TLSA() string { return record("2 1 1 ", c.Issuer) }

func record(params string, certificate *x509.Certificate) string {
	hash := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return params + hex.EncodeToString(hash[:])
}

// Write writes fullchain.pem and key.pem into a folder, as ACME clients do, and
// gives their paths.
func (c *Certificate) Write(dir string) (chain, key string, err error) {
	chain, key = filepath.Join(dir, "fullchain.pem"), filepath.Join(dir, "key.pem")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", err
	}
	return chain, key, errors.Join(replace(chain, c.Chain), replace(key, c.PEM))
}

// WriteCombined writes one file of key and chain for each of the certificates,
// for smtpd_tls_chain_files. Readers see the old file or the new one.
func WriteCombined(file string, certificates ...*Certificate) error {
	var text []byte
	for _, c := range certificates {
		text = slices.Concat(text, c.PEM, c.Chain)
	}
	return replace(file, text)
}

// replace writes a file anew by a rename: a mail server may read it at any time.
func replace(file string, text []byte) error {
	temporary := file + ".new"
	if err := os.WriteFile(temporary, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}
