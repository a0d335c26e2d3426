package generate

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsamgr/tlsamgr/dane"
)

// testSet is a set of a leaf's and an issuer's record.
func testSet(t *testing.T, owner string) Set {
	t.Helper()
	set := Set{Owner: owner}
	for _, text := range []string{
		"3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
		"2 0 2 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
	} {
		r, err := dane.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		set.Records = append(set.Records, r)
	}
	return set
}

func TestFormats(t *testing.T) {
	const (
		d32 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
		d64 = d32 + d32
	)
	tests := []struct {
		format       Format
		named, plain string
	}{
		{Zone, "_25._tcp.mx.example. 300 IN TLSA 3 1 1 " + d32 + "\n_25._tcp.mx.example. 300 IN TLSA 2 0 2 " + d64 + "\n",
			"3 1 1 " + d32 + "\n2 0 2 " + d64 + "\n"},
		{RData, "3 1 1 " + d32 + "\n2 0 2 " + d64 + "\n", "3 1 1 " + d32 + "\n2 0 2 " + d64 + "\n"},
		{Generic, `_25._tcp.mx.example. 300 IN TYPE52 \# 35 030101` + d32 + "\n" + `_25._tcp.mx.example. 300 IN TYPE52 \# 67 020002` + d64 + "\n",
			`\# 35 030101` + d32 + "\n" + `\# 67 020002` + d64 + "\n"},
		{Nsupdate, "update add _25._tcp.mx.example. 300 IN TLSA 3 1 1 " + d32 + "\nupdate add _25._tcp.mx.example. 300 IN TLSA 2 0 2 " + d64 + "\n",
			"3 1 1 " + d32 + "\n2 0 2 " + d64 + "\n"},
		{OpenSSL, `-dane_tlsa_domain "mx.example" -dane_tlsa_rrdata "3 1 1 ` + d32 + `" -dane_tlsa_rrdata "2 0 2 ` + d64 + "\"\n",
			`-dane_tlsa_rrdata "3 1 1 ` + d32 + `" -dane_tlsa_rrdata "2 0 2 ` + d64 + "\"\n"},
		// As `dig +short` of BIND 9.18 prints them.
		{Dig, digText, digText},
	}
	for _, test := range tests {
		t.Run(string(test.format), func(t *testing.T) {
			if diff := cmp.Diff(test.named, string(test.format.Append(nil, testSet(t, "_25._tcp.mx.example."), 300))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff("before\n"+test.plain, string(test.format.Append([]byte("before\n"), testSet(t, ""), 300))); diff != "" {
				t.Errorf("without an owner (-want +got):\n%s", diff)
			}
		})
	}
}

const digText = "3 1 1 00112233445566778899AABBCCDDEEFF00112233445566778899AABB CCDDEEFF\n" +
	"2 0 2 00112233445566778899AABBCCDDEEFF00112233445566778899AABB CCDDEEFF00112233445566778899AABBCCDDEEFF0011223344556677 8899AABBCCDDEEFF\n"

// TestFormatsReadBack holds that every form that is a record's can be read.
func TestFormatsReadBack(t *testing.T) {
	set := testSet(t, "_25._tcp.mx.example.")
	for format, cut := range map[Format]string{Zone: "IN TLSA ", RData: "", Generic: "IN TYPE52 ", Nsupdate: "IN TLSA ", Dig: ""} {
		lines := strings.Split(strings.TrimSpace(string(format.Append(nil, set, 1))), "\n")
		for i, line := range lines {
			_, text, _ := strings.Cut(line, cut)
			if got, err := dane.Parse(text); err != nil || got != set.Records[i] {
				t.Errorf("%s: %q is read as %s, %v", format, text, got, err)
			}
		}
		if len(lines) != len(set.Records) {
			t.Errorf("%s: %d lines", format, len(lines))
		}
	}
}

func TestJSON(t *testing.T) {
	set := testSet(t, "_25._tcp.mx.example.")
	var got map[string]any
	if err := json.Unmarshal(JSON.Append(nil, set, 300), &got); err != nil {
		t.Fatal(err)
	}
	records := got["records"].([]any)
	want := map[string]any{"usage": 3.0, "selector": 1.0, "matching_type": 1.0, "data": "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", "rdata": set.Records[0].String()}
	if diff := cmp.Diff(want, records[0]); diff != "" || len(records) != 2 {
		t.Errorf("%d records, the first (-want +got):\n%s", len(records), diff)
	}
	if got["owner"] != set.Owner || got["ttl"] != 300.0 {
		t.Errorf("owner %v, TTL %v", got["owner"], got["ttl"])
	}
}

func TestParseFormat(t *testing.T) {
	for _, f := range Formats() {
		if got, err := ParseFormat(string(f)); got != f || err != nil {
			t.Errorf("%s: %s, %v", f, got, err)
		}
	}
	for _, name := range []string{"", "ZONE", "yaml"} {
		if got, err := ParseFormat(name); err == nil {
			t.Errorf("%q is taken for %s", name, got)
		}
	}
}
