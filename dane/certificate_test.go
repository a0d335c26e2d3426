package dane

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// hashed is one of testdata/certificates: a certificate with its records, on
// which several independent tools agree.
type hashed struct {
	name    string
	der     []byte
	records []Record
}

func hashedCertificates(t testing.TB) (found []hashed) {
	t.Helper()
	paths, err := filepath.Glob("testdata/certificates/*.txt")
	if err != nil || len(paths) < 30 {
		t.Fatalf("%d certificates, want 30 or more (%v)", len(paths), err)
	}
	for _, path := range paths {
		h := hashed{name: strings.TrimSuffix(filepath.Base(path), ".txt"), der: readPEM(t, path)[0]}
		text, _, _ := strings.Cut(string(readFile(t, path)), "-----")
		for line := range strings.Lines(text) {
			r, err := Parse(line)
			if err != nil {
				t.Fatal(err)
			}
			h.records = append(h.records, r)
		}
		found = append(found, h)
	}
	return found
}

// certificateNamed gives one certificate of testdata/certificates as DER.
func certificateNamed(t testing.TB, name string) []byte {
	t.Helper()
	return readPEM(t, filepath.Join("testdata/certificates", name+".txt"))[0]
}

// TestRecordsOfCertificates includes what crypto/x509 does not read: explicit
// curve parameters, compressed points, a negative serial number, duplicate
// extensions.
func TestRecordsOfCertificates(t *testing.T) {
	refused := 0
	for _, h := range hashedCertificates(t) {
		if _, err := x509.ParseCertificate(h.der); err != nil {
			refused++
		}
		if len(h.records) < 4 {
			t.Errorf("%s: only %d records", h.name, len(h.records))
		}
		spki, err := SubjectPublicKeyInfo(h.der)
		if err != nil {
			t.Errorf("%s: %v", h.name, err)
			continue
		}
		for _, want := range h.records {
			if got, err := want.Params.Of(h.der); err != nil || got != want {
				t.Errorf("%s: got %s, %v; want %s", h.name, got, err, want)
			}
			got, err := want.Params.OfSPKI(spki)
			if want.Selector == SPKI && (err != nil || got != want) || want.Selector == Cert && err == nil {
				t.Errorf("%s: got %s, %v from the key; want %s", h.name, got, err, want)
			}
		}
	}
	if refused < 3 {
		t.Errorf("crypto/x509 refuses %d of the certificates: the set has lost its hard cases", refused)
	}
}

func TestFullRecords(t *testing.T) {
	der := certificateNamed(t, "G03a-ecdsa-p256")
	spki, err := SubjectPublicKeyInfo(der)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		selector Selector
		want     []byte
	}{{Cert, der}, {SPKI, spki}} {
		r, err := Params{DANEEE, tt.selector, Full}.Of(der)
		if err != nil || !bytes.Equal(r.Data(), tt.want) {
			t.Errorf("selector %d: %s, %v", tt.selector, r.Short(), err)
		}
	}
}

func TestParamsWithoutMeaning(t *testing.T) {
	der := certificateNamed(t, "G03a-ecdsa-p256")
	for _, p := range []Params{{4, 1, 1}, {3, 2, 1}, {3, 1, 3}, {255, 255, 255}} {
		if r, err := p.Of(der); err == nil {
			t.Errorf("%s made %s", p, r)
		}
	}
	spki, _ := SubjectPublicKeyInfo(der)
	for name, key := range map[string][]byte{"nothing": nil, "a certificate": der, "a key and more": append(bytes.Clone(spki), 0), "a part": spki[:20]} {
		if r, err := (Params{DANEEE, SPKI, SHA256}).OfSPKI(key); err == nil {
			t.Errorf("%s made %s", name, r)
		}
	}
}

func TestNotACertificate(t *testing.T) {
	paths, err := filepath.Glob("testdata/bad/*.der")
	if err != nil || len(paths) != 6 {
		t.Fatalf("%d bad certificates, want 6 (%v)", len(paths), err)
	}
	for _, path := range paths {
		der, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.TrimSpace(string(readFile(t, strings.TrimSuffix(path, ".der")+".txt")))
		if spki, err := SubjectPublicKeyInfo(der); err == nil || spki != nil || err.Error() != want {
			t.Errorf("%s: %x, %v; want %s", path, spki, err, want)
		}
		if r, err := (Params{DANEEE, SPKI, SHA256}).Of(der); err == nil {
			t.Errorf("%s made %s", path, r)
		}
		if _, err := NewChain(certificateNamed(t, "G01a-rsa"), der); err == nil || !strings.HasPrefix(err.Error(), "certificate 2 of 2: ") {
			t.Errorf("%s in a chain: %v", path, err)
		}
	}
}

