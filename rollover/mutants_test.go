package rollover

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// mutantSeeds is how many worlds a mutant may live in before it counts as unseen.
const mutantSeeds = 3000

// mutants are planners with a planted fault, each one a mistake that tools in
// the field make. The simulation must catch every one of them: a mutant that
// survives is a hole in the simulation.
var mutants = []struct {
	name string
	next nextFunc
}{
	{"one server is enough", mutate(func(_ *State, o *Observation, _ *Policy) {
		each(o, func(v *OwnerView) { v.Names.Servers = v.Names.Servers[:1] })
	})},
	{"the wait counts from the API call", mutate(func(_ *State, o *Observation, _ *Policy) {
		each(o, func(v *OwnerView) {
			if v.Listed.Err == "" {
				v.Names.Servers = []ServerView{{Server: "the provider", Records: v.Listed.Records, TTL: v.Listed.TTL}}
			}
		})
	})},
	{"a server that does not answer has what we want", mutate(func(_ *State, o *Observation, _ *Policy) {
		each(o, func(v *OwnerView) {
			v.Names.Servers = slices.DeleteFunc(v.Names.Servers, func(s ServerView) bool { return s.Err != "" })
		})
	})},
	{"the TTL is what we would like it to be", mutate(func(_ *State, o *Observation, p *Policy) {
		each(o, func(v *OwnerView) {
			for i := range v.Names.Servers {
				v.Names.Servers[i].TTL = time.Minute
			}
		})
		p.TTL = time.Minute
	})},
	{"resolvers never lengthen a TTL", mutate(func(_ *State, _ *Observation, p *Policy) { p.Floor, p.Wait = None, 1 })},
	{"senders connect in the instant of the lookup", mutate(func(_ *State, _ *Observation, p *Policy) { p.Margin, p.Wait = None, 1 })},
	{"what is served no more is believed no more", mutate(func(s *State, _ *Observation, _ *Policy) {
		for i := range s.Owners {
			m := &s.Owners[i]
			m.Versions = slices.DeleteFunc(m.Versions, func(v Version) bool { return !v.Serving })
		}
	})},
	{"lost state means that the wait is over", mutate(func(s *State, o *Observation, _ *Policy) {
		if s.Seen.IsZero() {
			for _, v := range o.Owners {
				s.memory(v.Owner).Versions = []Version{{Last: o.Now.Add(-1000 * time.Hour)}}
			}
		}
	})},
	{"a wall clock that is set ends a wait", mutate(func(_ *State, o *Observation, _ *Policy) { o.Boot = Boot{} })},
	{"the first name is enough", mutate(func(_ *State, o *Observation, _ *Policy) {
		for i := range o.Owners[1:] {
			o.Owners[i+1].Names.Servers, o.Owners[i+1].Addresses = o.Owners[0].Names.Servers, o.Owners[0].Addresses
		}
	})},
	{"the first address is enough", mutate(func(_ *State, o *Observation, _ *Policy) {
		each(o, func(v *OwnerView) { v.Addresses = v.Addresses[:1] })
	})},
	{"an address that cannot be seen is fine", mutate(func(_ *State, o *Observation, _ *Policy) {
		each(o, func(v *OwnerView) {
			v.Addresses = slices.DeleteFunc(v.Addresses, func(a AddressView) bool { return a.Err != "" })
		})
	})},
	{"a reload that was asked for has happened", mutate(func(_ *State, o *Observation, _ *Policy) {
		each(o, func(v *OwnerView) {
			for i := range v.Addresses {
				v.Addresses[i] = AddressView{Address: v.Addresses[i].Address}
				if o.Live != nil {
					for _, c := range o.Live.Chains {
						v.Addresses[i].Served = append(v.Addresses[i].Served, Served{Chain: c})
					}
				}
			}
		})
	})},
	{"old processes end at once", mutate(func(_ *State, _ *Observation, p *Policy) { p.Settle = None })},
	{"only the first algorithm is looked at", mutate(func(_ *State, o *Observation, _ *Policy) {
		cut := func(b *Bundle) *Bundle {
			if b == nil {
				return nil
			}
			return &Bundle{ID: b.ID, Chains: b.Chains[:1]}
		}
		o.Live, o.Staged = cut(o.Live), cut(o.Staged)
		each(o, func(v *OwnerView) {
			for i := range v.Addresses {
				a := &v.Addresses[i]
				a.Served = slices.DeleteFunc(slices.Clone(a.Served), func(s Served) bool { return s.Algorithm != "ecdsa" })
			}
		})
	})},
	{"the swap comes first", func(s State, o Observation, p Policy) Decision {
		d := Next(s, o, p)
		if o.Staged != nil && !o.Staged.is(o.Live) {
			d.Step = Step{Kind: DoSwap, Generation: o.Staged.ID}
		}
		return d
	}},
	{"old records go before the swap", func(s State, o Observation, p Policy) Decision {
		d := Next(s, o, p)
		if d.Step.Kind == DoSwap && o.Live != nil {
			staged := recordsOf(nil, p.Records, o.Staged.Chains...)
			d.Step = Step{Kind: DoRetire}
			for _, v := range o.Owners {
				d.Step.Changes = append(d.Step.Changes, changeOf(v.Owner, without(v.Listed.Records, staged)))
			}
		}
		return d
	}},
	{"old records go with the swap", func(s State, o Observation, p Policy) Decision {
		d := Next(s, o, p)
		if o.Live != nil && d.Step.Kind != DoSwap && d.State.Swap.ID == o.Live.ID && d.Step.Kind != DoPublish {
			live := recordsOf(nil, p.Records, o.Live.Chains...)
			for _, v := range o.Owners {
				if extra := without(v.Listed.Records, live); len(extra) > 0 && v.Listed.Err == "" && o.Staged.is(o.Live) {
					d.Step = Step{Kind: DoRetire, Changes: append(d.Step.Changes, changeOf(v.Owner, extra))}
				}
			}
		}
		return d
	}},
	{"the new key replaces the old in one write", func(s State, o Observation, p Policy) Decision {
		d := Next(s, o, p)
		if d.Step.Kind == DoPublish && o.Staged != nil && !o.Staged.is(o.Live) {
			staged := recordsOf(nil, p.Records, o.Staged.Chains...)
			for i, c := range d.Step.Changes {
				for _, v := range o.Owners {
					if v.Owner == c.Owner {
						d.Step.Changes[i].Remove = without(v.Listed.Records, staged)
					}
				}
			}
		}
		return d
	}},
	{"the first publication holds the next key only", func(s State, o Observation, p Policy) Decision {
		d := Next(s, o, p)
		if d.Step.Kind == DoPublish && o.Staged != nil && !o.Staged.is(o.Live) {
			for i, c := range d.Step.Changes {
				d.Step.Changes[i].Add = recordsOf(nil, p.Records, o.Staged.Chains...)
				d.Step.Changes[i].Remove = without(c.Add, d.Step.Changes[i].Add)
			}
		}
		return d
	}},
	{"a second change is written before the first has arrived", func(s State, o Observation, p Policy) Decision {
		d := Next(s, o, p)
		if d.Step.Kind != DoNothing || o.Staged == nil || o.Staged.is(o.Live) {
			return d
		}
		staged := recordsOf(nil, p.Records, o.Staged.Chains...)
		for _, v := range o.Owners {
			if missing := without(staged, v.Listed.Records); len(missing) > 0 && v.Listed.Err == "" && len(v.Listed.Records) > 0 {
				d.Step = Step{Kind: DoPublish, Changes: append(d.Step.Changes, dane.Change{Owner: v.Owner, TTL: uint32(p.TTL / time.Second), Add: missing})}
				d.State.memory(v.Owner).intend(dane.Change{Add: missing}.Apply(v.Listed.Records), v.Listed.TTL, o.Now)
				d.State.memory(v.Owner).own(missing)
			}
		}
		return d
	}},
	{"keys are deleted with the swap", func(s State, o Observation, p Policy) Decision {
		d := Next(s, o, p)
		if d.Step.Kind == DoNothing && o.Live != nil && o.Staged.is(o.Live) && len(o.Held) > 1 {
			d.Step = Step{Kind: DoClean, Keep: []string{o.Live.ID}}
		}
		return d
	}},
}

