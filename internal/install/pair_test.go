package install

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestParseRefuses holds the message for everything that a pair can be wrong
// in, and that no message holds any of the key.
func TestParseRefuses(t *testing.T) {
	a, key := newAuthority(t), ecKey(t)
	chain, secret := certificates(a.leaf(t, key), a.issuer), keyPEM(t, key)
	other := certificates(a.leaf(t, ecKey(t)))
	fixture := func(name string) []byte { return contents(t, "testdata", name) }
	cut := func(text []byte) []byte { return text[:len(text)-30] }
	tests := []struct {
		name       string
		chain, key []byte
		want       string
	}{
		{"another key", chain, keyPEM(t, ecKey(t)), "the private key belongs to no certificate"},
		{"key of another algorithm", chain, keyPEM(t, rsaKey(t)), "the private key belongs to no certificate"},
		{"key of the issuer", certificates(a.leaf(t, ecKey(t)), a.issuer), keyPEM(t, a.key), `"CN=mx1.example.com" is neither the server's nor that of an issuer`},
		{"no key", chain, chain, "there is no private key"},
		{"empty key", chain, nil, "no PEM object"},
		{"two keys", chain, slices.Concat(secret, secret), "several private keys"},
		{"key cut off", chain, cut(secret), "PRIVATE KEY has no END line"},
		{"key damaged", chain, damage(secret), "damaged"},
		{"encrypted key", chain, fixture("encrypted-key.pem"), "is encrypted"},
		{"encrypted key, as of old", chain, fixture("encrypted-legacy-key.pem"), "is encrypted"},
		{"key of a curve not in use", chain, fixture("secp256k1-key.pem"), "of an algorithm that cannot be used"},
		{"key for PSS alone", chain, fixture("rsapss-key.pem"), "of an algorithm that cannot be used"},
		{"Ed448 key", chain, fixture("ed448-key.pem"), "of an algorithm that cannot be used"},
		{"OpenSSH key", chain, pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: []byte("x")}), "cannot be used"},
		{"no certificate", secret, secret, "there is no certificate"},
		{"empty chain", nil, secret, "no PEM object"},
		{"DER instead of PEM", a.issuer, secret, "no PEM object"},
		{"chain cut off", cut(chain), secret, "CERTIFICATE has no END line"},
		{"leaf lost its END", bytes.Replace(chain, []byte("-----END CERTIFICATE-----\n"), nil, 1), secret, "does not belong here"},
		{"leaf lost its BEGIN", bytes.Replace(chain, []byte("-----BEGIN CERTIFICATE-----\n"), nil, 1), secret, "does not belong here"},
		{"issuer damaged", slices.Concat(certificates(a.leaf(t, key)), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("\x30\x03abc")})), secret, "certificate 2"},
		{"another label at the end", bytes.Replace(chain, []byte("-----END CERTIFICATE-----"), []byte("-----END X-----"), 1), secret, "damaged PEM object CERTIFICATE"},
		{"certificate with headers", bytes.Replace(chain, []byte("BEGIN CERTIFICATE-----\n"), []byte("BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: X,00\n\n"), 1), secret, "encryption headers"},
		{"issuer of another kind", slices.Concat(certificates(a.leaf(t, key)), bytes.ReplaceAll(certificates(a.issuer), []byte(" CERTIFICATE-"), []byte(" TRUSTED CERTIFICATE-"))), secret, "TRUSTED CERTIFICATE, which is no certificate"},
		{"another server's certificate beside it", slices.Concat(chain, other), secret, `"CN=mx1.example.com" is neither the server's nor that of an issuer`},
		{"too many objects", bytes.Repeat(chain, maxBlocks), secret, "more than the 32 allowed"},
		{"too large", bytes.Repeat([]byte("x\n"), maxPEM), secret, "more than the 1048576 allowed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Pair{Name: "fullchain.pem", KeyName: "privkey.pem", Chain: test.chain, Key: test.key}.Parse()
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q in it", err, test.want)
			}
			if !strings.Contains(err.Error(), "fullchain.pem") && !strings.Contains(err.Error(), "privkey.pem") {
				t.Errorf("%q names no file", err)
			}
			silent(t, err.Error(), test.key)
		})
	}
}

// damage changes a few octets inside the first PEM object.
func damage(text []byte) []byte {
	block, _ := pem.Decode(text)
	block.Bytes[2] ^= 0xff
	block.Bytes[len(block.Bytes)/2] ^= 0xff
	return pem.EncodeToMemory(block)
}

// silent holds that a message has no piece of a key in it, in any spelling.
func silent(t *testing.T, message string, key []byte) {
	t.Helper()
	for line := range bytes.Lines(key) {
		line = bytes.TrimSpace(line)
		if len(line) >= 16 && !bytes.HasPrefix(line, []byte("-----")) && strings.Contains(message, string(line[:16])) {
			t.Errorf("the message holds a line of the key: %s", message)
		}
	}
	if block, _ := pem.Decode(key); block != nil {
		for i := 0; i+8 <= len(block.Bytes); i++ {
			piece := block.Bytes[i : i+8]
			for _, spelled := range []string{string(piece), fmt.Sprintf("%x", piece), fmt.Sprintf("%X", piece), fmt.Sprint(piece), base64.StdEncoding.EncodeToString(piece)[:10]} {
				if strings.Contains(message, spelled) {
					t.Fatalf("the message holds octets of the key: %s", message)
				}
			}
		}
	}
}

