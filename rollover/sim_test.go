package rollover

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "replay one simulated world and print its transcript")
	seedsFlag = flag.Int("seeds", 100, "how many worlds the simulation tries")
)

type nextFunc func(State, Observation, Policy) Decision

// life is one world with its story: a seed decides everything in it.
type life struct {
	*world
	t      testing.TB
	next   nextFunc
	timer  time.Duration
	algos  []int
	number int // generations made so far
	keys   []int
	ca     int
}

func newLife(t testing.TB, seed uint64, next nextFunc) *life {
	rng := rand.New(rand.NewPCG(seed, 20260101))
	w := &world{rng: rng, now: epoch, primary: map[string][]dane.Record{}, servers: map[string][]*server{}, addresses: map[string][]*address{},
		generations: map[string]*Bundle{}, verdicts: map[string]string{}}
	l := &life{world: w, t: t, next: next, timer: pick(rng, time.Second, time.Minute, 10*time.Minute, time.Hour), algos: pick(rng, []int{0}, []int{0}, []int{0, 1}), keys: []int{0, 0}}
	w.ttl = pick(rng, time.Minute, 5*time.Minute, time.Hour, 2*time.Hour)
	w.policy = Policy{
		Records: params(t, pick(rng, []string{"3 1 1"}, []string{"3 1 1"}, []string{"3 1 1", "2 1 1"}, []string{"2 1 1"})...),
		TTL:     w.ttl,
		Wait:    pick(rng, 1.0, 2.0),
		Floor:   pick(rng, None, 10*time.Minute, time.Hour),
		Margin:  pick(rng, time.Minute, 5*time.Minute),
		Settle:  pick(rng, None, 5*time.Minute, time.Hour),
	}
	w.sender.floor, w.sender.app = max(w.policy.Floor, 0), w.policy.Margin
	l.build()
	return l
}

// build lays out owners, their servers and their addresses.
func (l *life) build() {
	l.owners = [][]string{{"_25._tcp.mx1.a.example."}, {"_25._tcp.mx1.a.example.", "_25._tcp.mx2.a.example."},
		{"_25._tcp.mx1.a.example.", "_25._tcp.mx1.b.example."}}[l.rng.IntN(3)]
	for _, o := range l.owners {
		for i := range 1 + l.rng.IntN(3) {
			worst := pick(l.rng, time.Second, time.Minute, 30*time.Minute, 3*time.Hour)
			l.servers[o] = append(l.servers[o], &server{name: fmt.Sprintf("ns%d of %s", i+1, o), since: l.now, lag: func() time.Duration { return l.upTo(worst) }})
		}
		for i := range 1 + l.rng.IntN(3) {
			l.addresses[o] = append(l.addresses[o], &address{name: fmt.Sprintf("%s address %d", o, i+1), delay: l.upTo(5 * time.Second)})
		}
	}
	l.live = l.generation()
	for _, o := range l.owners {
		for _, a := range l.addresses[o] {
			a.serving = l.live
		}
		if l.rng.IntN(2) == 0 { // somebody has published by hand before
			l.primary[o] = recordsOf(l.t, l.policy.Records, l.generations[l.live].Chains...)
			for _, s := range l.servers[o] {
				s.records = l.primary[o]
			}
		}
	}
}

// generation makes the next certificate for the present keys.
func (l *life) generation() string {
	l.number++
	b := &Bundle{ID: fmt.Sprintf("g%d", l.number)}
	for _, a := range l.algos {
		b.Chains = append(b.Chains, stock().chain(a, l.keys[a], l.ca, l.number))
	}
	l.generations[b.ID] = b
	return b.ID
}

// renew stages a new generation, as a hook does at any time.
func (l *life) renew() {
	switch l.rng.IntN(6) {
	case 0: // the same keys
	case 1: // all is new
		l.ca = 1 - l.ca
		fallthrough
	default:
		a := l.rng.IntN(len(l.algos))
		l.keys[l.algos[a]]++
		if l.rng.IntN(3) > 0 {
			l.keys = []int{l.keys[0] + 1, l.keys[1] + 1}
		}
	}
	l.staged = l.generation()
	l.logf("generation %s is staged: keys %v, authority %d", l.staged, l.keys, l.ca)
}

// tick is the timer: it comes late, and sometimes something is wrong.
func (l *life) tick() {
	l.disturb()
	d, err := l.once(l.next)
	if err != nil {
		l.logf("run: %v", err)
	}
	pause := l.timer
	if d.Phase == Idle {
		pause = max(pause, 10*time.Minute) // nothing to see: spare the processor
	}
	if l.faulty && l.rng.IntN(20) == 0 {
		pause = l.upTo(200 * time.Hour)
	}
	l.after(pause+l.upTo(min(l.timer, time.Minute)*20), "timer", l.tick)
}