// TestTruncated holds that no beginning of a certificate, and no certificate
// with more behind it, counts as one.
func TestTruncated(t *testing.T) {
	der := certificateNamed(t, "G03a-ecdsa-p256")
	for n := range der {
		if _, err := SubjectPublicKeyInfo(der[:n]); err == nil {
			t.Errorf("the first %d of %d bytes passed for a certificate", n, len(der))
		}
	}
	if _, err := SubjectPublicKeyInfo(append(slices.Clip(der), 0)); err == nil {
		t.Error("a certificate and one byte passed for a certificate")
	}
	if _, err := SubjectPublicKeyInfo(nil); err == nil {
		t.Error("nothing passed for a certificate")
	}
}

// TestFrame damages one part of the frame after the other.
func TestFrame(t *testing.T) {
	der := certificateNamed(t, "G03a-ecdsa-p256")
	x, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	offset := func(part []byte) int { return bytes.Index(der, part) }
	tests := []struct {
		name string
		at   int
		to   byte
		want string
	}{
		{"certificate", 0, 0x31, "it begins with 0x31, not with 0x30"},
		{"tbsCertificate", offset(x.RawTBSCertificate), 0x31, "no tbsCertificate"},
		{"version", offset(x.RawTBSCertificate) + 4 + 4, 3, "bad version"},
		{"serial", offset(x.RawTBSCertificate) + 4 + 5, 4, "no serial number"},
		{"issuer", offset(x.RawIssuer), 0x31, "no issuer"},
		{"validity", offset(x.RawIssuer) + len(x.RawIssuer), 0x31, "no validity"},
		{"notBefore", offset(x.RawIssuer) + len(x.RawIssuer) + 2, 4, "no notBefore"},
		{"subject", len(der) - len(der[offset(x.RawSubjectPublicKeyInfo):]) - len(x.RawSubject), 0x31, "no subject"},
		{"key", offset(x.RawSubjectPublicKeyInfo), 0x31, "no subjectPublicKeyInfo"},
		{"algorithm of the key", offset(x.RawSubjectPublicKeyInfo) + 2, 0x31, "bad subjectPublicKeyInfo"},
		{"signature", offset(x.Signature) - 1, 9, "bad signature"},
	}
	for _, tt := range tests {
		bad := bytes.Clone(der)
		bad[tt.at] = tt.to
		if _, err := SubjectPublicKeyInfo(bad); err == nil || err.Error() != "not a DER certificate: "+tt.want {
			t.Errorf("%s: %v; want %s", tt.name, err, tt.want)
		}
	}
}

// TestBytesBetween puts an element after the last one of a part.
func TestBytesBetween(t *testing.T) {
	der := certificateNamed(t, "G03a-ecdsa-p256")
	outer := cryptobyte.String(der)
	var body, tbs cryptobyte.String
	if !outer.ReadASN1(&body, asn1.SEQUENCE) || !body.ReadASN1(&tbs, asn1.SEQUENCE) {
		t.Fatal("not a certificate")
	}
	null := []byte{5, 0}
	for want, bad := range map[string][]byte{
		"2 bytes follow the tbsCertificate": sequence(sequence(tbs, null), body),
		"2 bytes follow the signature":      sequence(sequence(tbs), body, null),
	} {
		if _, err := SubjectPublicKeyInfo(bad); err == nil || err.Error() != "not a DER certificate: "+want {
			t.Errorf("%v; want %s", err, want)
		}
	}
	if _, err := SubjectPublicKeyInfo(sequence(sequence(tbs), body)); err != nil {
		t.Errorf("put together again: %v", err)
	}
}

func FuzzSubjectPublicKeyInfo(f *testing.F) {
	for _, h := range hashedCertificates(f) {
		if len(h.der) < 2000 {
			f.Add(h.der)
		}
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		spki, err := SubjectPublicKeyInfo(der)
		x, xerr := x509.ParseCertificate(der)
		if err != nil {
			// crypto/x509 lets bytes pass between the parts of a certificate. OpenSSL does not.
			if xerr == nil && !strings.Contains(err.Error(), "follow") {
				t.Errorf("%v; crypto/x509 reads it", err)
			}
			return
		}
		if xerr == nil && !bytes.Equal(spki, x.RawSubjectPublicKeyInfo) {
			t.Errorf("got %x; crypto/x509 has %x", spki, x.RawSubjectPublicKeyInfo)
		}
		c, err := NewChain(der)
		if err != nil {
			t.Fatalf("a certificate with a key makes no chain: %v", err)
		}
		before, after := c.Validity()
		if xerr == nil && (!before.Equal(x.NotBefore) || !after.Equal(x.NotAfter)) {
			t.Errorf("valid from %s to %s; crypto/x509 has %s to %s", before, after, x.NotBefore, x.NotAfter)
		}
		for _, name := range c.Names() {
			if !strings.Contains(name, "*") && !c.Covers(name) {
				t.Errorf("the certificate does not cover its own name %q", name)
			}
		}
	})
}

func BenchmarkSubjectPublicKeyInfo(b *testing.B) {
	der := certificateNamed(b, "G03a-ecdsa-p256")
	b.SetBytes(int64(len(der)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := SubjectPublicKeyInfo(der); err != nil {
			b.Fatal(err)
		}
	}
}
