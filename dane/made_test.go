package dane

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// made is a certificate made for a test, with its key.
type made struct {
	*x509.Certificate
	key ed25519.PrivateKey
}

// keyFrom gives the key of a name: the same name, the same key.
func keyFrom(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

// issue makes a certificate; issuer nil: signed by its own key. It is a CA
// certificate unless change says otherwise.
func issue(t testing.TB, name string, issuer *made, change func(*x509.Certificate)) *made {
	t.Helper()
	m := &made{key: keyFrom(name)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    vectorTime.AddDate(-1, 0, 0),
		NotAfter:     vectorTime.AddDate(1, 0, 0),
		IsCA:         true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	if change != nil {
		change(template)
	}
	parent, key := template, m.key
	if issuer != nil {
		parent, key = issuer.Certificate, issuer.key
	}
	der, err := x509.CreateCertificate(nil, template, parent, m.key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if m.Certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return m
}

// issueLeaf makes the certificate of mx.example.org.
func issueLeaf(t testing.TB, issuer *made, change func(*x509.Certificate)) *made {
	t.Helper()
	return issue(t, "leaf", issuer, func(c *x509.Certificate) {
		c.Subject, c.DNSNames = pkix.Name{}, []string{"mx.example.org"}
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = false, false, x509.KeyUsageDigitalSignature
		if change != nil {
			change(c)
		}
	})
}

// chainOf gives the chain of a leaf and what is sent after it.
func chainOf(t testing.TB, certs ...*made) *Chain {
	t.Helper()
	var der [][]byte
	for _, c := range certs {
		der = append(der, c.Raw)
	}
	c, err := NewChain(der...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// recordOf gives a record of a made certificate.
func recordOf(t testing.TB, params string, m *made) Record {
	t.Helper()
	p, err := ParseParams(params)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Of(m.Raw)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sender looks at mx.example.org at the time of the vectors.
func sender() Options {
	return Options{Names: []string{"mx.example.org", "example.org"}, Now: vectorTime}
}

// valid changes when a certificate is valid, in years from the vectors' time.
func valid(from, to int) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = vectorTime.AddDate(from, 0, 0), vectorTime.AddDate(to, 0, 0).Add(-time.Second)
	}
}

// version1 gives a certificate once more without what later versions added.
func version1(t testing.TB, m, issuer *made) *made {
	t.Helper()
	in := cryptobyte.String(m.RawTBSCertificate)
	var tbs, serial, algorithm cryptobyte.String
	ok := in.ReadASN1(&tbs, asn1.SEQUENCE) && tbs.SkipOptionalASN1(asn1.Tag(0).Constructed().ContextSpecific()) &&
		tbs.ReadASN1Element(&serial, asn1.INTEGER) && tbs.ReadASN1Element(&algorithm, asn1.SEQUENCE)
	if !ok {
		t.Fatal("not a certificate")
	}
	parts := append(serial, algorithm...)
	for range 4 { // issuer, validity, subject, key
		var part cryptobyte.String
		if !tbs.ReadASN1Element(&part, asn1.SEQUENCE) {
			t.Fatal("not a certificate")
		}
		parts = append(parts, part...)
	}
	signed := sequence(parts)
	signature := append([]byte{0}, ed25519.Sign(issuer.key, signed)...)
	der := sequence(signed, algorithm, element(asn1.BIT_STRING, signature))
	x, err := x509.ParseCertificate(der)
	if err != nil || x.Version != 1 {
		t.Fatal(x, err)
	}
	return &made{Certificate: x, key: m.key}
}

func sequence(parts ...[]byte) []byte { return element(asn1.SEQUENCE, parts...) }

// element builds one DER element.
func element(tag asn1.Tag, parts ...[]byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) {
		for _, part := range parts {
			b.AddBytes(part)
		}
	})
	return b.BytesOrPanic()
}