// disturb lets something go wrong before a run.
func (l *life) disturb() {
	l.crash = nil
	if !l.faulty {
		return
	}
	l.crash = func(string) bool { return l.rng.IntN(40) == 0 }
	for _, o := range l.owners {
		for _, s := range l.servers[o] {
			s.deaf = l.rng.IntN(15) == 0
		}
		for _, a := range l.addresses[o] {
			a.hidden = l.rng.IntN(15) == 0
			if l.rng.IntN(20) == 0 {
				a.stubborn = 1 + l.rng.IntN(2)
			}
		}
	}
	switch l.rng.IntN(120) {
	case 0, 4, 5:
		l.skew += l.upTo(96*time.Hour) - 48*time.Hour
		l.logf("the clock is set: %s off", l.skew)
	case 1:
		l.saved, l.lost = nil, true
		l.logf("the state is lost")
	case 2:
		if len(l.saved) > 1 {
			l.saved, l.gap = l.saved[:len(l.saved)-1], true
			l.logf("the state is one generation old")
		}
	case 3:
		if l.staged != "" && l.staged != l.live {
			l.staged = ""
			l.logf("abort")
		}
	}
}

// run lives the whole story and gives what was wrong with it.
func (l *life) run() []string {
	if l.rng.IntN(4) == 0 {
		l.renew() // before anything was ever published
	}
	l.after(0, "timer", l.tick)
	l.runUntil(l.now.Add(l.upTo(pick(l.rng, 12*time.Hour, time.Hour, 2*time.Minute))))
	l.faulty = l.rng.IntN(4) > 0
	for range 1 + l.rng.IntN(4) {
		l.renew()
		l.runUntil(l.now.Add(l.upTo(pick(l.rng, 48*time.Hour, 2*time.Hour, 10*time.Minute))))
	}
	l.renew()
	l.calm()
	end := l.now.Add(20 * 24 * time.Hour)
	for !l.done() && l.now.Before(end) && len(l.violations) == 0 {
		l.runUntil(l.now.Add(time.Hour))
	}
	if len(l.violations) == 0 && !l.done() {
		l.violate("no end in 20 days without faults: live %s, staged %s, phase %s", l.live, l.staged, l.saved[len(l.saved)-1].Phase)
	}
	return l.violations
}

// calm ends all faults.
func (l *life) calm() {
	l.faulty, l.crash = false, nil
	for _, o := range l.owners {
		for _, s := range l.servers[o] {
			s.deaf = false
		}
		for _, a := range l.addresses[o] {
			a.hidden = false
		}
	}
	l.logf("all faults end")
	// Lost state makes our records look like somebody else's; a person reads
	// that in the status and adopts them.
	if n := len(l.saved); l.lost && n > 0 {
		for _, o := range l.owners {
			l.saved[n-1].Adopt(o, l.primary[o])
		}
	}
}

// done says whether the newest generation is live, served everywhere, and
// published with nothing of ours beside it.
func (l *life) done() bool {
	if l.live != l.staged || len(l.saved) == 0 || l.saved[len(l.saved)-1].Phase != Idle {
		return false
	}
	want := recordsOf(l.t, l.policy.Records, l.generations[l.live].Chains...)
	for _, o := range l.owners {
		have := l.primary[o]
		if len(without(want, have)) > 0 {
			return false
		}
		ours := l.saved[len(l.saved)-1].Clone()
		for _, r := range without(have, want) {
			if slices.Contains(ours.memory(o).Ours, r) {
				return false
			}
		}
		for _, a := range l.addresses[o] {
			if a.serving != l.live {
				return false
			}
		}
	}
	return true
}

// transcript gives what happened just before the first violation.
func (l *life) transcript() string {
	end := slices.IndexFunc(l.log, func(line string) bool { return strings.Contains(line, "VIOLATION") }) + 1
	return strings.Join(l.log[max(0, end-50):end], "\n")
}

func pick[T any](rng *rand.Rand, choices ...T) T { return choices[rng.IntN(len(choices))] }

// The promise: whatever goes wrong, no sender ever holds an RRset that rejects
// what an address presents; and once nothing goes wrong any more, every
// rollover comes to its end. A failure names its seed.
func TestSim(t *testing.T) {
	first, last := uint64(1), uint64(*seedsFlag)
	if *seedFlag != 0 {
		first, last = *seedFlag, *seedFlag
	}
	for seed := first; seed <= last; seed++ {
		l := newLife(t, seed, nil)
		wrong := l.run()
		if *seedFlag != 0 {
			t.Log("\n" + strings.Join(l.log, "\n"))
		}
		if len(wrong) > 0 {
			t.Fatalf("world %d: %s\nreplay: go test ./rollover -run TestSim -seed %d -v\n%s", seed, wrong[0], seed, l.transcript())
		}
	}
}
