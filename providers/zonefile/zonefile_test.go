package zonefile

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsamgr/tlsamgr/dane"
)

const zone = "example.test."

// nasty is a zone file with everything that an editor could stumble over.
const nasty = `; SOA 1 2 3 is not here
$TTL 1h
$ORIGIN example.test.
@	IN	SOA ns1 host\"mas\;ter (   ; comment ) with parenthesis
		2026112301 ; serial 99
		4h 15m ; BEGIN nothing
	2w  300 )
	NS	ns1
	NS	ns2.example.net.
ns1	A	192.0.2.1   ; ns1 IN SOA
txt	TXT	"; BEGIN tlsamgr" "a ( b" "semi;colon"
	TXT	( "two"
		"lines" ) ; )
esc\;aped A 192.0.2.2
mx	300 IN A 192.0.2.3
	IN 300 AAAA 2001:db8::3
_25._tcp.MX TLSA ( 3 1 1 AABBCCDD
	00112233 )
$GENERATE 1-3 host$ A 192.0.2.$
$ORIGIN sub
www CNAME mx.example.test.
; BEGIN tlsamgr
_25._tcp.mx.example.test. 3600 IN TLSA 3 1 1 01
; a note between the marks

_25._tcp.mx.example.test. 3600 in tlsa 3 1 1 02 ; another
; END tlsamgr
last	A 192.0.2.9
`

