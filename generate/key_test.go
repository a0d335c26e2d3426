package generate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/tlsamgr/tlsamgr/dane"
)

// testKeys gives a key of each common kind.
func testKeys(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	keys := map[string]crypto.Signer{}
	var err error
	add := func(name string, key crypto.Signer, e error) {
		if e != nil {
			err = e
		}
		keys[name] = key
	}
	rsaKey, e := rsa.GenerateKey(rand.Reader, 2048)
	add("rsa", rsaKey, e)
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, e := ecdsa.GenerateKey(curve, rand.Reader)
		add(curve.Params().Name, key, e)
	}
	_, edKey, e := ed25519.GenerateKey(rand.Reader)
	add("ed25519", edKey, e)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func pkcs8(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// record311 gives the 3 1 1 of what a file holds.
func record311(t *testing.T, data []byte) string {
	t.Helper()
	source, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	result, err := source.Records(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Warnings) != 1 || !strings.Contains(result.Warnings[0], "no certificate") {
		t.Errorf("warnings %q", result.Warnings)
	}
	return strings.Join(texts(result), "\n")
}

// TestKeys holds that every form of a key gives the record that a certificate
// of this key will have.
func TestKeys(t *testing.T) {
	for name, key := range testKeys(t) {
		t.Run(name, func(t *testing.T) {
			spki, err := x509.MarshalPKIXPublicKey(key.Public())
			if err != nil {
				t.Fatal(err)
			}
			r, err := dane.Params{Usage: dane.DANEEE, Selector: dane.SPKI, Matching: dane.SHA256}.OfSPKI(spki)
			if err != nil {
				t.Fatal(err)
			}
			request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
			if err != nil {
				t.Fatal(err)
			}
			forms := map[string][]byte{"PRIVATE KEY": pkcs8(t, key), "PUBLIC KEY": spki, "CERTIFICATE REQUEST": request}
			switch key := key.(type) {
			case *rsa.PrivateKey:
				forms["RSA PRIVATE KEY"] = x509.MarshalPKCS1PrivateKey(key)
				forms["RSA PUBLIC KEY"] = x509.MarshalPKCS1PublicKey(&key.PublicKey)
			case *ecdsa.PrivateKey:
				if forms["EC PRIVATE KEY"], err = x509.MarshalECPrivateKey(key); err != nil {
					t.Fatal(err)
				}
			}
			for label, der := range forms {
				if got := record311(t, encodePEM(label, der)); got != r.String() {
					t.Errorf("%s in PEM: got %s, want %s", label, got, r)
				}
				if got := record311(t, der); got != r.String() {
					t.Errorf("%s in DER: got %s, want %s", label, got, r)
				}
			}
		})
	}
}

// TestKeyNames holds that the names that a certificate request asks for are
// the owners.
func TestKeyNames(t *testing.T) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"mx1.example.com"}}, testKeys(t)["P-256"])
	if err != nil {
		t.Fatal(err)
	}
	source, err := Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	result, err := source.Records(Options{})
	if err != nil || len(result.Sets) != 1 || result.Sets[0].Owner != "_25._tcp.mx1.example.com." {
		t.Errorf("got %v, %v", result.Sets, err)
	}
}

// ecKeyOf builds an EC private key with whatever public half.
func ecKeyOf(curve, secret, public []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1OctetString(secret)
		b.AddASN1(asn1.Tag(0).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(curve) })
		})
		if public != nil {
			b.AddASN1(asn1.Tag(1).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) { b.AddASN1BitString(public) })
		}
	})
	return b.BytesOrPanic()
}

