package rollover

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsamgr/tlsamgr/dane"
)

// scene is one unit with one owner, two servers and two addresses, at rest: g1
// is live, published and proven. Tests change one thing and look again.
type scene struct {
	t     *testing.T
	p     Policy
	state State
	o     Observation
}

func newScene(t *testing.T, specs ...string) *scene {
	if len(specs) == 0 {
		specs = []string{"3 1 1"}
	}
	s := &scene{t: t, p: Policy{Records: params(t, specs...), TTL: time.Hour}}
	g1 := bundleOf("g1", stock().chain(0, 0, 0, 0))
	s.o = Observation{Now: epoch, Live: g1, Held: []*Bundle{g1}, Boot: Boot{ID: "b"},
		Owners: []OwnerView{{Owner: owner1, Names: NameView{Security: Secure}, Addresses: []AddressView{{Address: "mx1 (192.0.2.1:25)"}, {Address: "mx1 (192.0.2.2:25)"}}}}}
	s.publish(recordsOf(t, s.p.Records, g1.Chains...))
	s.present(g1)
	s.state.Adopt(owner1, s.owner().Listed.Records)
	s.state = Applied(s.next().State, Step{Kind: DoReload}, epoch, nil)
	s.pass(24 * time.Hour)
	if d := s.next(); d.Phase != Idle || d.Step.Kind != DoNothing {
		t.Fatalf("the scene is not at rest: %s %v %v", d.Phase, d.Step, d.Why)
	}
	return s
}

func bundleOf(id string, chains ...*dane.Chain) *Bundle { return &Bundle{ID: id, Chains: chains} }

func (s *scene) owner() *OwnerView { return &s.o.Owners[0] }

// publish lets the provider and both servers show these records.
func (s *scene) publish(records []dane.Record) {
	s.owner().Listed = Listing{Records: records, TTL: time.Hour}
	s.owner().Names.Servers = []ServerView{{Server: "ns1", Records: records, TTL: time.Hour}, {Server: "ns2", Records: records, TTL: time.Hour}}
}

// present lets both addresses present a generation.
func (s *scene) present(b *Bundle) {
	for i := range s.owner().Addresses {
		a := &s.owner().Addresses[i]
		*a = AddressView{Address: a.Address}
		for _, c := range b.Chains {
			a.Served = append(a.Served, Served{Algorithm: c.Algorithm(), Chain: c})
		}
	}
}

// stage hands a new generation over.
func (s *scene) stage(b *Bundle) *Bundle {
	s.o.Staged = b
	s.o.Held = append(s.o.Held, b)
	return b
}

func (s *scene) pass(d time.Duration) {
	s.o.Now = s.o.Now.Add(d)
	s.o.Boot.Uptime += d
}

// next looks, remembers and gives the decision.
func (s *scene) next() Decision {
	d := Next(s.state, s.o, s.p)
	s.state = d.State
	return d
}

// want fails unless the decision has this step and a reason with these words.
func (s *scene) want(kind Kind, words string) Decision {
	s.t.Helper()
	d := s.next()
	if d.Step.Kind != kind {
		s.t.Fatalf("step %q, want %q: %v", d.Step.Kind, kind, d.Why)
	}
	said := slices.ContainsFunc(d.Why, func(r Reason) bool { return strings.Contains(r.Text+" "+r.Subject+" "+r.Hint, words) })
	if words != "" && !said {
		s.t.Fatalf("no reason says %q: %v", words, d.Why)
	}
	return d
}

var (
	newKey  = func() *Bundle { return bundleOf("g2", stock().chain(0, 1, 0, 1)) }
	sameKey = func() *Bundle { return bundleOf("g2", stock().chain(0, 0, 0, 1)) }
)

// A renewal that keeps the key must not touch the DNS and must not wait.
func TestSameKeySwapsAtOnce(t *testing.T) {
	s := newScene(t)
	s.stage(sameKey())
	s.want(DoSwap, "")
}