func record(t testing.TB, text string) dane.Record {
	t.Helper()
	r, err := dane.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func parse(t testing.TB, text string) *File {
	t.Helper()
	f, err := Parse("zone", zone, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// only opens the file "/zone" with a text and nothing else.
func only(text []byte) Open {
	return func(path string) ([]byte, error) {
		if path != "/zone" {
			return nil, fs.ErrNotExist
		}
		return text, nil
	}
}

func TestParse(t *testing.T) {
	f := parse(t, nasty)
	if f.Serial() != 2026112301 || f.serial.line != 5 {
		t.Errorf("serial %d in line %d", f.Serial(), f.serial.line)
	}
	if !f.Marked() {
		t.Error("the marks were not found")
	}
	const owner = "_25._tcp.mx.example.test."
	want := []Line{{owner, 3600, record(t, "3 1 1 02")}}
	if got := f.Owned(owner, record(t, "3 1 1 02")); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := f.Foreign(owner, record(t, "3 1 1 02")); got != 0 {
		t.Errorf("a record between the marks is foreign in line %d", got)
	}
	if got := f.Foreign(owner, record(t, "3 1 1 aabbccdd00112233")); got != 17 {
		t.Errorf("foreign record in line %d, want 17", got)
	}
}

func TestParseRefuses(t *testing.T) {
	const soa = "@ 60 SOA ns h 1 2 3 4 5\n"
	tests := map[string]struct{ text, want string }{
		"nothing":         {"", "zone: there is no SOA record of example.test. in it"},
		"included SOA":    {"$INCLUDE soa\n", "zone: there is no SOA record of example.test. in it"},
		"another zone":    {"example.net. 60 SOA ns h 1 2 3 4 5\n", "zone:1: the SOA record is that of example.net., not of example.test."},
		"another origin":  {"$ORIGIN sub\n" + soa, "zone:2: the SOA record is that of sub.example.test., not of example.test."},
		"two":             {soa + "\n" + soa, "zone:3: a second SOA record"},
		"short":           {"@ SOA ns h\n", "zone:1: the SOA record has no serial"},
		"words":           {"@ SOA ns h (\n one 2 3 4 5 )\n", `zone:2: the serial "one" is not a number from 0 to 4294967295`},
		"large":           {"@ SOA ns h 4294967296 2 3 4 5\n", `zone:1: the serial "4294967296" is not a number from 0 to 4294967295`},
		"generic":         {"@ TYPE6 \\# 1 00\n", "zone: there is no SOA record of example.test. in it"},
		"raw format":      {"\n\x00\x00\x00\x02", "zone:2: there is a zero byte in it: not a text file"},
		"open":            {soa + "a ( A\n", "zone:2: this parenthesis is never closed"},
		"closed":          {soa + "a ) A\n", "zone:2: a closing parenthesis without an opening one"},
		"quote":           {soa + "a TXT \"b\nc\" \n", "zone:2: this quote is not closed on its line"},
		"quote at end":    {soa + `a TXT "b\"`, "zone:2: this quote is not closed on its line"},
		"no end":          {soa + Begin + "\n", `zone:2: there is no "; END tlsamgr" line for this mark`},
		"no begin":        {soa + End + "\n", "zone:2: ; END tlsamgr does not belong here"},
		"two begins":      {soa + Begin + "\n" + Begin + "\n", "zone:3: ; BEGIN tlsamgr does not belong here"},
		"two blocks":      {soa + Begin + "\n" + End + "\n" + Begin + "\n" + End + "\n", "zone:4: ; BEGIN tlsamgr does not belong here"},
		"mark in record":  {soa + "a TXT (\n; begin TLSAMGR\n) b\n", "zone:3: ; BEGIN tlsamgr stands inside a record"},
		"record over end": {soa + Begin + "\na. 1 IN TLSA (\n" + End + "\n)", "zone:4: ; END tlsamgr stands inside a record"},
		"foreign line":    {soa + Begin + "\n\nmx A 192.0.2.1\n" + End + "\n", "zone:4: this line is none of tlsamgr's"},
		"relative owner":  {soa + Begin + "\n_25._tcp.mx 60 IN TLSA 3 1 1 00\n" + End + "\n", "zone:3: this line is none of tlsamgr's"},
		"no owner":        {soa + Begin + "\n\t60 IN TLSA 3 1 1 00 00.\n" + End + "\n", "zone:3: this line is none of tlsamgr's"},
		"directive":       {soa + Begin + "\n$ORIGIN a. b c d e f g h.\n" + End + "\n", "zone:3: this line is none of tlsamgr's"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("zone", zone, []byte(test.text))
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %v", err, test.want)
			}
			if e := (*Error)(nil); !errors.As(err, &e) {
				t.Errorf("%T is not an *Error", err)
			}
		})
	}
	if _, err := ParseIncluded("own", []byte(Header+"\nmx A 192.0.2.1\n")); err == nil || err.Error() != "own:2: this line is none of tlsamgr's" {
		t.Errorf("included file: %v", err)
	}
}

func TestEdit(t *testing.T) {
	const owner = "_25._tcp.mx.example.test."
	serial := uint32(2026112302)
	edit := Edit{
		Add:    []Line{{owner, 3600, record(t, "3 1 1 03")}},
		Remove: []Line{{owner, 3600, record(t, "3 1 1 02")}},
		Serial: &serial,
	}
	want := strings.Replace(nasty, "2026112301", "2026112302", 1)
	want = strings.Replace(want, owner+" 3600 in tlsa 3 1 1 02 ; another\n", owner+" 3600 IN TLSA 3 1 1 03\n", 1)
	got := string(parse(t, nasty).Edit(edit))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	before, err := Load("/zone", zone, only([]byte(nasty)))
	if err != nil {
		t.Fatal(err)
	}
	after, err := Load("/zone", zone, only([]byte(got)))
	if err != nil {
		t.Fatal(err)
	}
	if err := after.Differs(before, edit); err != nil {
		t.Error(err)
	}
}

// TestEditEnds is about the ends of lines and of the file.
func TestEditEnds(t *testing.T) {
	const (
		owner = "_25._tcp.mx.example.test."
		line  = owner + " 60 IN TLSA 3 1 1 01"
		soa   = "@ 60 SOA ns h 1 2 3 4 5"
	)
	add := Edit{Add: []Line{{owner, 60, record(t, "3 1 1 01")}}}
	tests := map[string]struct{ text, want string }{
		"marks come":            {soa + "\n", soa + "\n" + Begin + "\n" + line + "\n" + End + "\n"},
		"no line end":           {soa, soa + "\n" + Begin + "\n" + line + "\n" + End},
		"comment at the end":    {soa + "\n; end", soa + "\n; end\n" + Begin + "\n" + line + "\n" + End},
		"CRLF":                  {soa + "\r\n", soa + "\r\n" + Begin + "\r\n" + line + "\r\n" + End + "\r\n"},
		"CRLF, no line end":     {soa + "\r\na 60 A 192.0.2.1", soa + "\r\na 60 A 192.0.2.1\r\n" + Begin + "\r\n" + line + "\r\n" + End},
		"CRLF, marks":           {soa + "\r\n" + Begin + "\r\n" + End, soa + "\r\n" + Begin + "\r\n" + line + "\r\n" + End},
		"own marks":             {soa + "\n ;;begin  TLSAMGR \n;END tlsamgr\n\n\n", soa + "\n ;;begin  TLSAMGR \n" + line + "\n;END tlsamgr\n\n\n"},
		"end at the very end":   {soa + "\n" + Begin + "\n" + End, soa + "\n" + Begin + "\n" + line + "\n" + End},
		"white space at an end": {soa + "\n\t ", soa + "\n\t \n" + Begin + "\n" + line + "\n" + End},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := parse(t, test.text)
			if diff := cmp.Diff(test.want, string(f.Edit(add))); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
			if got := string(f.Edit(Edit{})); got != test.text {
				t.Errorf("an edit of nothing gives %q", got)
			}
			again := parse(t, test.want)
			if got := string(again.Edit(Edit{Remove: add.Add})); strings.Contains(got, "TLSA 3") {
				t.Errorf("the line is not gone: %q", got)
			}
		})
	}
}

func TestEditIncluded(t *testing.T) {
	const owner = "_25._tcp.mx.example.test."
	line := Line{owner, 60, record(t, "3 1 1 01")}
	tests := map[string]struct{ text, want string }{
		"empty":       {"", Header + "\n" + line.String() + "\n"},
		"no line end": {"; mine", "; mine\n" + line.String() + "\n"},
		"CRLF":        {"; mine\r\n", "; mine\r\n" + line.String() + "\r\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f, err := ParseIncluded("own", []byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			serial := uint32(7)
			got := f.Edit(Edit{Add: []Line{line}, Serial: &serial})
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
			again, err := ParseIncluded("own", got)
			if err != nil || len(again.Owned(owner, line.Record)) != 1 {
				t.Errorf("the line cannot be read back: %v", err)
			}
		})
	}
}