// mutate plants a fault in what the planner gets to see.
func mutate(fault func(*State, *Observation, *Policy)) nextFunc {
	return func(s State, o Observation, p Policy) Decision {
		s = s.Clone()
		o.Owners = slices.Clone(o.Owners)
		for i := range o.Owners {
			o.Owners[i].Names.Servers = slices.Clone(o.Owners[i].Names.Servers)
			o.Owners[i].Addresses = slices.Clone(o.Owners[i].Addresses)
		}
		fault(&s, &o, &p)
		return Next(s, o, p)
	}
}

func each(o *Observation, f func(*OwnerView)) {
	for i := range o.Owners {
		f(&o.Owners[i])
	}
}

// firstSeed is where to begin with a mutant: those that show in few worlds
// begin shortly before the first of these, to save time.
func firstSeed(name string) uint64 {
	if strings.HasPrefix(name, "a second change") {
		return 220
	}
	return 1
}

// If a planted fault went unseen, a fault of our own would as well.
func TestMutantsAreCaught(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for seed := firstSeed(m.name); seed <= mutantSeeds; seed++ {
				if wrong := newLife(t, seed, m.next).run(); len(wrong) > 0 {
					t.Logf("caught in world %d: %s", seed, wrong[0])
					return
				}
			}
			t.Errorf("survives %d worlds", mutantSeeds)
		})
	}
}
