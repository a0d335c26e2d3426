package dane

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"
	"time"
)

// TestAnchor puts DANE-TA through what can be wrong with a chain. Each case
// was compared with OpenSSL; where it says stricter, OpenSSL is content.
func TestAnchor(t *testing.T) {
	type change = func(*x509.Certificate)
	usage := func(u ...x509.ExtKeyUsage) change { return func(c *x509.Certificate) { c.ExtKeyUsage = u } }
	critical := func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
	}
	tests := []struct {
		name           string
		root, ca, leaf change
		why            string // empty: authenticated
	}{
		{name: "plain"},
		{name: "no key usage in the CA", ca: func(c *x509.Certificate) { c.KeyUsage = 0 }},
		{name: "key usage without certificates", ca: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }, why: "the certificate at depth 1 did not sign the leaf"},
		{name: "no CA", ca: func(c *x509.Certificate) { c.IsCA = false }, why: "the certificate at depth 1 did not sign the leaf"},
		{name: "no basic constraints (stricter)", ca: func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = false, false }, why: "did not sign the leaf"},
		{name: "the anchor is no CA", root: func(c *x509.Certificate) { c.IsCA = false }, why: "the certificate at depth 2 did not sign the certificate at depth 1"},
		{name: "expired leaf", leaf: valid(-2, 0), why: "the leaf expired on 2026-11-23"},
		{name: "leaf of the future", leaf: valid(1, 2), why: "the leaf is not valid before 2027-11-23"},
		{name: "expired CA", ca: valid(-2, -1), why: "the certificate at depth 1 expired on 2025-11-23"},
		{name: "expired anchor", root: valid(-2, -1), why: "the certificate at depth 2 expired on 2025-11-23"},
		{name: "path length is enough", root: func(c *x509.Certificate) { c.MaxPathLen = 1 }},
		{name: "path length", root: func(c *x509.Certificate) { c.MaxPathLenZero = true }, why: "the certificate at depth 2 allows 0 CA certificates below it, there are 1"},
		{name: "path length does not count the leaf", ca: func(c *x509.Certificate) { c.MaxPathLenZero = true }},
		{name: "leaf for servers", leaf: usage(x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth)},
		{name: "leaf for clients", leaf: usage(x509.ExtKeyUsageClientAuth), why: "the leaf has an extended key usage that does not allow TLS servers"},
		{name: "leaf for anything", leaf: usage(x509.ExtKeyUsageAny), why: "the leaf has an extended key usage"},
		{name: "CA for clients", ca: usage(x509.ExtKeyUsageClientAuth), why: "the certificate at depth 1 has an extended key usage"},
		{name: "anchor for mail", root: usage(x509.ExtKeyUsageEmailProtection), why: "the certificate at depth 2 has an extended key usage"},
		{name: "leaf not for TLS", leaf: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }, why: "the leaf has a key usage that does not allow TLS"},
		{name: "leaf with any key usage", leaf: func(c *x509.Certificate) { c.KeyUsage = 0 }},
		{name: "critical extension of the leaf", leaf: critical, why: "the leaf has a critical extension 1.2.3.4"},
		{name: "critical extension of the CA", ca: critical, why: "the certificate at depth 1 has a critical extension 1.2.3.4"},
		{name: "permitted name", ca: func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.org"} }},
		{name: "name not permitted", ca: func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.net"} }, why: "the certificate at depth 1 constrains names"},
		{name: "name excluded by the anchor", root: func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"mx.example.org"} }, why: "the certificate at depth 2 constrains names"},
		{name: "constraints and a common name", ca: func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.org"} },
			leaf: func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = nil, "mx.example.org" }, why: "the leaf has no DNS names"},
		{name: "common name", leaf: func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = nil, "MX.example.org" }},
		{name: "common name beside DNS names", leaf: func(c *x509.Certificate) {
			c.DNSNames, c.Subject.CommonName = []string{"mx2.example.org"}, "mx.example.org"
		}, why: `the leaf is for ["mx2.example.org"] and not for ["mx.example.org" "example.org"]`},
		{name: "next hop", leaf: func(c *x509.Certificate) { c.DNSNames = []string{"example.org"} }},
		{name: "wildcard", leaf: func(c *x509.Certificate) { c.DNSNames = []string{"*.example.org"} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := issue(t, "root", nil, tt.root)
			ca := issue(t, "ca", root, tt.ca)
			c := chainOf(t, issueLeaf(t, ca, tt.leaf), root, ca)
			result := Match([]Record{recordOf(t, "2 1 1", root)}, c, sender())
			got := result.Records[0]
			if tt.why == "" && (result.Verdict != Authenticated || got.Depth != 2) {
				t.Errorf("%s at depth %d: %s", result.Verdict, got.Depth, got.Reason)
			}
			if tt.why != "" && (result.Verdict != NotAuthenticated || !strings.Contains(got.Reason, tt.why)) {
				t.Errorf("%s: %q; want %q", result.Verdict, got.Reason, tt.why)
			}
			// The leaf's own key is good whatever its chain, names and dates.
			if r := Match([]Record{recordOf(t, "3 1 1", &made{Certificate: parse(t, c.Leaf())})}, c, Options{}); r.Verdict != Authenticated {
				t.Errorf("DANE-EE: %s, %s", r.Verdict, r.Records[0].Reason)
			}
		})
	}
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	x, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestWayUp has chains in which it is not plain who issued whom.
func TestWayUp(t *testing.T) {
	root := issue(t, "root", nil, nil)
	old := issue(t, "old", nil, nil)
	cross := issue(t, "root", old, nil) // the key and name of root, signed by an older root
	ca := issue(t, "ca", root, nil)
	expired := issue(t, "ca", root, valid(-3, -2))
	future := issue(t, "ca", root, valid(1, 2))
	leaf := issueLeaf(t, ca, nil)
	narrow := issue(t, "narrow", nil, func(c *x509.Certificate) { c.MaxPathLenZero = true })
	itself := issue(t, "next key of narrow", narrow, func(c *x509.Certificate) {
		c.Subject.CommonName, c.AuthorityKeyId = "narrow", narrow.SubjectKeyId
	})
	tests := []struct {
		name    string
		chain   *Chain
		records []Record
		want    string
	}{
		{"new key of the same CA", chainOf(t, issueLeaf(t, itself, nil), itself, narrow), []Record{recordOf(t, "2 1 1", itself), recordOf(t, "2 1 1", narrow)},
			"2 1 1 matched 1; 2 1 1 matched 2"},
		{"in order", chainOf(t, leaf, ca, root), []Record{recordOf(t, "2 1 1", ca), recordOf(t, "2 1 1", root)}, "2 1 1 matched 1; 2 1 1 matched 2"},
		{"out of order", chainOf(t, leaf, old, root, ca), []Record{recordOf(t, "2 0 2", root)}, "2 0 2 matched 2"},
		{"cross certificate", chainOf(t, leaf, ca, cross, old), []Record{recordOf(t, "2 1 1", root), recordOf(t, "2 0 1", root), recordOf(t, "2 1 1", old)},
			"2 1 1 matched 2; 2 0 1 unmatched; 2 1 1 matched 3"},
		{"root before cross certificate", chainOf(t, leaf, ca, root, cross, old), []Record{recordOf(t, "2 1 1", root), recordOf(t, "2 1 1", old)},
			"2 1 1 matched 2; 2 1 1 unmatched"},
		{"valid one among several", chainOf(t, leaf, expired, future, ca, root), []Record{recordOf(t, "2 0 1", ca), recordOf(t, "2 1 1", root)}, "2 0 1 matched 1; 2 1 1 matched 2"},
		{"none valid", chainOf(t, leaf, expired, future, root), []Record{recordOf(t, "2 0 1", future), recordOf(t, "2 0 1", expired), recordOf(t, "2 1 1", root)},
			"2 0 1 unmatched; 2 0 1 unmatched; 2 1 1 unmatched"},
		{"gap", chainOf(t, leaf, root), []Record{recordOf(t, "2 1 1", root)}, "2 1 1 unmatched"},
		{"leaf alone", chainOf(t, leaf), []Record{recordOf(t, "2 1 1", leaf), recordOf(t, "2 0 1", leaf)}, "2 1 1 unmatched; 2 0 1 unmatched"},
		{"self-signed leaf", chainOf(t, root, root), []Record{recordOf(t, "2 0 1", root), recordOf(t, "3 0 1", root)}, "2 0 1 unmatched; 3 0 1 matched 0"},
	}
	for _, tt := range tests {
		if got := judged(Match(tt.records, tt.chain, sender()).Records); got != tt.want {
			t.Errorf("%s: %s; want %s", tt.name, got, tt.want)
		}
	}
}