// TestPairDoesNotPrintItsKey: neither does what it is part of.
func TestPairDoesNotPrintItsKey(t *testing.T) {
	a := newAuthority(t)
	p := a.pair(t, ecKey(t))
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("staged", "pair", p, "pairs", []Pair{p})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&log, verb+" "+verb+"\n", p, []any{p, &p})
	}
	silent(t, log.String(), p.Key)
	if !strings.Contains(log.String(), "redacted") {
		t.Errorf("it prints as\n%s", log.String())
	}
}

// TestOrder: whatever the order of the chain file, the leaf comes first and
// every issuer behind the certificate it issued.
func TestOrder(t *testing.T) {
	a, key := newAuthority(t), ecKey(t)
	leaf, secret := a.leaf(t, key), keyPEM(t, key)
	text := func(ders ...[]byte) []byte { return certificates(ders...) }
	tests := []struct {
		name  string
		chain []byte
		want  [][]byte
	}{
		{"in order", text(leaf, a.issuer, a.root), [][]byte{leaf, a.issuer, a.root}},
		{"backwards", text(a.root, a.issuer, leaf), [][]byte{leaf, a.issuer, a.root}},
		{"shuffled", text(a.issuer, leaf, a.root), [][]byte{leaf, a.issuer, a.root}},
		{"leaf alone", text(leaf), [][]byte{leaf}},
		{"twice", text(leaf, a.issuer, leaf, a.issuer), [][]byte{leaf, a.issuer}},
		{"cross-signed issuer kept behind", text(leaf, a.issuer, a.crossed), [][]byte{leaf, a.issuer, a.crossed}},
		{"with the key in it", slices.Concat(secret, text(leaf, a.issuer)), [][]byte{leaf, a.issuer}},
		{"with text around", slices.Concat([]byte("subject=/CN=mx1\r\n"), text(leaf), []byte("\n  issuer:\n"), text(a.issuer)), [][]byte{leaf, a.issuer}},
		{"with CRLF", bytes.ReplaceAll(text(leaf, a.issuer), []byte("\n"), []byte("\r\n")), [][]byte{leaf, a.issuer}},
		{"no newline at the end", bytes.TrimSpace(text(leaf, a.issuer)), [][]byte{leaf, a.issuer}},
		{"as openssl calls it", bytes.ReplaceAll(text(leaf), []byte(" CERTIFICATE-"), []byte(" X509 CERTIFICATE-")), [][]byte{leaf}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := Pair{Chain: test.chain, Key: secret}.Parse()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, c.Certificates()); diff != "" {
				t.Errorf("chain (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUnusualKeys: a certificate that OpenSSL made with a compressed point,
// which crypto/x509 does not read, is served as well as any other.
func TestUnusualKeys(t *testing.T) {
	p := Pair{Chain: contents(t, "testdata", "compressed-cert.pem"), Key: contents(t, "testdata", "compressed-key.pem")}
	d := newDirectory(t)
	g := stage(t, d, p)
	if got := contents(t, g.Path, "key.pem"); !bytes.Equal(got, p.Key) {
		t.Errorf("the key was written anew:\n%s", got)
	}
	switchTo(t, d, g.ID)
	p.Key = keyPEM(t, ecKey(t))
	if _, err := p.Parse(); err == nil {
		t.Error("another key is taken for that of the certificate")
	}
}

// FuzzPEM: what is read is read whole. Every BEGIN line of the text belongs to
// one of the objects, and they survive being written and read again.
func FuzzPEM(f *testing.F) {
	f.Add([]byte("text\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN A-----\r\nX: y\r\n\r\nAAAA\r\n-----END A-----"))
	f.Add([]byte("-----BEGIN A-----\nAAAA\n-----BEGIN B-----\nAAAA\n-----END B-----\n-----END A-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		blocks, err := readPEM(text)
		if err != nil {
			return
		}
		begins := 0
		var again []byte
		for line := range bytes.Lines(text) {
			if bytes.HasPrefix(line, []byte("-----BEGIN ")) {
				begins++
			}
		}
		for _, b := range blocks {
			again = append(again, pem.EncodeToMemory(b)...)
		}
		if begins != len(blocks) {
			t.Errorf("%d BEGIN lines, %d objects", begins, len(blocks))
		}
		reread, err := readPEM(again)
		if diff := cmp.Diff(blocks, reread); err != nil || diff != "" {
			t.Errorf("read again: %v (-first +again):\n%s", err, diff)
		}
	})
}

// TestHints: the errors that a person can do something about say what.
func TestHints(t *testing.T) {
	a, key := newAuthority(t), ecKey(t)
	for _, p := range []Pair{
		{Chain: certificates(a.leaf(t, key)), Key: keyPEM(t, ecKey(t))},
		{Chain: certificates(a.leaf(t, key)), Key: contents(t, "testdata", "encrypted-key.pem")},
	} {
		_, err := p.Parse()
		var hinted interface{ Hint() string }
		if !errors.As(err, &hinted) || hinted.Hint() == "" {
			t.Errorf("no hint with %v", err)
		}
	}
}
