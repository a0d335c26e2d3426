package providers

import (
	"testing"
	"time"
)

// TestContents looks at names of a zone as a provider may list it.
func TestContents(t *testing.T) {
	const rdata = "3 1 1 ab191ae94dd700b8954c97798d9160f6c0f8e82ca0a2a04632b0f9d5ae29ac01"
	c := newContents("a.test.", []item{
		{owner: "A.test", kind: "SOA"},
		{owner: "_25._TCP.mx.a.test.", kind: "tlsa", ttl: 60, data: "3 1 1 AB191AE94DD700B8 954C97798D9160F6 C0F8E82CA0A2A046 32B0F9D5AE29AC01"},
		{owner: "_25._tcp.mx.a.test.", kind: "TLSA", ttl: 90, data: `"` + rdata + `"`},
		{owner: "_25._tcp.odd.a.test.", kind: "TLSA", ttl: 60, data: "3 1 1 xyz"},
		{owner: "_25._tcp.other.test.", kind: "TLSA", ttl: 60, data: rdata},
		{owner: "*.wild.a.test.", kind: "TLSA", ttl: 70, data: rdata},
		{owner: "x.there.wild.a.test.", kind: "A"},
		{owner: "*.loose.a.test.", kind: "CNAME", data: "B.test."},
		{owner: "sub.a.test.", kind: "NS"},
		{owner: "d.a.test.", kind: "DNAME", data: "e.test."},
		{owner: "alias.a.test.", kind: "CNAME", data: "b.test."},
	}, time.Time{})
	for owner, want := range map[string]struct {
		ttl  uint32
		made bool
	}{
		"_25._tcp.mx.a.test.":            {ttl: 90},
		"_25._tcp.nobody.a.test.":        {},
		"_25._tcp.a.wild.a.test.":        {ttl: 70, made: true},
		"_25._tcp.there.wild.a.test.":    {}, // its closest encloser is there.wild
		"there.wild.a.test.":             {}, // it is there, with nothing but a name below it
		"_25._tcp.x.there.wild.a.test.":  {},
		"_25._tcp.sub.there.deep.a.test": {},
	} {
		set, made := c.set(owner)
		if set.TTL != want.ttl || made != want.made || (len(set.Records) == 1) != (want.ttl > 0) {
			t.Errorf("%s: %v, made %v", owner, set, made)
		}
	}
	for owner, want := range map[string]string{
		"_25._tcp.mx.a.test.":    "",
		"alias.a.test.":          "it is a CNAME to b.test.",
		"x.sub.a.test.":          "it belongs to the zone sub.a.test., which has name servers of its own",
		"sub.a.test.":            "it belongs to the zone sub.a.test., which has name servers of its own",
		"x.y.d.a.test.":          "it lies below d.a.test., which is a DNAME to e.test.",
		"d.a.test.":              "",
		"_25._tcp.loose.a.test.": "the wildcard *.loose.a.test. makes it a CNAME",
	} {
		if got := c.obstacle(owner); got != want {
			t.Errorf("%s: %q, want %q", owner, got, want)
		}
	}
	if _, err := c.sets([]string{"_25._tcp.odd.a.test."}); err == nil {
		t.Error("a record that cannot be read is passed over")
	}
}
