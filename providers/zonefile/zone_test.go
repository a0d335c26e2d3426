package zonefile

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsamgr/tlsamgr/dane"
)

func TestZone(t *testing.T) {
	const text = `$TTL 60
@ SOA ns h 1 2 3 4 5
  NS ns
_25._tcp.MX 300 TLSA 3 1 1 AB cd
_25._tcp.mx 200 TLSA 3 1 1 00
*._tcp.wild TLSA 3 1 1 01
_25._tcp.wild TXT x
alias CNAME mx
*.star CNAME mx
sub NS ns.sub
ns.sub A 192.0.2.1
below DNAME example.net.
`
	z, err := Load("/zone", zone, only([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	sets := map[string]dane.RRset{
		"_25._tcp.mx.example.test.":      {TTL: 300, Records: []dane.Record{record(t, "3 1 1 00"), record(t, "3 1 1 abcd")}},
		"_26._tcp.mx.example.test.":      {},
		"_443._tcp.wild.example.test.":   {TTL: 60, Records: []dane.Record{record(t, "3 1 1 01")}},
		"a._443._tcp.wild.example.test.": {TTL: 60, Records: []dane.Record{record(t, "3 1 1 01")}},
		"_25._tcp.wild.example.test.":    {},
	}
	for owner, want := range sets {
		want.Owner = owner
		if diff := cmp.Diff(want, z.RRset(owner), cmp.AllowUnexported(dane.Record{}), cmp.Comparer(func(a, b []dane.Record) bool { return slices.Equal(a, b) })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", owner, diff)
		}
	}
	obstacles := map[string]string{
		"_25._tcp.mx.example.test.":    "",
		"alias.example.test.":          "it is a CNAME to mx.example.test.",
		"a.b.star.example.test.":       "it is a CNAME to mx.example.test.",
		"_25._tcp.sub.example.test.":   "it belongs to the zone sub.example.test., which has name servers of its own",
		"_25._tcp.below.example.test.": "it lies below the DNAME at below.example.test.",
		"below.example.test.":          "",
		"example.test.":                "",
	}
	for owner, want := range obstacles {
		if got := z.Obstacle(owner); got != want {
			t.Errorf("%s: got %q, want %q", owner, got, want)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	const soa = "@ 60 SOA ns h 1 2 3 4 5\n"
	tests := map[string]struct{ text, want string }{
		"no SOA":         {"a 60 A 192.0.2.1\n", "/zone: there is no SOA record of example.test. in it"},
		"two":            {soa + soa, "/zone: there is more than the one SOA record of example.test. in it"},
		"signed":         {soa + "@ 60 RRSIG A 13 2 60 20261201000000 20261101000000 1 example.test. AAAA\n", "/zone: there are signatures (RRSIG) in it: a signer or a server wrote it"},
		"syntax":         {soa + "\na 60 A 192.0.2\n", `/zone:3: bad A A: "192.0.2"`},
		"no TTL":         {"@ SOA ns h 1 2 3 4 5\n", `/zone:1: missing TTL with no previous value: "SOA"`},
		"missing file":   {soa + "$INCLUDE other\n", "/zone:2: failed to open `other': open /other: file does not exist: \"other\""},
		"odd hex":        {soa + "a 60 TLSA 3 1 1 abc\n", `/zone: the TLSA record of a.example.test.: its data are not pairs of hex digits: "abc"`},
		"included twice": {soa + "$INCLUDE zone\n", "/zone: there is more than the one SOA record of example.test. in it"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Load("/zone", zone, only([]byte(test.text)))
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %v", err, test.want)
			}
		})
	}
}

// TestDiffers shows that a change nobody asked for is found.
func TestDiffers(t *testing.T) {
	const (
		before = "$TTL 60\n@ SOA ns h 1 2 3 4 5\na A 192.0.2.1\n AAAA 2001:db8::1\nb TLSA 3 1 1 00\n"
		line   = "b.example.test. 60 IN TLSA 3 1 1 01\n"
	)
	serial := uint32(2)
	edit := Edit{Add: []Line{{"b.example.test.", 60, record(t, "3 1 1 01")}}, Serial: &serial}
	good := strings.Replace(before, "h 1", "h 2", 1) + line
	tests := map[string]struct {
		text string
		want string
	}{
		"as meant":          {good, ""},
		"another order":     {"$TTL 60\n@ SOA ns h 2 2 3 4 5\n" + line + "b TLSA 3 1 1 00\na A 192.0.2.1\n AAAA 2001:db8::1\n", ""},
		"owner slipped":     {strings.Replace(good, " AAAA", line+" AAAA", 1)[:len(good)], "- a.example.test. 60 IN AAAA 2001:db8::1"},
		"record lost":       {strings.Replace(good, "a A 192.0.2.1\n", "a ", 1), "- a.example.test. 60 IN A 192.0.2.1"},
		"record came":       {good + "c A 192.0.2.1\n", "+ c.example.test. 60 IN A 192.0.2.1"},
		"record doubled":    {good + line, "+ b.example.test. 60 IN TLSA 3 1 1 01"},
		"TLSA lost":         {strings.Replace(good, "b TLSA 3 1 1 00\n", "", 1), "- b.example.test. 60 IN TLSA 3 1 1 00"},
		"TTL changed":       {strings.Replace(good, "a A", "a 61 A", 1), "- a.example.test. 60 IN A 192.0.2.1"},
		"serial not set":    {strings.Replace(good, "h 2", "h 1", 1), "+ example.test. 60 IN SOA ns.example.test. h.example.test. 1 2 3 4 5"},
		"SOA field changed": {strings.Replace(good, "3 4 5", "3 4 6", 1), "+ example.test. 60 IN SOA ns.example.test. h.example.test. 2 2 3 4 6"},
	}
	old, err := Load("/zone", zone, only([]byte(before)))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			z, err := Load("/zone", zone, only([]byte(test.text)))
			if err != nil {
				t.Fatal(err)
			}
			err = z.Differs(old, edit)
			if test.want == "" && err != nil {
				t.Error(err)
			}
			if want := "/zone: the edit would change more than it should: " + test.want; test.want != "" && (err == nil || err.Error() != want) {
				t.Errorf("got  %v\nwant %v", err, want)
			}
		})
	}
	back := uint32(1)
	if err := old.Differs(old, Edit{Serial: &back}); err == nil {
		t.Error("a serial that does not grow was accepted")
	}
}
