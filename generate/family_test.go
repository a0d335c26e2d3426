package generate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsamgr/tlsamgr/dane"
)

// relative is a certificate of a test's family.
type relative struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

// child makes a certificate, by itself when there is no parent. The change is
// made to what it is made from.
func child(t *testing.T, parent *relative, name string, change func(*x509.Certificate)) *relative {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), BasicConstraintsValid: true}
	if strings.Contains(name, ".") {
		template.DNSNames = []string{name}
	} else {
		template.IsCA = true
	}
	if change != nil {
		change(template)
	}
	if parent == nil {
		parent = &relative{template, key}
	}
	return &relative{issue(t, template, parent.Certificate, &key.PublicKey, parent.key), key}
}

// record gives a certificate's record.
func (r *relative) record(t *testing.T, params string) string {
	t.Helper()
	p, err := dane.ParseParams(params)
	if err != nil {
		t.Fatal(err)
	}
	record, err := p.Of(r.Raw)
	if err != nil {
		t.Fatal(err)
	}
	return record.String()
}

// TestFamilies holds who is taken for the leaf and who for its issuers, in
// whatever order they lie in the file.
func TestFamilies(t *testing.T) {
	oddID := func(c *x509.Certificate) { c.SubjectKeyId = []byte("no hash of the key") }
	root := child(t, nil, "Root", nil)
	intermediate := child(t, root, "Intermediate", nil)
	leaf := child(t, intermediate, "mx1.example.com", nil)
	oddRoot := child(t, nil, "Odd", oddID)
	oddLeaf := child(t, oddRoot, "mx1.example.com", nil)
	twin := child(t, nil, "Odd", oddID) // same name, same identifier, another key
	other := child(t, nil, "Other", nil)
	otherLeaf := child(t, other, "mx2.example.com", nil)
	selfMade := child(t, nil, "mx1.example.com", func(c *x509.Certificate) { c.IsCA = true })
	noCA := child(t, nil, "NoCA", func(c *x509.Certificate) { c.IsCA = false })
	underNoCA := child(t, noCA, "mx1.example.com", nil)

	tests := []struct {
		name    string
		certs   []*relative
		leaves  []*relative
		issuers []*relative
		warning string
	}{
		{"chain", []*relative{leaf, intermediate, root}, []*relative{leaf}, []*relative{intermediate, root}, ""},
		{"upside down", []*relative{root, intermediate, leaf}, []*relative{leaf}, []*relative{intermediate, root}, ""},
		{"a gap", []*relative{leaf, root}, []*relative{leaf}, nil, `("Root") is passed over`},
		{"twice", []*relative{leaf, intermediate, leaf, intermediate}, []*relative{leaf}, []*relative{intermediate}, ""},
		{"two leaves", []*relative{leaf, intermediate, otherLeaf, other}, []*relative{leaf, otherLeaf}, []*relative{intermediate, other}, ""},
		{"signature decides", []*relative{oddLeaf, twin, oddRoot}, []*relative{oddLeaf}, []*relative{oddRoot}, `("Odd") is passed over`},
		{"self-made", []*relative{selfMade}, []*relative{selfMade}, nil, ""},
		{"issuer that is no CA", []*relative{underNoCA, noCA}, []*relative{underNoCA}, nil, "is of no CA"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var der [][]byte
			for _, c := range test.certs {
				der = append(der, c.Raw)
			}
			result := recordsOf(t, Options{Hosts: []string{"x.example"}}, der...)
			var want []string
			for _, c := range test.leaves {
				want = append(want, c.record(t, "3 1 1"))
			}
			for _, c := range test.issuers {
				want = append(want, c.record(t, "2 1 1"))
			}
			if diff := cmp.Diff(want, texts(result)); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			if got := strings.Join(result.Warnings, "\n"); (test.warning == "") != (got == "") || !strings.Contains(got, test.warning) {
				t.Errorf("warnings %q, want %q", got, test.warning)
			}
		})
	}
}