// TestCandidate holds that among issuers of one name the key identifier
// decides, then the order; the signature is looked at last, as in OpenSSL.
func TestCandidate(t *testing.T) {
	ca := issue(t, "ca", nil, nil)
	twin := issue(t, "twin", nil, func(c *x509.Certificate) { c.Subject.CommonName = "ca" })
	disguised := issue(t, "twin", nil, func(c *x509.Certificate) { c.Subject.CommonName, c.SubjectKeyId = "ca", ca.SubjectKeyId })
	leaf := issueLeaf(t, ca, nil)
	record := recordOf(t, "2 1 1", ca)
	for _, tt := range []struct {
		chain *Chain
		want  string
	}{
		{chainOf(t, leaf, twin, ca), ""},
		{chainOf(t, leaf, ca, disguised), ""},
		{chainOf(t, leaf, disguised, ca), "it describes certificate 3 of those sent, which is no issuer of the leaf"},
	} {
		if got := Match([]Record{record}, tt.chain, sender()).Records[0].Reason; got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// TestManyCertificates holds that a server cannot make a sender work hard.
func TestManyCertificates(t *testing.T) {
	ca := issue(t, "ca", nil, nil)
	loop := issue(t, "loop", nil, func(c *x509.Certificate) { c.Subject.CommonName = "ca" })
	certs := []*made{issueLeaf(t, ca, nil)}
	for i := range 1500 {
		certs = append(certs, []*made{ca, loop}[i%2])
	}
	c := chainOf(t, certs...)
	start := time.Now()
	if r := Match([]Record{recordOf(t, "2 1 1", ca)}, c, sender()); r.Verdict != Authenticated {
		t.Errorf("%s: %s", r.Verdict, r.Records[0].Reason)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
	certs = certs[:1]
	for range maxCandidates {
		certs = append(certs, loop)
	}
	certs = append(certs, ca)
	if r := Match([]Record{recordOf(t, "2 1 1", ca)}, chainOf(t, certs...), sender()); r.Verdict != NotAuthenticated {
		t.Errorf("an issuer behind %d others: %s", len(certs)-2, r.Verdict)
	}
}

// TestOldVersion: certificates of version 1 have no extensions that could say
// they are a CA's. As an anchor such a certificate must be self-signed.
func TestOldVersion(t *testing.T) {
	root := issue(t, "root", nil, nil)
	ca := issue(t, "ca", root, nil)
	leaf := issueLeaf(t, ca, nil)
	oldRoot, oldCA := version1(t, root, root), version1(t, ca, root)
	for _, tt := range []struct {
		chain *Chain
		want  string
	}{
		{chainOf(t, leaf, ca, oldRoot), ""},
		{chainOf(t, leaf, oldCA, oldRoot), "the certificate at depth 1 did not sign the leaf: a certificate of version 1 or 2 is no CA"},
	} {
		if got := Match([]Record{recordOf(t, "2 1 1", root)}, tt.chain, sender()).Records[0].Reason; got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// TestDeepChain: an anchor further up than senders look is not found.
func TestDeepChain(t *testing.T) {
	root := issue(t, "ca 0", nil, nil)
	certs := []*made{root}
	for i := range 11 {
		certs = append([]*made{issue(t, "ca "+string(rune('a'+i)), certs[0], nil)}, certs...)
	}
	certs = append([]*made{issueLeaf(t, certs[0], nil)}, certs...)
	c := chainOf(t, certs...)
	records := []Record{recordOf(t, "2 0 1", certs[maxDepth]), recordOf(t, "2 0 1", certs[maxDepth+1])}
	if got := judged(Match(records, c, sender()).Records); got != "2 0 1 matched 9; 2 0 1 unmatched" {
		t.Error(got)
	}
}
