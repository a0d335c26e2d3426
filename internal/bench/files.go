package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// makeFiles writes certificate files into a new folder and gives the
// SubjectPublicKeyInfo of each leaf.
func makeFiles(folder string, n int) (keys [][]byte, err error) {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	for i := range n {
		leaf, err := ca.leaf(i)
		if err != nil {
			return nil, err
		}
		keys = append(keys, leaf.RawSubjectPublicKeyInfo)
		if err := os.WriteFile(nameOf(folder, i), slices.Concat(encode(leaf.Raw), encode(ca.cert.Raw)), 0o600); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

func nameOf(folder string, i int) string { return filepath.Join(folder, fmt.Sprintf("mx%06d.pem", i)) }

func encode(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// authority is a small CA.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Country: []string{"XX"}, Organization: []string{"Bench Trust Services"}, CommonName: "Bench Intermediate CA E1"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(5, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert: cert, key: key}, err
}

// leaf issues the certificate number i, as public CAs make them.
func (a *authority) leaf(i int) (*x509.Certificate, error) {
	name := fmt.Sprintf("mx%06d.mail.example.com", i)
	template := &x509.Certificate{
		SerialNumber: new(big.Int).Lsh(big.NewInt(int64(i)+1), 80), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 3, 0),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, SubjectKeyId: []byte(name)[:20],
		OCSPServer: []string{"http://ocsp.example.net"}, IssuingCertificateURL: []string{"http://ca.example.net/e1.der"},
		CRLDistributionPoints: []string{"http://crl.example.net/e1.crl"},
	}
	public, err := leafKey(i)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// leafKey gives a public key. Nobody will use it, so that a random number is as
// good a modulus as the product of two primes, which takes long to find.
func leafKey(i int) (any, error) {
	if i%2 == 0 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		return &key.PublicKey, nil
	}
	n := make([]byte, 256)
	if _, err := rand.Read(n); err != nil {
		return nil, err
	}
	n[0] |= 0x80
	n[255] |= 1
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}, nil
}
