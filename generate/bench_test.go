package generate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// BenchmarkBatch reads a folder of files of a leaf and its issuer; the figures
// that count come from `make bench`.
func BenchmarkBatch(b *testing.B) {
	folder := b.TempDir()
	const files = 2000
	ca := newTestCA(b)
	for i := range files {
		text := slices.Concat(encodePEM("CERTIFICATE", ca.leaf(b, fmt.Sprintf("mx%d.example.com", i))), encodePEM("CERTIFICATE", ca.cert.Raw))
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%06d.pem", i)), text, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		batch := &Batch{Folders: true, Warn: func(_, text string) { b.Error(text) }, Fail: func(_ string, err error) { b.Error(err) }}
		batch.Now = time.Now()
		if failed, err := batch.Run(b.Context(), io.Discard, []string{folder}); failed > 0 || err != nil {
			b.Fatal(failed, err)
		}
	}
	b.ReportMetric(float64(b.N*files)/b.Elapsed().Seconds(), "files/s")
}

func encodePEM(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}

// testCA issues certificates.
type testCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newTestCA(t testing.TB) testCA {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(9, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	return testCA{issue(t, template, template, &key.PublicKey, key), key}
}

// leaf gives a new certificate with a key of its own.
func (ca testCA) leaf(t testing.TB, names ...string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), BasicConstraintsValid: true}
	return issue(t, template, ca.cert, &key.PublicKey, ca.key).Raw
}

func issue(t testing.TB, template, parent *x509.Certificate, public any, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
