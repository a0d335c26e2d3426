package lab

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestIssue holds that what is issued is what was asked for, and verifies.
func TestIssue(t *testing.T) {
	ca, err := NewCA("Test")
	if err != nil {
		t.Fatal(err)
	}
	key, err := NewKey(ECDSA)
	if err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-2 * time.Hour)
	for _, c := range []struct {
		name    string
		request Request
		kind    x509.PublicKeyAlgorithm
		valid   bool
	}{
		{"default", Request{Names: []string{"mx1.example.test"}}, x509.ECDSA, true},
		{"rsa", Request{Names: []string{"mx1.example.test", "mx2.example.test"}, Algorithm: RSA}, x509.RSA, true},
		{"key of the caller", Request{Names: []string{"mx1.example.test"}, Key: key}, x509.ECDSA, true},
		{"expired", Request{Names: []string{"mx1.example.test"}, NotBefore: past, NotAfter: past.Add(time.Hour)}, x509.ECDSA, false},
		{"not yet valid", Request{Names: []string{"mx1.example.test"}, NotBefore: time.Now().Add(time.Hour)}, x509.ECDSA, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			certificate, err := ca.Issue(c.request)
			if err != nil {
				t.Fatal(err)
			}
			if certificate.Leaf.PublicKeyAlgorithm != c.kind {
				t.Errorf("key %v, want %v", certificate.Leaf.PublicKeyAlgorithm, c.kind)
			}
			if c.request.Key != nil && certificate.Key != c.request.Key {
				t.Error("another key than asked for")
			}
			for _, name := range c.request.Names {
				if err := verify(ca, certificate, name); (err == nil) != c.valid {
					t.Errorf("%s: %v", name, err)
				}
			}
			if err := verify(ca, certificate, "other.example.test"); err == nil {
				t.Error("valid for a name it does not have")
			}
			loadable(t, certificate)
		})
	}
	for name, request := range map[string]Request{"no names": {}, "no such algorithm": {Names: []string{"a"}, Algorithm: "dsa"}} {
		if _, err := ca.Issue(request); err == nil {
			t.Errorf("%s: issued", name)
		}
	}
}

// verify verifies a certificate with nothing but what a server sends.
func verify(ca *CA, c *Certificate, name string) error {
	roots, sent := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(ca.Root)
	sent.AppendCertsFromPEM(c.Chain)
	_, err := c.Leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: sent, DNSName: name})
	return err
}

// loadable holds that the written files are a pair that servers accept.
func loadable(t *testing.T, c *Certificate) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "issued")
	chain, key, err := c.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	if len(pair.Certificate) != 2 {
		t.Errorf("%d certificates in the chain, want leaf and issuer", len(pair.Certificate))
	}
	combined := filepath.Join(dir, "combined.pem")
	if err := WriteCombined(combined, c, c); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(combined)
	if err != nil {
		t.Fatal(err)
	}
	if want := 2 * (len(c.PEM) + len(c.Chain)); len(text) != want {
		t.Errorf("combined file of %d bytes, want %d", len(text), want)
	}
	if info, err := os.Stat(key); err != nil || info.Mode() != 0o600 {
		t.Errorf("key file: %v, %v", info.Mode(), err)
	}
}