// It must not wait for a dead name server either, nor for DNSSEC to be mended:
// nothing gets worse by it, and certificates expire.
func TestSameKeySwapsWhateverElseIsWrong(t *testing.T) {
	s := newScene(t)
	s.stage(sameKey())
	s.owner().Names.Servers[1] = ServerView{Server: "ns2", Err: "timeout"}
	s.owner().Names.Security, s.owner().Names.Why = Bogus, "expired"
	s.want(DoSwap, "")
}

// The whole way of a new key, with what is awaited at each point.
func TestKeyChange(t *testing.T) {
	s := newScene(t)
	old := s.owner().Listed.Records
	g2 := s.stage(newKey())
	d := s.want(DoPublish, "")
	both := d.Step.Changes[0].Apply(old)
	if len(both) != 2 {
		t.Fatalf("published: %v", both)
	}
	s.owner().Listed.Records = both
	s.want(DoNothing, "ns1 does not show")
	s.publish(both)
	s.owner().Names.Servers[1].Records = old
	s.want(DoNothing, "ns2 still shows")
	s.pass(30 * time.Hour)
	s.want(DoNothing, "ns2 still shows")
	s.publish(both)
	d = s.want(DoNothing, "senders may still hold")
	if until := s.o.Now.Add(2*time.Hour + 5*time.Minute); !d.Wake.Equal(until) {
		t.Fatalf("wakes at %s, want %s", d.Wake, until)
	}
	s.pass(2*time.Hour + 5*time.Minute - time.Second)
	s.want(DoNothing, "senders may still hold")
	s.pass(time.Second)
	d = s.want(DoSwap, "")
	s.o.Live = g2
	s.state = Applied(d.State, d.Step, s.o.Now, nil)
	s.want(DoNothing, "still presents another certificate")
	s.owner().Addresses[0].Served[0].Chain = g2.Chains[0]
	s.want(DoNothing, "192.0.2.2:25")
	s.present(g2)
	s.want(DoNothing, "until the new chain has settled")
	s.pass(time.Hour)
	d = s.want(DoRetire, "")
	if diff := cmp.Diff(old, d.Step.Changes[0].Remove, cmp.Comparer(func(a, b dane.Record) bool { return a == b })); diff != "" {
		t.Fatal(diff)
	}
	s.publish(recordsOf(t, s.p.Records, g2.Chains...))
	s.want(DoClean, "")
	s.o.Held = []*Bundle{g2}
	if d := s.next(); d.Phase != Idle || !d.Wake.IsZero() {
		t.Fatalf("%s, wakes %s", d.Phase, d.Wake)
	}
}

// Every gate of the swap, alone: the swap must not happen, and the words must
// name what is awaited.
func TestSwapIsHeld(t *testing.T) {
	ready := func(t *testing.T) *scene {
		s := newScene(t)
		s.publish(recordsOf(t, s.p.Records, s.o.Live.Chains[0], s.stage(newKey()).Chains[0]))
		s.next()
		s.pass(3 * time.Hour)
		return s
	}
	s := ready(t)
	s.want(DoSwap, "")
	for name, hold := range map[string]struct {
		do    func(*scene)
		words string
	}{
		"a server is silent":           {func(s *scene) { s.owner().Names.Servers[0] = ServerView{Server: "ns1", Err: "timeout"} }, "ns1 does not answer"},
		"no server is known":           {func(s *scene) { s.owner().Names.Servers = nil }, "no authoritative server"},
		"a server lost the new record": {func(s *scene) { s.owner().Names.Servers[1].Records = recordsOf(s.t, s.p.Records, s.o.Live.Chains[0]) }, "ns2"},
		"the name is bogus":            {func(s *scene) { s.owner().Names.Security, s.owner().Names.Why = Bogus, "signature expired" }, "signature expired"},
		"validation fails":             {func(s *scene) { s.owner().Names.Security, s.owner().Names.Why = Indeterminate, "resolver is silent" }, "resolver is silent"},
		"the zone lost its signature":  {func(s *scene) { s.owner().Names.Security, s.owner().Names.Why = Insecure, "no DS" }, "no DS"},
		"the clock is wrong":           {func(s *scene) { s.o.Clock = "signed in the future" }, "signed in the future"},
		"it was taken back":            {func(s *scene) { s.state.Barred = []Barred{{ID: "g2", Until: s.o.Now.Add(time.Minute), Why: "broken"}} }, "taken back: broken"},
		"a foreign record rejects it": {func(s *scene) {
			s.publish(dane.SortRecords(append(s.owner().Listed.Records, recordsOf(s.t, params(s.t, "3 1 2"), s.o.Live.Chains[0])...)))
		}, "3 1 2"},
	} {
		t.Run(name, func(t *testing.T) {
			s := ready(t)
			hold.do(s)
			if d := s.want(s.next().Step.Kind, hold.words); d.Step.Kind == DoSwap {
				t.Fatalf("swaps although %s", name)
			}
		})
	}
}