func TestBadKeys(t *testing.T) {
	keys := testKeys(t)
	secret, point := ecParts(t, keys["P-256"])
	_, otherPoint := ecParts(t, testKeys(t)["P-256"])
	secp256k1 := []byte{0x2b, 0x81, 0x04, 0x00, 0x0a}
	damaged := pkcs8(t, keys["P-256"])
	damaged = slices.Delete(damaged, len(damaged)-40, len(damaged)-39)
	dsa := []byte{0x30, 0x14, 2, 1, 0, 0x30, 9, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1, 4, 4, 2, 2, 0x11, 0x22}
	tests := []struct {
		name  string
		label string
		der   []byte
		want  string // "": it is good
	}{
		{"without its public half", "EC PRIVATE KEY", ecKeyOf([]byte(oidP256), secret, nil), ""},
		{"curve that is not computed, with its public half", "EC PRIVATE KEY", ecKeyOf(secp256k1, secret, point), ""},
		{"curve that is not computed, without", "EC PRIVATE KEY", ecKeyOf(secp256k1, secret, nil), "cannot be read"},
		{"halves that do not fit", "EC PRIVATE KEY", ecKeyOf([]byte(oidP256), secret, otherPoint), "do not belong together"},
		{"secret of the wrong length", "EC PRIVATE KEY", ecKeyOf([]byte(oidP256), secret[:31], nil), "damaged"},
		{"cut", "PRIVATE KEY", damaged, "damaged"},
		{"label of another form", "PRIVATE KEY", ecKeyOf([]byte(oidP256), secret, nil), "damaged"},
		{"DSA", "PRIVATE KEY", dsa, "algorithm that cannot be read"},
		{"OpenSSH", "OPENSSH PRIVATE KEY", []byte("openssh-key-v1\x00"), "algorithm that cannot be read"},
		{"certificate as a key", "PRIVATE KEY", newTestCA(t).cert.Raw, "damaged"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse(encodePEM(test.label, test.der))
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func ecParts(t *testing.T, key crypto.Signer) (secret, point []byte) {
	t.Helper()
	private, err := key.(*ecdsa.PrivateKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.(*ecdsa.PrivateKey).PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

// TestEncrypted holds that no form of an encrypted key is waited for.
func TestEncrypted(t *testing.T) {
	old := []byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\nAAAA\n-----END RSA PRIVATE KEY-----\n")
	container := []byte{0x30, 0x11, 0x30, 0x0b, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 0x0d, 4, 2, 1, 2}
	cert := readFile(t, filepath.Join("testdata", "gen", "G01a-rsa", "cert.pem"))
	for name, data := range map[string][]byte{
		"headers": old, "container in PEM": encodePEM("ENCRYPTED PRIVATE KEY", container), "container in DER": container,
		"beside a certificate": slices.Concat(cert, encodePEM("ENCRYPTED PRIVATE KEY", container)),
	} {
		_, err := Parse(data)
		if err == nil || !strings.Contains(err.Error(), "encrypted") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestKeyBelongs holds that a key is known as a certificate's own, and as no
// other's, however the two write it.
func TestKeyBelongs(t *testing.T) {
	gen := func(dir, file string) []byte { return readFile(t, filepath.Join("testdata", "gen", dir, file)) }
	chain := gen("G37a-key-and-cert", "chain.pem")
	source, err := Parse(chain)
	if err != nil {
		t.Fatal(err)
	}
	if err := source.CheckKey(source); err != nil {
		t.Errorf("its own key: %v", err)
	}
	other, err := Parse(encodePEM("PRIVATE KEY", pkcs8(t, testKeys(t)["P-256"])))
	if err != nil {
		t.Fatal(err)
	}
	if err := source.CheckKey(other); err == nil {
		t.Error("another key is taken for its own")
	}
	noKey, err := Parse(gen("G01a-rsa", "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := source.CheckKey(noKey); err == nil {
		t.Error("no key is taken for its own")
	}
	block, _ := pem.Decode(chain)
	mixed := slices.Concat(pem.EncodeToMemory(block), gen("G01a-rsa", "cert.pem"))
	if _, err := Parse(mixed); err == nil || !strings.Contains(err.Error(), "line 1: the private key does not belong") {
		t.Errorf("a key beside another's certificate: got %v", err)
	}
	_, point := ecParts(t, testKeys(t)["P-384"])
	k := key{spki: buildSPKI(buildAlgorithm(oidEC, nil), compressed(point))}
	if !k.belongs(buildSPKI(buildAlgorithm(oidEC, nil), point)) {
		t.Error("a compressed point is not known again")
	}
	point[len(point)-1] ^= 1
	if k.belongs(buildSPKI(buildAlgorithm(oidEC, nil), point)) {
		t.Error("the other half of a curve is taken for the same point")
	}
}

// FuzzParse holds that nothing makes the parser fall over or print what it
// read, and that its sources can be asked for records.
func FuzzParse(f *testing.F) {
	for _, v := range []string{"gen/G05a-eddsa/cert.pem", "gen/G37a-key-and-cert/chain.pem", "gen/G39a-pkcs7/chain.p7b", "gen/G40b-next-key/next.csr", "gen/G41a-public-key/next.pub", "gen/G36b-old-labels/cert.pem"} {
		data := readFile(f, filepath.Join("testdata", v))
		f.Add(data)
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			f.Add(block.Bytes)
		}
	}
	for _, key := range testKeys(f) {
		f.Add(pkcs8(f, key))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		source, err := Parse(data)
		if err != nil {
			if len(err.Error()) > 500 || strings.ContainsFunc(err.Error(), func(c rune) bool { return c < ' ' }) {
				t.Errorf("message %q", err)
			}
			return
		}
		if key, err := x509.ParsePKCS8PrivateKey(data); err == nil {
			spki, err := x509.MarshalPKIXPublicKey(key.(interface{ Public() crypto.PublicKey }).Public())
			if err == nil && len(source.keys) == 1 && !bytes.Equal(spki, source.keys[0].spki) {
				t.Errorf("crypto/x509 reads another public key")
			}
		}
		result, err := source.Records(Options{})
		if err == nil && len(result.Sets) == 0 {
			t.Error("no records and no error")
		}
	})
}

// TestForeign holds that files of other kinds are told apart.
func TestForeign(t *testing.T) {
	for data, want := range map[string]string{
		"":                                     "the file is empty",
		" \n":                                  "the file is empty",
		"ssh-ed25519 AAAA x":                   "an OpenSSH key",
		"words":                                "neither PEM nor DER",
		"-----":                                "no certificate and no key",
		"\x30\x07\x02\x01\x03\x30\x02\x05\x00": "a PKCS#12 file",
		"\x30\x03\x02\x01\x07":                 "not a DER certificate, key or certificate request",
		"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----": "only X509 CRL",
	} {
		if _, err := Parse([]byte(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", data, err, want)
		}
	}
}
