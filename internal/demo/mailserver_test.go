package demo

import (
	"crypto/ecdsa"
	"crypto/tls"
	"net/smtp"
	"os"
	"path/filepath"
	"testing"

	"github.com/tlsamgr/tlsamgr/internal/install"
)

const host = "mx.demo.example"

// put writes the files that the mail server reads, as an installation would.
func put(t *testing.T, dir string, f install.Pair) {
	t.Helper()
	for name, content := range map[string][]byte{"fullchain.pem": f.Chain, "key.pem": f.Key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// certify issues a certificate for a new key.
func certify(t *testing.T, ca *issuer) (install.Pair, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	f, err := ca.issue(host, key)
	if err != nil {
		t.Fatal(err)
	}
	return f, key
}

// testMailServer is a mail server without a certificate, on a free port.
func testMailServer(t *testing.T) (*mailServer, *issuer) {
	t.Helper()
	ca, err := newIssuer("Demo CA")
	if err != nil {
		t.Fatal(err)
	}
	m, err := newMailServer(host, t.TempDir(), 0, "127.0.0.1", "127.0.0.2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.close(); err != nil {
			t.Error(err)
		}
	})
	return m, ca
}

// mail sends one mail, under TLS where it is offered, and gives the key of
// the server's certificate.
func mail(t *testing.T, address string) *ecdsa.PublicKey {
	t.Helper()
	c, err := smtp.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var key *ecdsa.PublicKey
	if offered, _ := c.Extension("STARTTLS"); offered {
		if err := c.StartTLS(&tls.Config{ServerName: host, InsecureSkipVerify: true}); err != nil {
			t.Fatal(err)
		}
		state, _ := c.TLSConnectionState()
		key = state.PeerCertificates[0].PublicKey.(*ecdsa.PublicKey)
		if again, _ := c.Extension("STARTTLS"); again {
			t.Error("STARTTLS is offered under TLS")
		}
	}
	if err := submit(c, "demo.example"); err != nil {
		t.Fatal(err)
	}
	return key
}

func TestMailServer(t *testing.T) {
	m, ca := testMailServer(t)
	addresses := m.addresses()
	if key := mail(t, addresses[0]); key != nil {
		t.Error("TLS without a certificate")
	}
	if err := m.reload(t.Context()); err == nil {
		t.Error("a reload without files worked")
	}
	one, key1 := certify(t, ca)
	two, key2 := certify(t, ca)
	serves := func(when string, want *ecdsa.PrivateKey) {
		t.Helper()
		for _, a := range addresses {
			if got := mail(t, a); got == nil || !got.Equal(want.Public()) {
				t.Errorf("%s: %s serves another key", when, a)
			}
		}
	}
	reload := func() {
		t.Helper()
		if err := m.reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	put(t, m.live, one)
	reload()
	serves("first files", key1)
	put(t, m.live, two)
	serves("new files, no reload", key1)
	reload()
	serves("new files, reloaded", key2)
	put(t, m.live, install.Pair{Chain: one.Chain, Key: two.Key})
	if err := m.reload(t.Context()); err == nil {
		t.Error("a key that does not belong to the certificate was taken")
	}
	serves("broken files", key2)
	if n := m.accepted.Load(); n != 9 {
		t.Errorf("%d mails accepted, want 9", n)
	}
}