// A clock that is set within one boot neither shortens nor lengthens a wait.
func TestClockStepsDoNotMoveWaits(t *testing.T) {
	for _, step := range []time.Duration{2 * time.Minute, 3 * time.Hour, 10 * 365 * 24 * time.Hour, -3 * time.Hour, -10 * 365 * 24 * time.Hour} {
		s := newScene(t)
		s.publish(recordsOf(t, s.p.Records, s.o.Live.Chains[0], s.stage(newKey()).Chains[0]))
		s.want(DoNothing, "senders may still hold")
		s.pass(time.Hour)
		s.o.Now = s.o.Now.Add(step)
		s.want(DoNothing, "the clock was set by")
		s.pass(time.Hour + 4*time.Minute)
		s.want(DoNothing, "senders may still hold")
		s.pass(time.Minute)
		s.want(DoSwap, "")
	}
}

// The first RRset commits every address to a matching chain from its first
// instant: it must not appear while one of them presents something else.
func TestFirstPublication(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(*scene)
		kind  Kind
		words string
	}{
		"all is well":             {func(*scene) {}, DoPublish, ""},
		"an address is dead":      {func(s *scene) { s.owner().Addresses[1] = AddressView{Address: "mx1 (192.0.2.2:25)", Err: "refused"} }, DoNothing, "refused"},
		"no STARTTLS":             {func(s *scene) { s.owner().Addresses[1] = AddressView{Address: "a", Err: "no STARTTLS", Broken: true} }, DoNothing, "no STARTTLS"},
		"another chain is served": {func(s *scene) { s.owner().Addresses[0].Served[0].Chain = stock().chain(0, 5, 0, 0) }, DoNothing, "another chain"},
		"the zone is not signed":  {func(s *scene) { s.owner().Names.Security, s.owner().Names.Why = Insecure, "example is not signed" }, DoNothing, "sign the zone"},
		"the resolver is no use":  {func(s *scene) { s.owner().Names.Security, s.owner().Names.Why = Indeterminate, "no AD bit" }, DoNothing, "no AD bit"},
		"the owner is a CNAME":    {func(s *scene) { s.owner().Names.Alias = "tlsa.example.net." }, DoNothing, "CNAME to tlsa.example.net."},
		"the provider is down":    {func(s *scene) { s.owner().Listed = Listing{Err: "503"} }, DoNothing, "503"},
		"no address":              {func(s *scene) { s.owner().Addresses = nil }, DoNothing, "no address"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.state = State{}
			s.publish(nil)
			c.do(s)
			d := s.next()
			if (d.Step.Kind == DoPublish) != (c.kind == DoPublish) {
				t.Fatalf("step %q: %v", d.Step.Kind, d.Why)
			}
			if c.words != "" && !slices.ContainsFunc(d.Why, func(r Reason) bool { return strings.Contains(r.Text+r.Hint, c.words) }) {
				t.Fatalf("no reason says %q: %v", c.words, d.Why)
			}
		})
	}
}

// A new parameter combination must appear for the chain in service first, or
// with it: a lone `2 1 1` of the next issuer would reject what is served.
func TestNewCombinationComesForTheLiveChainFirst(t *testing.T) {
	s := newScene(t)
	s.p.Records = params(t, "3 1 1", "2 1 1")
	s.stage(bundleOf("g2", stock().chain(0, 1, 1, 1)))
	d := s.want(DoPublish, "")
	add := d.Step.Changes[0].Add
	if want := recordsOf(t, params(t, "2 1 1"), s.o.Live.Chains[0]); len(add) != 3 || add[0] != want[0] {
		t.Fatalf("adds %v; the issuer in service must come first: %v", add, want)
	}
}

