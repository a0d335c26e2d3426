package dane

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestChainIDs(t *testing.T) {
	root := issue(t, "root", nil, nil)
	leaf := issueLeaf(t, root, nil)
	c := chainOf(t, leaf, root)
	sum := func(parts ...[]byte) string {
		s := sha256.Sum256(bytes.Join(parts, nil))
		return hex.EncodeToString(s[:])
	}
	got := []string{c.ID(), c.LeafID(), c.KeyID()}
	want := []string{sum(leaf.Raw, root.Raw), sum(leaf.Raw), sum(leaf.RawSubjectPublicKeyInfo)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
	alone := chainOf(t, leaf)
	if alone.ID() == c.ID() || alone.LeafID() != c.LeafID() {
		t.Error("the issuer belongs to the identity of a chain, not to that of its leaf")
	}
	renewed := chainOf(t, issueLeaf(t, root, valid(0, 2)), root)
	if renewed.KeyID() != c.KeyID() || renewed.LeafID() == c.LeafID() {
		t.Error("a renewed certificate with the same key is another leaf with the same key")
	}
}

// TestChainKeepsItsBytes holds that a chain does not follow changes of the
// slices it was made from, nor of those it gave away.
func TestChainKeepsItsBytes(t *testing.T) {
	leaf := issueLeaf(t, nil, nil)
	der := bytes.Clone(leaf.Raw)
	c, err := NewChain(der)
	if err != nil {
		t.Fatal(err)
	}
	clear(der)
	c.Certificates()[0] = nil
	c.Names()[0] = "changed"
	if !bytes.Equal(c.Leaf(), leaf.Raw) || !bytes.Equal(c.Certificates()[0], leaf.Raw) || c.Names()[0] != "mx.example.org" {
		t.Error("the chain has changed")
	}
}

func TestNewChainRefuses(t *testing.T) {
	if _, err := NewChain(); err == nil {
		t.Error("a chain of nothing")
	}
	if _, err := NewChain(nil); err == nil || !strings.Contains(err.Error(), "certificate 1 of 1") {
		t.Errorf("a chain of an empty certificate: %v", err)
	}
}

func TestAlgorithm(t *testing.T) {
	for name, want := range map[string]string{
		"G01a-rsa": "rsa", "G02b-rsa-unusual": "rsa", "G06b-rsa-pss-key": "rsa", "G03a-ecdsa-p256": "ecdsa", "G08b-explicit-ec-params": "ecdsa",
		"G05a-eddsa": "ed25519", "G12b-foreign-key-alg": "other", "G13a-unknown-key-oid": "other", "G15a-serial": "ecdsa",
	} {
		if got := vectorChain(t, name).Algorithm(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func vectorChain(t testing.TB, name string) *Chain {
	t.Helper()
	c, err := NewChain(certificateNamed(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestValidity(t *testing.T) {
	for name, want := range map[string][2]int{"G18b-odd-dates": {1950, 2050}, "G15a-serial": {2024, 2044}, "G14b-x509-v1": {2024, 2044}} {
		before, after := vectorChain(t, name).Validity()
		for i, got := range []time.Time{before, after} {
			if first := time.Date(want[i], 1, 1, 0, 0, 0, 0, time.UTC); got != first {
				t.Errorf("%s: date %d is %s, want %s", name, i, got, first)
			}
		}
	}
	// A date that nobody can read is no obstacle to DANE-EE.
	der := certificateNamed(t, "G03a-ecdsa-p256")
	at := bytes.Index(der, []byte("240101"))
	copy(der[at:], "249901")
	c, err := NewChain(der)
	if err != nil {
		t.Fatal(err)
	}
	if before, after := c.Validity(); !before.IsZero() || after.IsZero() {
		t.Errorf("valid from %s to %s", before, after)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string][]string{
		"G19a-wildcard":       {"*.example.org"},
		"G20b-idn":            {"mx.xn--9ca.example"},
		"G21a-no-san":         {"mx1.example.org"},
		"G14b-x509-v1":        {"mx1.example.org"},
		"G22b-san-kinds":      {"mx1.example.org"}, // other kinds of names only: the common name counts
		"G23a-odd-extensions": {"mx1.example.org"},
		"G15a-serial":         {"mx1.example.org"},
	} {
		if diff := cmp.Diff(want, vectorChain(t, name).Names()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	made := chainOf(t, issueLeaf(t, nil, func(c *x509.Certificate) {
		c.Subject.CommonName = "cn.example.org"
		c.DNSNames = []string{"B.example.org", "*.a.example.org", "no host.example.org", "b\x00.example.org", "c.example.org.", ".d.example.org"}
	}))
	if diff := cmp.Diff([]string{"b.example.org", "*.a.example.org"}, made.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	odd := chainOf(t, issueLeaf(t, nil, func(c *x509.Certificate) {
		c.Subject.CommonName, c.DNSNames = "cn.example.org", []string{"no host"}
	}))
	if names := odd.Names(); len(names) > 0 {
		t.Errorf("a DNS name that is no host name lets the common name %q count", names)
	}
}

func TestCovers(t *testing.T) {
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"mx.example.org", "mx.example.org", true},
		{"mx.example.org", "MX.Example.ORG.", true},
		{"mx.example.org", "mx2.example.org", false},
		{"mx.example.org", "example.org", false},
		{"mx.example.org", "", false},
		{"*.example.org", "mx.example.org", true},
		{"*.example.org", "xn--9ca.example.org", true},
		{"*.example.org", "example.org", false},
		{"*.example.org", ".example.org", false},
		{"*.example.org", "a.mx.example.org", false},
		{"*.example.org", "*.example.org", true},
		{"m*.example.org", "mx.example.org", false},
		{"m*.example.org", "m*.example.org", false},
		{"*x.example.org", "mx.example.org", false},
		{"mx.*.org", "mx.example.org", false},
		{"*.*.org", "mx.example.org", false},
		{"*.org", "example.org", false},
		{"*", "org", false},
		{"*.", "org.", false},
	}
	for _, tt := range tests {
		if got := covers(tt.pattern, tt.name); got != tt.want {
			t.Errorf("%s covers %s: %t", tt.pattern, tt.name, got)
		}
	}
}

func TestChainRecords(t *testing.T) {
	root := issue(t, "root", nil, nil)
	ca := issue(t, "ca", root, nil)
	again := issue(t, "ca", root, valid(-2, 2)) // the same name and key once more
	stranger := issue(t, "stranger", nil, nil)
	leaf := issueLeaf(t, ca, nil)
	tests := []struct {
		params string
		chain  *Chain
		want   []Record
	}{
		{"3 1 1", chainOf(t, leaf), []Record{recordOf(t, "3 1 1", leaf)}},
		{"3 0 2", chainOf(t, leaf, ca), []Record{recordOf(t, "3 0 2", leaf)}},
		{"2 1 1", chainOf(t, leaf, ca, root), []Record{recordOf(t, "2 1 1", ca)}},
		{"2 1 1", chainOf(t, leaf, stranger, root, ca), []Record{recordOf(t, "2 1 1", ca)}},
		{"2 1 1", chainOf(t, leaf, ca, again), []Record{recordOf(t, "2 1 1", ca)}},
		{"2 0 1", chainOf(t, leaf, ca, again), SortRecords([]Record{recordOf(t, "2 0 1", ca), recordOf(t, "2 0 1", again)})},
		{"2 1 1", chainOf(t, leaf), nil},
		{"2 1 1", chainOf(t, leaf, stranger, root), nil},
		{"2 1 1", chainOf(t, root, root), nil},
	}
	for i, tt := range tests {
		p, _ := ParseParams(tt.params)
		got, err := tt.chain.Records(p)
		if !slices.Equal(got, tt.want) || (err != nil) != (tt.want == nil) {
			t.Errorf("%d: %s gives %v, %v; want %v", i, p, got, err, tt.want)
		}
	}
	if _, err := chainOf(t, leaf, ca).Records(Params{2, 9, 9}); err == nil {
		t.Error("parameters without a meaning have records")
	}
	if records, err := chainOf(t, leaf).Records(Params{3, 9, 9}); err == nil || records != nil {
		t.Errorf("parameters without a meaning have the records %v", records)
	}
}

// TestIssuerBySignature holds that a name is not enough to be the issuer.
func TestIssuerBySignature(t *testing.T) {
	ca := issue(t, "ca", nil, nil)
	twin := issue(t, "twin", nil, func(c *x509.Certificate) { c.Subject.CommonName = "ca"; c.SubjectKeyId = ca.SubjectKeyId })
	leaf := issueLeaf(t, ca, nil)
	if r, err := chainOf(t, leaf, twin).Records(Params{2, 1, 1}); err == nil {
		t.Errorf("got %v of a CA of the same name that signed nothing", r)
	}
	r, err := chainOf(t, leaf, twin, ca).Records(Params{2, 1, 1})
	if err != nil || !slices.Equal(r, []Record{recordOf(t, "2 1 1", ca)}) {
		t.Errorf("got %v, %v", r, err)
	}
}

func TestConcurrentUse(t *testing.T) {
	root := issue(t, "root", nil, nil)
	leaf := issueLeaf(t, root, nil)
	c := chainOf(t, leaf, root)
	records := []Record{recordOf(t, "3 1 1", leaf), recordOf(t, "2 1 1", root), recordOf(t, "2 0 2", root)}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if rejects := Rejects(records, c, sender()); len(rejects) > 0 || c.ID() == "" || !c.Covers("mx.example.org") {
				t.Errorf("rejected: %v", rejects)
			}
		})
	}
	wg.Wait()
}
