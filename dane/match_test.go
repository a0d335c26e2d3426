package dane

import (
	"bytes"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// judged gives what became of the records, one line each.
func judged(results []RecordResult) string {
	var lines []string
	for _, r := range results {
		line := r.Params.String() + " " + r.Status.String()
		if r.Status == Matched {
			line += " " + string(rune('0'+r.Depth))
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ")
}

// TestUnsent has trust anchors that only the DNS holds.
func TestUnsent(t *testing.T) {
	root := issue(t, "root", nil, nil)
	ca := issue(t, "ca", root, nil)
	again := issue(t, "ca", root, valid(-2, 2))
	other := issue(t, "other", nil, nil)
	leaf := issueLeaf(t, ca, nil)
	renamed := issueLeaf(t, ca, func(c *x509.Certificate) { c.DNSNames = []string{"mx2.example.org"} })
	tests := []struct {
		name    string
		chain   *Chain
		records []Record
		want    string
	}{
		{"certificate", chainOf(t, leaf, ca), []Record{recordOf(t, "2 0 0", root)}, "2 0 0 matched 2"},
		{"certificate that was sent", chainOf(t, leaf, ca, root), []Record{recordOf(t, "2 0 0", root)}, "2 0 0 matched 2"},
		{"certificate in the middle", chainOf(t, leaf, root), []Record{recordOf(t, "2 0 0", ca), recordOf(t, "2 1 1", root)}, "2 0 0 matched 1; 2 1 1 matched 2"},
		{"certificate before its like", chainOf(t, leaf, ca, root), []Record{recordOf(t, "2 0 0", again), recordOf(t, "2 0 1", ca)}, "2 0 0 matched 1; 2 0 1 unmatched"},
		{"another certificate", chainOf(t, leaf, ca), []Record{recordOf(t, "2 0 0", other)}, "2 0 0 unmatched"},
		{"the leaf's certificate", chainOf(t, leaf, ca), []Record{recordOf(t, "2 0 0", leaf)}, "2 0 0 unmatched"},
		{"key", chainOf(t, leaf, ca), []Record{recordOf(t, "2 1 0", root)}, "2 1 0 matched 1"},
		{"key of a certificate that was sent", chainOf(t, leaf, ca, root), []Record{recordOf(t, "2 1 0", root)}, "2 1 0 matched 2"},
		{"key that signed the leaf", chainOf(t, leaf), []Record{recordOf(t, "2 1 0", ca)}, "2 1 0 matched 0"},
		{"key with a gap", chainOf(t, leaf), []Record{recordOf(t, "2 1 0", root)}, "2 1 0 unmatched"},
		{"another key", chainOf(t, leaf, ca), []Record{recordOf(t, "2 1 0", other)}, "2 1 0 unmatched"},
		{"name", chainOf(t, renamed, ca), []Record{recordOf(t, "2 1 0", root), recordOf(t, "2 0 0", root)}, "2 1 0 unmatched; 2 0 0 unmatched"},
		{"a digest does not do", chainOf(t, leaf, ca), []Record{recordOf(t, "2 0 1", root), recordOf(t, "2 1 1", root)}, "2 0 1 unmatched; 2 1 1 unmatched"},
	}
	for _, tt := range tests {
		if got := judged(Match(tt.records, tt.chain, sender()).Records); got != tt.want {
			t.Errorf("%s: %s; want %s", tt.name, got, tt.want)
		}
	}
}

// TestUnread holds that DANE-EE works with a certificate that crypto/x509 does
// not read, and that DANE-TA says why it does not.
func TestUnread(t *testing.T) {
	der := certificateNamed(t, "G15a-serial")
	root := issue(t, "root", nil, nil)
	c, err := NewChain(der, root.Raw)
	if err != nil {
		t.Fatal(err)
	}
	good, err := (Params{DANEEE, Cert, SHA256}).Of(der)
	if err != nil {
		t.Fatal(err)
	}
	if r := Match([]Record{good}, c, sender()); r.Verdict != Authenticated {
		t.Errorf("DANE-EE: %+v", r)
	}
	if r := Match([]Record{recordOf(t, "2 1 1", root)}, c, sender()); r.Verdict != NotAuthenticated {
		t.Errorf("DANE-TA: %+v", r)
	}
	x := issue(t, "ca", nil, nil)
	leaf := issueLeaf(t, x, nil)
	unread := bytes.Clone(x.Raw)
	unread[bytes.Index(unread, []byte("\x02\x01\x02\x02\x01\x01"))+5] = 0x81 // the serial number, now negative
	c, err = NewChain(leaf.Raw, unread)
	if err != nil {
		t.Fatal(err)
	}
	record, err := (Params{DANETA, Cert, SHA256}).Of(unread)
	if err != nil {
		t.Fatal(err)
	}
	if r := Match([]Record{record}, c, sender()).Records[0]; r.Status != Unmatched || !strings.HasPrefix(r.Reason, "the certificate at depth 1 cannot be read: x509:") {
		t.Errorf("%s: %s", r.Status, r.Reason)
	}
}

func TestUnusable(t *testing.T) {
	leaf := issueLeaf(t, nil, nil)
	c := chainOf(t, leaf)
	der := leaf.Raw
	bad := []Record{
		recordOf(t, "0 0 1", leaf), recordOf(t, "1 1 1", leaf), NewRecord(Params{4, 1, 1}, make([]byte, 32)), NewRecord(Params{255, 255, 255}, nil),
		NewRecord(Params{3, 2, 1}, make([]byte, 32)), NewRecord(Params{3, 1, 3}, make([]byte, 32)), NewRecord(Params{3, 1, 1}, nil),
		NewRecord(Params{3, 1, 1}, make([]byte, 31)), NewRecord(Params{3, 1, 1}, make([]byte, 64)), NewRecord(Params{3, 1, 2}, make([]byte, 32)),
		NewRecord(Params{3, 0, 0}, nil), NewRecord(Params{3, 0, 0}, der[1:]), NewRecord(Params{2, 0, 0}, der[:len(der)-1]),
		NewRecord(Params{3, 1, 0}, der), NewRecord(Params{2, 1, 0}, []byte("key")),
	}
	result := Match(bad, c, sender())
	if result.Verdict != NotUsable {
		t.Errorf("verdict %s", result.Verdict)
	}
	for _, r := range result.Records {
		if r.Status != Unusable || r.Reason == "" || r.Depth != -1 {
			t.Errorf("%s: %s at depth %d, %q", r, r.Status, r.Depth, r.Reason)
		}
	}
	if rejects := Rejects(bad, c, sender()); len(rejects) > 0 {
		t.Errorf("records without use reject: %v", rejects)
	}
	if result := Match(append(bad, recordOf(t, "3 1 1", leaf)), c, sender()); result.Verdict != Authenticated {
		t.Errorf("beside a good record: %s", result.Verdict)
	}
	if result := Match(nil, c, sender()); result.Verdict != NotUsable || Rejects(nil, c, sender()) != nil {
		t.Errorf("no records: %s", result.Verdict)
	}
}

// TestDigestAgility: RFC 7671, Section 9.
func TestDigestAgility(t *testing.T) {
	root := issue(t, "root", nil, nil)
	leaf := issueLeaf(t, root, nil)
	c := chainOf(t, leaf, root)
	wrong := func(params string) Record {
		r := recordOf(t, params, leaf)
		data := r.Data()
		data[0] ^= 1
		return NewRecord(r.Params, data)
	}
	tests := []struct {
		name    string
		records []Record
		verdict Verdict
		want    string
		rejects string
	}{
		{"even sets", []Record{recordOf(t, "3 1 1", leaf), recordOf(t, "3 1 2", leaf)}, Authenticated, "3 1 1 outranked; 3 1 2 matched 0", ""},
		{"stale SHA2-512", []Record{recordOf(t, "3 1 1", leaf), wrong("3 1 2")}, NotAuthenticated, "3 1 1 outranked; 3 1 2 unmatched", "3 1 2 unmatched"},
		{"stale SHA2-256", []Record{wrong("3 1 1"), recordOf(t, "3 1 2", leaf)}, Authenticated, "3 1 1 outranked; 3 1 2 matched 0", "3 1 1 unmatched"},
		{"uneven sets", []Record{wrong("3 1 1"), recordOf(t, "3 1 1", leaf), recordOf(t, "3 1 2", leaf)}, Authenticated, "3 1 1 outranked; 3 1 1 outranked; 3 1 2 matched 0", ""},
		{"full counts always", []Record{recordOf(t, "3 1 0", leaf), wrong("3 1 2")}, Authenticated, "3 1 0 matched 0; 3 1 2 unmatched", "3 1 2 unmatched"},
		{"other selector", []Record{recordOf(t, "3 0 1", leaf), wrong("3 1 2")}, Authenticated, "3 0 1 matched 0; 3 1 2 unmatched", "3 1 2 unmatched"},
		{"other usage", []Record{recordOf(t, "2 1 1", root), wrong("3 1 2")}, Authenticated, "2 1 1 matched 1; 3 1 2 unmatched", "3 1 2 unmatched"},
		{"malformed SHA2-512", []Record{recordOf(t, "3 1 1", leaf), NewRecord(Params{3, 1, 2}, make([]byte, 63))}, Authenticated, "3 1 1 matched 0; 3 1 2 unusable", ""},
	}
	for _, tt := range tests {
		result := Match(tt.records, c, sender())
		if got := judged(result.Records); result.Verdict != tt.verdict || got != tt.want {
			t.Errorf("%s: %s: %s; want %s: %s", tt.name, result.Verdict, got, tt.verdict, tt.want)
		}
		if got := judged(Rejects(tt.records, c, sender())); got != tt.rejects {
			t.Errorf("%s: rejects %q, want %q", tt.name, got, tt.rejects)
		}
	}
}

// TestRejects: RFC 7671, Section 8.
func TestRejects(t *testing.T) {
	root := issue(t, "root", nil, nil)
	next := issue(t, "next", nil, nil)
	leaf := issueLeaf(t, root, nil)
	bare, other := chainOf(t, leaf, root), chainOf(t, issue(t, "other leaf", next, nil), next)
	now, later := recordOf(t, "3 1 1", leaf), recordOf(t, "3 1 1", next)
	pin := recordOf(t, "2 1 1", root)
	tests := []struct {
		name    string
		records []Record
		chain   *Chain
		want    string
	}{
		{"one", []Record{now}, bare, ""},
		{"current and next", []Record{later, now}, bare, ""},
		{"both combinations", []Record{pin, later, now}, bare, ""},
		{"one combination", []Record{later, pin}, bare, "3 1 1 unmatched"},
		{"no combination, each once", []Record{now, pin, later, pin, now}, other, "3 1 1 unmatched; 2 1 1 unmatched"},
		{"unusable first", []Record{NewRecord(now.Params, []byte("short")), later, now}, bare, ""},
		{"unusable in between", []Record{later, NewRecord(now.Params, []byte("short"))}, bare, "3 1 1 unmatched"},
	}
	for _, tt := range tests {
		results := Rejects(tt.records, tt.chain, sender())
		if got := judged(results); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		for _, r := range results {
			if r.Reason == "" || r.Depth != -1 {
				t.Errorf("%s: %s at depth %d, %q", tt.name, r, r.Depth, r.Reason)
			}
		}
	}
	// With time and name DANE-TA changes, DANE-EE does not.
	late := Options{Names: sender().Names, Now: vectorTime.AddDate(2, 0, 0)}
	if got := judged(Rejects([]Record{now, pin}, bare, late)); got != "2 1 1 unmatched" {
		t.Errorf("after two years: %q", got)
	}
	if got := judged(Rejects([]Record{now, pin}, bare, Options{Now: vectorTime})); got != "2 1 1 unmatched" {
		t.Errorf("without a name: %q", got)
	}
}

// TestRejectsAgreesWithMatch: what every combination accepts, a sender accepts.
func TestRejectsAgreesWithMatch(t *testing.T) {
	for _, dir := range verifyVectors(t) {
		v := readVector(t, dir)
		rejects := Rejects(v.records, v.chain, v.options())
		if m := Match(v.records, v.chain, v.options()); len(rejects) == 0 && m.Verdict == NotAuthenticated {
			t.Errorf("%s: no combination rejects, and the verdict is %s", dir, m.Verdict)
		}
	}
}

func TestStrings(t *testing.T) {
	got := []string{NotUsable.String(), Authenticated.String(), NotAuthenticated.String(), Verdict(9).String(), Unmatched.String(), Matched.String(), Unusable.String(), Outranked.String(), Status(9).String()}
	want := []string{"not usable", "authenticated", "not authenticated", "Verdict(9)", "unmatched", "matched", "unusable", "outranked", "Status(9)"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