// A swap that breaks an address is taken back at once and not tried again at once.
func TestBrokenSwapIsTakenBack(t *testing.T) {
	s := newScene(t)
	old := s.o.Live
	s.publish(recordsOf(t, s.p.Records, old.Chains[0], s.stage(newKey()).Chains[0]))
	s.next()
	s.pass(3 * time.Hour)
	d := s.want(DoSwap, "")
	s.state = Applied(d.State, d.Step, s.o.Now, nil)
	s.o.Live = s.o.Staged
	s.owner().Addresses[0] = AddressView{Address: s.owner().Addresses[0].Address, Err: "454 TLS not available", Broken: true}
	s.want(DoNothing, "454")
	s.want(DoNothing, "454")
	d = s.want(DoReturn, "454")
	if d.Step.Generation != "g1" {
		t.Fatalf("returns to %s", d.Step.Generation)
	}
	// Killed before it switched: it must still return.
	if d = s.want(DoReturn, ""); len(d.State.Barred) != 1 || d.State.Barred[0].Times != 1 {
		t.Fatalf("barred: %v", d.State.Barred)
	}
	s.state = Applied(d.State, d.Step, s.o.Now, nil)
	s.o.Live = old
	s.present(old)
	s.want(DoNothing, "taken back")
	s.pass(time.Minute)
	s.want(DoSwap, "")
}

// A reload that has no effect: nothing is retired, and the words say so.
func TestNothingIsRetiredWhileAnAddressPresentsTheOldChain(t *testing.T) {
	s := newScene(t)
	g2 := s.stage(newKey())
	s.publish(recordsOf(t, s.p.Records, s.o.Live.Chains[0], g2.Chains[0]))
	s.state.Swap = Swap{ID: "g2", Previous: "g1", At: s.o.Now, Reloaded: s.o.Now, Tried: s.o.Now, Reloads: 1}
	s.o.Live = g2
	s.owner().Addresses[0].Served = []Served{{Chain: g2.Chains[0]}}
	for range 30 {
		d := s.next()
		if d.Step.Kind == DoRetire || d.Step.Kind == DoClean {
			t.Fatalf("%s although 192.0.2.2 presents the old chain", d.Step.Kind)
		}
		if d.Step.Kind == DoReload {
			s.state = Applied(d.State, d.Step, s.o.Now, nil)
		}
		s.pass(time.Hour)
	}
	s.want(DoReload, "192.0.2.2:25) still presents another certificate")
}

// Mail that fails DANE now is said first, whoever caused it.
func TestFailingIsSaid(t *testing.T) {
	s := newScene(t)
	s.present(bundleOf("x", stock().chain(0, 7, 0, 0)))
	d := s.next()
	if !d.Any(CauseFailing) || d.Why[0].Kind != CauseFailing {
		t.Fatalf("not said, or not first: %v", d.Why)
	}
}

// A key that is not on this disk gets no record: somebody between us and the
// server could otherwise have his own key published.
func TestNoRecordForForeignKeys(t *testing.T) {
	s := newScene(t)
	s.present(bundleOf("x", stock().chain(0, 7, 0, 0)))
	if d := s.next(); d.Step.Kind == DoPublish {
		t.Fatalf("publishes %v", d.Step.Changes)
	}
}

// A record that somebody deleted comes back at once; one that is not ours stays.
func TestRepairAndForeignRecords(t *testing.T) {
	s := newScene(t)
	foreign := recordsOf(t, s.p.Records, stock().chain(0, 9, 0, 0))
	s.publish(foreign)
	d := s.want(DoPublish, "not ours, kept")
	if len(d.Step.Changes[0].Remove) != 0 {
		t.Fatalf("removes %v", d.Step.Changes[0].Remove)
	}
	s.publish(d.Step.Changes[0].Apply(foreign))
	s.pass(100 * time.Hour)
	s.want(DoNothing, "not ours, kept")
	s.state.Adopt(owner1, foreign)
	s.want(DoRetire, "")
}

