package providerstest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/providers"
)

func (s Subject) add(t *testing.T) {
	name, a, b := owner("add"), record(1), record(2)
	s.want(t, name, 0)
	s.apply(t, dane.Change{Owner: name, TTL: 300, Add: []dane.Record{a}})
	ttl := s.ttl(300)
	s.want(t, name, ttl, a)
	s.apply(t, dane.Change{Owner: name, TTL: 300, Add: []dane.Record{a}})
	s.want(t, name, ttl, a)
	// The RRset keeps the TTL that it has.
	s.apply(t, dane.Change{Owner: name, TTL: 7200, Add: []dane.Record{a, b, b}})
	s.want(t, name, ttl, a, b)
}

func (s Subject) remove(t *testing.T) {
	name, a, b, c, ttl := owner("remove"), record(1), record(2), record(3), s.ttl(300)
	s.apply(t, dane.Change{Owner: name, TTL: 300, Add: []dane.Record{a, b}})
	s.apply(t, dane.Change{Owner: name, Remove: []dane.Record{c}})
	s.want(t, name, ttl, a, b)
	s.apply(t, dane.Change{Owner: name, Remove: []dane.Record{a, c}})
	s.want(t, name, ttl, b)
	s.apply(t, dane.Change{Owner: name, Remove: []dane.Record{a}})
	s.want(t, name, ttl, b)
	s.apply(t, dane.Change{Owner: owner("nothing"), Remove: []dane.Record{a}})
	s.want(t, owner("nothing"), 0)
	s.refused(t, providers.ErrLast, dane.Change{Owner: name, Remove: []dane.Record{b, c}})
	s.want(t, name, ttl, b)
}

func (s Subject) exchange(t *testing.T) {
	name, a, b, ttl := owner("exchange"), record(1), record(2), s.ttl(300)
	s.apply(t, dane.Change{Owner: name, TTL: 300, Add: []dane.Record{a}})
	s.apply(t, dane.Change{Owner: name, TTL: 300, Add: []dane.Record{b}, Remove: []dane.Record{a}})
	s.want(t, name, ttl, b)
	// What is added and removed at once stays; two changes of a name are one.
	s.apply(t, dane.Change{Owner: name, Remove: []dane.Record{b}}, dane.Change{Owner: name, TTL: 300, Add: []dane.Record{b, a}})
	s.want(t, name, ttl, a, b)
}

func (s Subject) foreign(t *testing.T) {
	name, foreign, ours, ttl := owner("foreign"), planted(0), record(1), s.planted(t, "foreign")
	s.want(t, name, ttl, foreign)
	s.apply(t, dane.Change{Owner: name, TTL: 300, Add: []dane.Record{ours}})
	s.want(t, name, ttl, foreign, ours)
	s.apply(t, dane.Change{Owner: name, Remove: []dane.Record{ours}})
	s.want(t, name, ttl, foreign)
	s.refused(t, providers.ErrLast, dane.Change{Owner: name, Remove: []dane.Record{foreign}})
	s.want(t, name, ttl, foreign)
}

func (s Subject) spelling(t *testing.T) {
	name, foreign, ours, ttl := owner("spelling"), planted(1), record(1), s.planted(t, "spelling")
	s.want(t, name, ttl, foreign)
	s.apply(t, dane.Change{Owner: "_25._tcp.SPELLING.Example.Test", TTL: 300, Add: []dane.Record{ours}})
	s.want(t, name, ttl, foreign, ours)
	listed, err := s.Zone.List(limited(t), []string{strings.ToUpper(name), owner("nobody"), strings.TrimSuffix(name, ".")})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{name, owner("nobody"), name} {
		if listed[i].Owner != want || (len(listed[i].Records) == 2) != (want == name) {
			t.Errorf("list %d: %v, want %s", i, listed[i], want)
		}
	}
}

// wildcard: the new record must not take the place of those that the server
// has shown at the name so far.
func (s Subject) wildcard(t *testing.T) {
	if !s.holds(t, "*._tcp.wild."+Apex) {
		return
	}
	name, foreign, ours := owner("wild"), planted(2), record(1)
	ttl := s.shown(t, "*._tcp.wild."+Apex).TTL
	s.apply(t, dane.Change{Owner: name, TTL: 300, Add: []dane.Record{ours}})
	s.want(t, name, ttl, foreign, ours)
}