// TestTwoLeavesOwnNames holds that each leaf's records stand under its names.
func TestTwoLeavesOwnNames(t *testing.T) {
	ca := child(t, nil, "CA", nil)
	a, b := child(t, ca, "a.example", nil), child(t, ca, "b.example", nil)
	result := recordsOf(t, Options{}, a.Raw, b.Raw, ca.Raw)
	want := map[string][]string{
		"_25._tcp.a.example.": {a.record(t, "3 1 1"), ca.record(t, "2 1 1")},
		"_25._tcp.b.example.": {b.record(t, "3 1 1"), ca.record(t, "2 1 1")},
	}
	got := map[string][]string{}
	for _, set := range result.Sets {
		got[set.Owner] = texts(Result{Sets: []Set{set}})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOnlyCAs holds what files of CA certificates alone give.
func TestOnlyCAs(t *testing.T) {
	root := child(t, nil, "Root", nil)
	intermediate := child(t, root, "Intermediate", nil)
	leafParams := []dane.Params{{Usage: dane.DANEEE, Selector: dane.SPKI, Matching: dane.SHA256}}
	issuerParams := []dane.Params{{Usage: dane.DANETA, Selector: dane.SPKI, Matching: dane.SHA256}}

	if _, err := tryRecords(Options{}, root.Raw, intermediate.Raw); !errors.Is(err, ErrNoLeaf) {
		t.Errorf("default: %v, want %v", err, ErrNoLeaf)
	}
	if _, err := tryRecords(Options{Params: leafParams}, root.Raw, intermediate.Raw); !errors.Is(err, ErrNoLeaf) {
		t.Errorf("3 1 1 of two CAs: %v, want %v", err, ErrNoLeaf)
	}
	result := recordsOf(t, Options{Params: issuerParams}, root.Raw, intermediate.Raw)
	if diff := cmp.Diff([]string{intermediate.record(t, "2 1 1"), root.record(t, "2 1 1")}, texts(result)); diff != "" || len(result.Warnings) == 0 {
		t.Errorf("2 1 1 of CAs: warnings %q (-want +got):\n%s", result.Warnings, diff)
	}
	result = recordsOf(t, Options{Params: leafParams}, root.Raw)
	if diff := cmp.Diff([]string{root.record(t, "3 1 1")}, texts(result)); diff != "" || len(result.Warnings) == 0 {
		t.Errorf("3 1 1 of one CA: warnings %q (-want +got):\n%s", result.Warnings, diff)
	}
}

// TestWeakSignatures holds that DANE-TA in vain is spoken of.
func TestWeakSignatures(t *testing.T) {
	source, err := Parse(slices.Concat(readFile(t, "testdata/gen/G45a-weak-signature/cert.pem"), readFile(t, "testdata/gen/G01a-rsa/cert.pem")))
	if err != nil {
		t.Fatal(err)
	}
	if !source.certs[0].weak || source.certs[1].weak {
		t.Errorf("SHA-1 counts as weak: %v, SHA-256: %v", source.certs[0].weak, source.certs[1].weak)
	}
	m := &maker{Source: source, order: &order{issuer: []dane.Params{{Usage: dane.DANETA}}}}
	m.checkChain(source.certs[0], source.certs[1:])
	if len(m.words) != 1 || !strings.Contains(m.words[0], "hash that senders no longer accept") {
		t.Errorf("warnings %q", m.words)
	}
}

// TestManyLeaves holds that the order of magnitude of a bundle makes no
// difference, by looking at one that is indexed rather than looked through.
func TestManyLeaves(t *testing.T) {
	ca := newTestCA(t)
	var der [][]byte
	for i := range 50 {
		der = append(der, ca.leaf(t, fmt.Sprintf("mx%d.example.com", i)))
	}
	der = append(der, ca.cert.Raw)
	result := recordsOf(t, Options{}, der...)
	if len(result.Sets) != 50 || len(result.Warnings) != 0 {
		t.Fatalf("%d sets, warnings %q", len(result.Sets), result.Warnings)
	}
	for i, set := range result.Sets {
		if set.Owner != fmt.Sprintf("_25._tcp.mx%d.example.com.", i) || len(set.Records) != 2 {
			t.Errorf("set %d: %v", i, set)
		}
	}
	together := recordsOf(t, Options{Hosts: []string{"mx.example"}}, der...)
	if n := len(together.Sets[0].Records); len(together.Sets) != 1 || n != 51 {
		t.Errorf("%d sets, %d records, want 1 and 51", len(together.Sets), n)
	}
}

// TestHostileFamily holds that certificates made to be compared with each
// other end in an error, soon.
func TestHostileFamily(t *testing.T) {
	m := &matchmaker{pairs: 10, signatures: 10}
	root := child(t, nil, "Root", nil)
	var c certificate
	if err := c.read(root.Raw); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		own := c
		own.spki = append([]byte{0}, c.spki...)
		m.certs = append(m.certs, &own)
	}
	if err := m.link(&c); !errors.Is(err, errTooMany) {
		t.Errorf("got %v, want %v", err, errTooMany)
	}
}