// More records than large senders take are never published.
func TestTooManyRecords(t *testing.T) {
	s := newScene(t)
	records := s.owner().Listed.Records
	for i := range 11 {
		records = append(records, recordsOf(t, s.p.Records, stock().chain(0, 2+i, 0, 0))...)
	}
	s.publish(dane.SortRecords(records))
	s.stage(newKey())
	s.want(DoNothing, "13 records would be too many")
}

// A staged chain that will never match its own records must be said, not waited for.
func TestStagedChainThatCannotMatch(t *testing.T) {
	s := newScene(t, "2 1 1")
	c := stock().chain(0, 1, 0, 1)
	leafOnly := must(dane.NewChain(c.Leaf()))
	s.stage(bundleOf("g2", leafOnly))
	d := s.want(DoNothing, "stage the full chain")
	if d.Phase != Held {
		t.Fatalf("phase %s", d.Phase)
	}
}

// The same question must get the same answer, whatever the order of the facts,
// and asking must change nothing.
func TestNextIsDeterministic(t *testing.T) {
	s := newScene(t)
	s.stage(newKey())
	before := s.state.Clone()
	first := Next(s.state, s.o, s.p)
	slices.Reverse(s.o.Held)
	second := Next(s.state, s.o, s.p)
	same := cmp.Comparer(func(a, b dane.Record) bool { return a == b })
	if diff := cmp.Diff(first, second, same); diff != "" {
		t.Fatal(diff)
	}
	if diff := cmp.Diff(before, s.state, same); diff != "" {
		t.Fatalf("the arguments were changed: %s", diff)
	}
}

// An endpoint that was taken out of the configuration still has its records
// out there, and may still present the live files: its senders count until
// they have let go.
func TestFormerOwnerHoldsTheSwap(t *testing.T) {
	s := newScene(t)
	old := s.owner().Listed.Records
	gone := "_25._tcp.mx2.a.example."
	*s.state.memory(gone) = Memory{Owner: gone, Versions: []Version{{Records: old, TTL: time.Hour, First: epoch, Last: epoch, Serving: true}}}
	servers := slices.Clone(s.owner().Names.Servers)
	s.o.Former = []FormerView{{Owner: gone, Names: NameView{Security: Secure, Servers: servers}}}
	s.publish(recordsOf(t, s.p.Records, s.o.Live.Chains[0], s.stage(newKey()).Chains[0]))
	s.next()
	s.pass(3 * time.Hour)
	s.want(DoNothing, "not configured any more")
	for i := range servers {
		servers[i].Records = nil
	}
	s.want(DoNothing, "senders may still hold")
	s.pass(2*time.Hour + 5*time.Minute)
	if d := s.want(DoSwap, ""); len(d.State.Owners) != 1 {
		t.Errorf("still remembered: %v", d.State.Owners)
	}
}

// The store had to fall back on the generation before the last: what was
// intended last is not remembered, so a wait begins anew.
func TestGapInTheMemory(t *testing.T) {
	s := newScene(t)
	s.publish(recordsOf(t, s.p.Records, s.o.Live.Chains[0], s.stage(newKey()).Chains[0]))
	s.next()
	s.pass(3 * time.Hour)
	s.state.Gap = true
	s.want(DoNothing, "before tlsamgr began to watch")
	s.pass(2*time.Hour + 5*time.Minute)
	s.want(DoSwap, "")
}

// An RRset that is too full for the next key must be able to shed what nobody
// needs, or it stays too full for ever.
func TestFullRRsetIsRelieved(t *testing.T) {
	s := newScene(t)
	records := s.owner().Listed.Records
	var stale []dane.Record
	for i := range 11 {
		stale = append(stale, recordsOf(t, s.p.Records, stock().chain(0, 2+i, 0, 0))...)
	}
	s.publish(dane.SortRecords(append(slices.Clone(records), stale...)))
	s.state.Adopt(owner1, stale)
	s.stage(newKey())
	d := s.want(DoRetire, "13 records would be too many")
	s.publish(d.Step.Changes[0].Apply(s.owner().Listed.Records))
	s.want(DoPublish, "")
}