func (s Subject) sizes(t *testing.T) {
	// 254 characters with the final dot are 255 octets on the wire: the longest name there is.
	long := "_25._tcp." + strings.Repeat("a", 63) + "." + strings.Repeat("b-", 31) + "b." + strings.Repeat("c", 63) + "." + strings.Repeat("d", 39) + "." + Apex
	cert := dane.NewRecord(dane.Params{Usage: dane.DANETA}, []byte(strings.Repeat("certificate ", 150)))
	sha512 := dane.NewRecord(dane.Params{Usage: dane.DANETA, Selector: dane.SPKI, Matching: dane.SHA512}, []byte(strings.Repeat("x", 64)))
	odd := dane.NewRecord(dane.Params{Usage: 255, Selector: 7, Matching: 99}, []byte{0})
	all := []dane.Record{cert, sha512, odd}
	if s.Limits.Assigned {
		all = all[:2]
	}
	s.apply(t, dane.Change{Owner: long, TTL: 1, Add: all})
	s.want(t, long, s.ttl(1), all...)
	s.apply(t, dane.Change{Owner: long, Remove: []dane.Record{cert, odd}})
	s.want(t, long, s.ttl(1), sha512)
	twelve := make([]dane.Record, min(12, cmp.Or(s.Limits.Records, 12)))
	for n := range twelve {
		twelve[n] = record(byte(n))
	}
	s.apply(t, dane.Change{Owner: owner("twelve"), TTL: 86400, Add: twelve})
	s.want(t, owner("twelve"), s.ttl(86400), twelve...)
}

// international: such names travel in their A-label form.
func (s Subject) international(t *testing.T) {
	name := owner("xn--mller-kva.xn--bcher-kva")
	s.apply(t, dane.Change{Owner: name, TTL: 300, Add: []dane.Record{record(1)}})
	s.want(t, name, s.ttl(300), record(1))
}

// refused makes sure that a change is refused, and one beside it with it.
func (s Subject) refused(t *testing.T, want error, c dane.Change) {
	t.Helper()
	beside := dane.Change{Owner: owner("beside"), TTL: 300, Add: []dane.Record{record(9)}}
	err := s.Zone.Apply(limited(t), []dane.Change{beside, c})
	if err == nil || want != nil && !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", c.Owner, err, want)
	}
	if providers.Temporary(err) {
		t.Errorf("%s: the refusal says that it will pass: %v", c.Owner, err)
	}
	s.want(t, beside.Owner, 0)
}

func (s Subject) refusals(t *testing.T) {
	a := []dane.Record{record(1)}
	for name, because := range map[string]string{owner("alias"): owner("alias"), owner("sub"): "sub." + Apex, "_25._tcp.deep.sub." + Apex: "sub." + Apex, owner("below"): "below." + Apex} {
		if !s.holds(t, because) {
			continue
		}
		s.refused(t, providers.ErrObstacle, dane.Change{Owner: name, TTL: 300, Add: a})
		listed, err := s.Zone.List(limited(t), []string{name})
		if err != nil || len(listed[0].Records) > 0 {
			t.Errorf("%s: listed %v, %v", name, listed, err)
		}
	}
	for _, name := range []string{"_25._tcp.mx.example.net.", "_25._tcp.notexample.test.", "test."} {
		s.refused(t, providers.ErrOutside, dane.Change{Owner: name, TTL: 300, Add: a})
		if _, err := s.Zone.List(limited(t), []string{name}); !errors.Is(err, providers.ErrOutside) {
			t.Errorf("list %s: %v", name, err)
		}
	}
	s.refused(t, nil, dane.Change{Owner: owner("ttl"), TTL: 0, Add: a})
	s.refused(t, nil, dane.Change{Owner: owner("ttl"), TTL: 1 << 31, Add: a})
	s.refused(t, nil, dane.Change{Owner: owner("data"), TTL: 300, Add: []dane.Record{dane.NewRecord(a[0].Params, nil)}})
	for _, name := range []string{"", "_25._tcp..", "_25._tcp.a b." + Apex, "_25._tcp.x\n." + Apex, "_25._tcp.é." + Apex, owner(strings.Repeat("a", 64)), owner(strings.Repeat("a.", 125))} {
		s.refused(t, nil, dane.Change{Owner: name, TTL: 300, Add: a})
	}
}

