package dane

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const digest = "38c0fa6e82b510a32a0b3a360b47b2ec7527f9f41b40ab7c1044a58cd2ab9c40"

func TestParse(t *testing.T) {
	upper := strings.ToUpper(digest)
	tests := []struct{ text, want string }{
		{"3 1 1 " + digest, "3 1 1 " + digest},
		{"  3\t1  1\n" + digest + "\n", "3 1 1 " + digest},
		{"3 1 1 " + upper, "3 1 1 " + digest},
		{"3 1 1 " + digest[:31] + " " + digest[31:], "3 1 1 " + digest},
		{"3 1 1 (\n  " + digest[:32] + "\n  " + upper[32:] + " )", "3 1 1 " + digest},
		{"( 3 1 1 " + digest + ")", "3 1 1 " + digest},
		{"03 001 1 " + digest, "3 1 1 " + digest},
		{"311 " + digest, "3 1 1 " + digest},
		{"311 12 34 56", "3 1 1 123456"},
		{"212 12 ab", "2 1 2 12ab"},
		{"DANE-EE SPKI SHA2-256 " + digest, "3 1 1 " + digest},
		{"dane-ta cert sha2-512 00", "2 0 2 00"},
		{"Pkix-Ta CERT full 00", "0 0 0 00"},
		{"PKIX-EE 0 Full 00", "1 0 0 00"},
		{"PrivCert privsel PRIVMATCH 00", "255 255 255 00"},
		{"255 254 4 0a0b", "255 254 4 0a0b"},
		{"211 1 1 0a0b", "211 1 1 0a0b"}, // a usage without a meaning, since two more numbers follow
		{`\# 35 030101` + digest, "3 1 1 " + digest},
		{`\# 35 03 01 01 ` + upper, "3 1 1 " + digest},
		{`\# 4 ( 03010100 )`, "3 1 1 00"},
		{`\# 3 030101`, `\# 3 030101`}, // without data there is no other form
	}
	for _, tt := range tests {
		r, err := Parse(tt.text)
		if err != nil || r.String() != tt.want {
			t.Errorf("Parse(%q) = %s, %v; want %s", tt.text, r, err, tt.want)
		}
		again, err := Parse(r.String())
		if err != nil || again != r {
			t.Errorf("Parse(%q) = %s, %v; want the record it came from", r, again, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ text, reason string }{
		{"", "usage, selector and matching type expected"},
		{"3 1", "usage, selector and matching type expected"},
		{"3 1 1", "no association data"},
		{"311", "no association data"},
		{"256 1 1 00", `usage "256"`},
		{"-1 1 1 00", `usage "-1"`},
		{"+3 1 1 00", `usage "+3"`},
		{"3.0 1 1 00", `usage "3.0"`},
		{"0003 1 1 00", `usage "0003"`},
		{"DANE 1 1 00", `usage "DANE" is neither a number from 0 to 255 nor one of PKIX-TA, PKIX-EE, DANE-TA, DANE-EE`},
		{"3 SPKI2 1 00", `selector "SPKI2"`},
		{"3 1 sha1 00", `matching type "sha1"`},
		{"399 00 11", `usage "399"`},
		{"3 11 " + digest, `matching type "38c0`},
		{"3 1 1 0", "odd length"},
		{"3 1 1 0g", "invalid byte"},
		{"3 1 1 00 ; comment", "invalid byte"},
		{"3 1 1 ( 00", "parenthesis"},
		{"3 1 1 " + strings.Repeat("00", 65533), "more than a DNS message holds"},
		{`\#`, "without a length"},
		{`\# x 030101`, `length "x"`},
		{`\# 65536 030101`, `length "65536"`},
		{`\# 4 030101`, "announces 4 octets, 3 follow"},
		{`\# 2 0301`, "at least 3"},
		{`\# 0`, "no association data"},
		{"3 1 1 " + strings.Repeat("g", 5000), "invalid byte"},
		{strings.Repeat("x", 5000) + " 1 1 00", `xxx" is neither`},
	}
	for _, tt := range tests {
		r, err := Parse(tt.text)
		if !errors.Is(err, ErrSyntax) || r != (Record{}) {
			t.Errorf("Parse(%.50q) = %s, %v; want ErrSyntax", tt.text, r.Short(), err)
			continue
		}
		if len(err.Error()) > 200 {
			t.Errorf("Parse(%.50q): the error has %d characters", tt.text, len(err.Error()))
		}
		if !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("Parse(%.50q): %v; want %q in it", tt.text, err, tt.reason)
		}
	}
}

func TestParseParams(t *testing.T) {
	for text, want := range map[string]string{
		"3 1 1": "3 1 1", "311": "3 1 1", " 201 ": "2 0 1", "DANE-TA SPKI SHA2-512": "2 1 2",
		"dane-ee spki sha2-256": "3 1 1", "012": "0 1 2", "211 1 1": "211 1 1", "255 255 255": "255 255 255",
	} {
		if p, err := ParseParams(text); err != nil || p.String() != want {
			t.Errorf("ParseParams(%q) = %s, %v; want %s", text, p, err, want)
		}
	}
	for _, text := range []string{"", "3", "31", "3 1", "3111", "3 1 1 1", "311 1 1", "311 00", "4 1 x", "320", "３ 1 1"} {
		if p, err := ParseParams(text); !errors.Is(err, ErrSyntax) {
			t.Errorf("ParseParams(%q) = %s, %v; want ErrSyntax", text, p, err)
		}
	}
}

func TestWords(t *testing.T) {
	for p, want := range map[Params]string{
		{DANEEE, SPKI, SHA256}: "DANE-EE SPKI SHA2-256",
		{DANETA, Cert, SHA512}: "DANE-TA Cert SHA2-512",
		{PKIXTA, Cert, Full}:   "PKIX-TA Cert Full",
		{PKIXEE, 2, 3}:         "PKIX-EE 2 3",
		{255, 255, 255}:        "PrivCert PrivSel PrivMatch",
	} {
		if p.Words() != want {
			t.Errorf("%s in words: %s, want %s", p, p.Words(), want)
		}
		if again, err := ParseParams(p.Words()); err != nil || again != p {
			t.Errorf("ParseParams(%q) = %s, %v", p.Words(), again, err)
		}
	}
}

func TestShort(t *testing.T) {
	for _, r := range []Record{NewRecord(Params{3, 1, 1}, nil), NewRecord(Params{3, 1, 1}, make([]byte, 6))} {
		if r.Short() != r.String() {
			t.Errorf("%s is short enough, got %s", r, r.Short())
		}
	}
	if got := NewRecord(Params{3, 1, 1}, make([]byte, 7)).Short(); got != "3 1 1 00000000…" {
		t.Errorf("got %s", got)
	}
}

// TestRecordIsAValue holds that a record neither shares bytes with its maker
// nor gives them away.
func TestRecordIsAValue(t *testing.T) {
	data := []byte{1, 2, 3}
	r := NewRecord(Params{3, 1, 1}, data)
	data[0] = 9
	r.Data()[1] = 9
	if got := r.String(); got != "3 1 1 010203" {
		t.Errorf("the record became %s", got)
	}
	if s := NewRecord(Params{3, 1, 1}, []byte{1, 2, 3}); s != r || s.Compare(r) != 0 {
		t.Errorf("%s and %s differ", s, r)
	}
}

func TestSortRecords(t *testing.T) {
	want := []string{"3 1 1 00", "3 1 1 01", "3 1 2 00", "3 0 1 00", "2 1 1 00", "2 0 0 00", "0 0 0 00"}
	var records []Record
	for _, text := range append(slices.Clone(want), want[3], want[0]) {
		r, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		records = append([]Record{r}, records...)
	}
	var got []string
	for _, r := range SortRecords(records) {
		got = append(got, r.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sorted, without duplicates (-want +got):\n%s", diff)
	}
}

func TestRecordJSON(t *testing.T) {
	in := map[string]Record{"full": NewRecord(Params{3, 1, 1}, []byte{0xab}), "bare": NewRecord(Params{255, 0, 9}, nil)}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"bare":"\\# 3 ff0009","full":"3 1 1 ab"}`; string(text) != want {
		t.Errorf("got %s, want %s", text, want)
	}
	var out map[string]Record
	if err := json.Unmarshal(text, &out); err != nil || out["full"] != in["full"] || out["bare"] != in["bare"] {
		t.Errorf("read back %v, %v", out, err)
	}
	var p Params
	if err := json.Unmarshal([]byte(`"dane-ee spki full"`), &p); err != nil || p != (Params{3, 1, 0}) {
		t.Errorf("read %s, %v", p, err)
	}
}

func TestChangeApply(t *testing.T) {
	record := func(b byte) Record { return NewRecord(Params{3, 1, 1}, []byte{b}) }
	before := []Record{record(3), record(1)}
	change := Change{Add: []Record{record(2), record(3)}, Remove: []Record{record(1), record(9)}}
	want := []Record{record(2), record(3)}
	once := change.Apply(before)
	if !slices.Equal(once, want) || !slices.Equal(change.Apply(once), want) {
		t.Errorf("got %v, then %v; want %v both times", once, change.Apply(once), want)
	}
	if !slices.Equal(before, []Record{record(3), record(1)}) {
		t.Errorf("the argument became %v", before)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"3 1 1 " + digest, "311 00", "211 1 1 ab", "( DANE-EE spki SHA2-256 0 0 )", `\# 4 03010100`, `\# 3 ffffff`, "3 1 1 0g", "112 00 1 ff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrSyntax) {
				t.Errorf("%v is not ErrSyntax", err)
			}
			return
		}
		for _, form := range []string{r.String(), strings.ToUpper(r.String()), "(" + r.String() + ")"} {
			if again, err := Parse(form); err != nil || again != r {
				t.Errorf("Parse(%q) = %s, %v; want %s", form, again, err, r)
			}
		}
		if len(r.Data()) > 0 {
			if again, err := Parse(r.Params.Words() + strings.TrimPrefix(r.String(), r.Params.String())); err != nil || again != r {
				t.Errorf("%s by words: %s, %v", r, again, err)
			}
		}
	})
}