func (s Subject) cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	name := owner("cancelled")
	if err := s.Zone.Apply(ctx, []dane.Change{{Owner: name, TTL: 300, Add: []dane.Record{record(1)}}}); !errors.Is(err, context.Canceled) || !providers.Temporary(err) {
		t.Errorf("apply: %v", err)
	}
	if _, err := s.Zone.List(ctx, []string{name}); !errors.Is(err, context.Canceled) {
		t.Errorf("list: %v", err)
	}
	s.want(t, name, 0)
}

func (s Subject) many(t *testing.T) {
	const count = 200
	names := make([]string, count)
	adding, removing := make([]dane.Change, count), make([]dane.Change, count)
	for i := range names {
		names[i] = owner(fmt.Sprintf("many%d", i))
		adding[i] = dane.Change{Owner: names[i], TTL: 300, Add: []dane.Record{record(1), record(2)}}
		removing[i] = dane.Change{Owner: names[i], Remove: []dane.Record{record(1)}}
	}
	all := func(want ...dane.Record) {
		t.Helper()
		s.want(t, names[count-1], s.ttl(300), want...)
		listed, err := s.Zone.List(limited(t), names)
		if err != nil {
			t.Fatal(err)
		}
		for i, set := range listed {
			if set.Owner != names[i] || !slices.Equal(set.Records, want) {
				t.Fatalf("list %d: %v", i, set)
			}
		}
	}
	s.apply(t, adding...)
	all(record(1), record(2))
	s.apply(t, removing...)
	all(record(2))
}

// together: several writers at the same time lose nothing of each other.
func (s Subject) together(t *testing.T) {
	const writers = 4
	name := owner("together")
	var want []dane.Record
	var wg sync.WaitGroup
	for n := range byte(writers) {
		want = append(want, record(n))
		zone := s.Zone
		if s.Other != nil && n%2 == 1 {
			zone = s.Other
		}
		wg.Go(func() {
			err := zone.Apply(limited(t), []dane.Change{{Owner: name, TTL: 300, Add: []dane.Record{record(n)}}})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s.Later != nil {
		s.Later() // what one of them has read is old by now
	}
	s.want(t, name, s.ttl(300), want...)
}

// meanwhile: somebody else writes between our reading and our writing. Nothing
// of theirs is lost, and the last record stays.
func (s Subject) meanwhile(t *testing.T) {
	if s.Other == nil {
		return
	}
	name, a, b, c, ttl := owner("meanwhile"), record(1), record(2), record(3), s.ttl(300)
	read := func() {
		t.Helper()
		if _, err := s.Zone.List(limited(t), []string{name}); err != nil {
			t.Fatal(err)
		}
	}
	other := func(change dane.Change) {
		t.Helper()
		if err := s.Other.Apply(limited(t), []dane.Change{change}); err != nil {
			t.Fatal(err)
		}
	}
	read()
	other(dane.Change{Owner: name, TTL: 300, Add: []dane.Record{a}})
	s.apply(t, dane.Change{Owner: name, TTL: 300, Add: []dane.Record{b}})
	s.want(t, name, ttl, a, b)
	other(dane.Change{Owner: name, TTL: 300, Add: []dane.Record{c}})
	s.apply(t, dane.Change{Owner: name, Remove: []dane.Record{a}})
	s.want(t, name, ttl, b, c)
	other(dane.Change{Owner: name, Remove: []dane.Record{b}})
	err := s.Zone.Apply(limited(t), []dane.Change{{Owner: name, Remove: []dane.Record{c}}})
	if err == nil {
		t.Error("the last record was removed without an error")
	}
	if len(s.shown(t, name).Records) == 0 {
		t.Errorf("nothing is left (%v)", err)
	}
}
