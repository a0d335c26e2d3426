package rollover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// world is everything outside tlsamgr, in memory and in virtual time: name
// servers with a lag of their own, every RRset that a sender may hold, mail
// servers that reload late, a provider that loses requests and replies, a disk
// that survives crashes. It implements all interfaces of the runner, and it
// judges: at every instant each address must present only chains that every
// RRset accepts which a sender may hold (S1 in facts of the timing model; it
// implies that the sender delivers, S0).
type world struct {
	rng    *rand.Rand
	now    time.Time // real time
	skew   time.Duration
	events []event
	log    []string

	policy Policy
	sender struct{ floor, app time.Duration } // the worst resolver and the slowest sender

	owners    []string
	ttl       time.Duration
	primary   map[string][]dane.Record // the provider's truth
	servers   map[string][]*server     // by owner
	addresses map[string][]*address    // by owner

	generations map[string]*Bundle
	live        string
	staged      string
	saved       []State // every state that was saved, oldest first
	faulty      bool    // faults may happen
	crash       func(at string) bool
	violations  []string
	verdicts    map[string]string
	turns       int
	lost        bool // the state was lost at some time
	gap         bool // the store knows that it gives an older state
}

type event struct {
	at   time.Time
	what string
	do   func()
}

// server is one address of one authoritative server for one owner.
type server struct {
	name    string
	lag     func() time.Duration
	down    bool // answers neither us nor anybody else
	deaf    bool // does not answer us, but answers resolvers
	records []dane.Record
	since   time.Time
	past    []interval
	turn    int // the youngest change that arrived
}

// interval is a version that a server served until an instant.
type interval struct {
	records []dane.Record
	until   time.Time
}

// address is one address of a mail server.
type address struct {
	name     string
	serving  string // generation
	extra    string // a lingering process serves this generation as well
	hidden   bool   // we cannot reach it, senders can
	stubborn int    // reloads that have no effect
	delay    time.Duration
}

var errCrash = errors.New("crash")

func (w *world) logf(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%8s  ", w.now.Sub(epoch))+fmt.Sprintf(format, args...))
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// after puts an event into the queue.
func (w *world) after(d time.Duration, what string, do func()) {
	e := event{w.now.Add(d), what, do}
	i, _ := slices.BinarySearchFunc(w.events, e, func(a, b event) int { return cmp.Or(a.at.Compare(b.at), -1) })
	w.events = slices.Insert(w.events, i, e)
}

// runUntil plays events until that time.
func (w *world) runUntil(end time.Time) {
	for len(w.events) > 0 && !w.events[0].at.After(end) {
		e := w.events[0]
		w.events = w.events[1:]
		w.now = later(w.now, e.at)
		e.do()
	}
	w.now = later(w.now, end)
}

// --- the judge

// judge checks one owner at this instant.
func (w *world) judge(owner, cause string) {
	for _, a := range w.addresses[owner] {
		for _, id := range []string{a.serving, a.extra} {
			if id == "" {
				continue
			}
			for _, c := range w.generations[id].Chains {
				w.judgeChain(owner, a, c, cause)
			}
		}
	}
}

func (w *world) judgeChain(owner string, a *address, c *dane.Chain, cause string) {
	for _, s := range w.servers[owner] {
		if why := w.rejects(owner, s.records, c); why != "" {
			w.violate("%s: %s presents %.8s, and %s serves %s: %s", cause, a.name, c.KeyID(), s.name, words(s.records), why)
			return
		}
		for _, p := range s.past {
			if !p.until.Add(max(w.ttl, w.sender.floor) + w.sender.app).After(w.now) {
				continue
			}
			if why := w.rejects(owner, p.records, c); why != "" {
				w.violate("%s: %s presents %.8s, and senders may hold %s of %s until %s: %s", cause, a.name, c.KeyID(), words(p.records), s.name,
					p.until.Add(max(w.ttl, w.sender.floor)+w.sender.app).Sub(epoch), why)
				return
			}
		}
	}
}

func (w *world) violate(format string, args ...any) {
	w.violations = append(w.violations, fmt.Sprintf(format, args...))
	w.logf("VIOLATION "+format, args...)
}

func (w *world) rejects(owner string, records []dane.Record, c *dane.Chain) string {
	key := c.ID() + words(records)
	why, known := w.verdicts[key]
	if !known {
		why = Version{Records: records}.Rejects(c, owner, epoch)
		w.verdicts[key] = why
	}
	return why
}

func words(records []dane.Record) string {
	var out []string
	for _, r := range records {
		out = append(out, r.Short())
	}
	return "{" + strings.Join(out, ", ") + "}"
}

// --- the DNS

// write makes a new version the provider's truth and lets it travel.
func (w *world) write(owner string, records []dane.Record, turn int) {
	w.primary[owner] = records
	for _, s := range w.servers[owner] {
		w.after(s.lag(), "transfer", func() { w.arrive(owner, s, records, turn) })
	}
}

func (w *world) arrive(owner string, s *server, records []dane.Record, turn int) {
	if turn <= s.turn || slices.Equal(s.records, records) {
		s.turn = max(s.turn, turn)
		return
	}
	s.past = append(s.past, interval{s.records, w.now})
	s.records, s.turn = records, turn
	w.logf("%s serves %s at %s", s.name, words(records), owner)
	w.judge(owner, "transfer")
}

func (w *world) Ask(_ context.Context, owner string) NameView {
	v := NameView{Security: Secure}
	for _, s := range w.servers[owner] {
		sv := ServerView{Server: s.name, Records: s.records, TTL: w.ttl}
		if s.down || s.deaf || w.chance(0.01) {
			sv = ServerView{Server: s.name, Err: "timeout"}
		}
		v.Servers = append(v.Servers, sv)
	}
	return v
}

func (w *world) List(_ context.Context, owners []string) ([]dane.RRset, error) {
	if w.chance(0.03) {
		return nil, errors.New("503 from the provider")
	}
	var out []dane.RRset
	for _, o := range owners {
		out = append(out, dane.RRset{Owner: o, TTL: uint32(w.ttl / time.Second), Records: w.primary[o]})
	}
	return out, nil
}

func (w *world) Apply(_ context.Context, changes []dane.Change) error {
	w.crashing("apply")
	if w.chance(0.05) {
		return errors.New("the request was lost")
	}
	for i, c := range changes {
		if i > 0 && w.chance(0.1) {
			return errors.New("half of the batch was applied")
		}
		next := c.Apply(w.primary[c.Owner])
		w.logf("provider: %s becomes %s", c.Owner, words(next))
		w.turns++
		w.write(c.Owner, next, w.turns)
	}
	w.crashing("applied")
	if w.chance(0.08) {
		return errors.New("the reply was lost")
	}
	return nil
}

// --- the mail servers

func (w *world) Probe(_ context.Context, owner string, _ []string) []AddressView {
	var out []AddressView
	for _, a := range w.addresses[owner] {
		v := AddressView{Address: a.name}
		if a.hidden || w.chance(0.01) {
			v.Err = "connection timed out"
		} else {
			for _, id := range []string{a.serving, a.extra} {
				if id == "" || id == a.extra && w.rng.IntN(2) == 0 {
					continue // a lingering process is met by chance
				}
				for _, c := range w.generations[id].Chains {
					v.Served = append(v.Served, Served{Algorithm: c.Algorithm(), Chain: c})
				}
			}
		}
		out = append(out, v)
	}
	return out
}

func (w *world) bundle(id string) *Bundle {
	if id == "" {
		return nil
	}
	return w.generations[id]
}

func (w *world) Live(context.Context) (*Bundle, error)   { return w.bundle(w.live), nil }
func (w *world) Staged(context.Context) (*Bundle, error) { return w.bundle(w.staged), nil }

func (w *world) Held(context.Context) ([]*Bundle, error) {
	var out []*Bundle
	for _, b := range w.generations {
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b *Bundle) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// Switch replaces the files. A mail server may start new processes, which read
// them, at any time from now on; old processes may linger.
func (w *world) Switch(_ context.Context, id string) error {
	w.crashing("switch")
	w.logf("the files of generation %s are live", id)
	w.live = id
	for _, o := range w.owners {
		for _, a := range w.addresses[o] {
			if w.rng.IntN(3) == 0 {
				w.after(w.upTo(20*time.Second), "restart", func() { w.reread(o, a) })
			}
		}
	}
	w.crashing("switched")
	return nil
}

func (w *world) Reload(context.Context) error {
	w.crashing("reload")
	if w.chance(0.05) {
		return errors.New("reload: exit status 1")
	}
	for _, o := range w.owners {
		for _, a := range w.addresses[o] {
			if a.stubborn > 0 {
				a.stubborn--
				continue
			}
			w.after(a.delay, "reload", func() { w.reread(o, a) })
		}
	}
	w.crashing("reloaded")
	return nil
}

func (w *world) reread(owner string, a *address) {
	if a.serving == w.live {
		return
	}
	old := a.serving
	a.serving = w.live
	w.logf("%s presents generation %s", a.name, a.serving)
	if linger := max(w.policy.Settle, 0); linger > 0 && w.rng.IntN(2) == 0 {
		a.extra = old
		w.logf("%s presents %s as well, in a lingering process", a.name, old)
		w.after(w.upTo(linger), "old process ends", func() { a.extra = "" })
	}
	w.judge(owner, "reload")
}

func (w *world) Clean(_ context.Context, keep []string) error {
	for id := range w.generations {
		if slices.Contains(keep, id) {
			continue
		}
		for _, o := range w.owners {
			for _, a := range w.addresses[o] {
				if a.serving == id || a.extra == id {
					w.violate("the key of generation %s was deleted while %s presents it", id, a.name)
					return nil
				}
			}
		}
	}
	for id := range w.generations {
		if !slices.Contains(keep, id) {
			delete(w.generations, id)
		}
	}
	return nil
}

// --- the disk

func (w *world) Load(context.Context) (State, error) {
	if len(w.saved) == 0 {
		return State{}, nil
	}
	s := w.saved[len(w.saved)-1].Clone()
	s.Gap = s.Gap || w.gap
	return s, nil
}

func (w *world) Save(_ context.Context, s State) error {
	w.crashing("save")
	if w.chance(0.02) {
		return errors.New("no space left on device")
	}
	w.saved, w.gap = append(w.saved, s.Clone()), false
	w.crashing("saved")
	return nil
}

// --- chance and time

func (w *world) chance(p float64) bool { return w.faulty && w.rng.Float64() < p }

func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.rng.Int64N(int64(d) + 1)) }

// crashing ends the process here, sometimes. Time passes between steps, so
// queued events may happen in the middle of a step.
func (w *world) crashing(at string) {
	w.runUntil(w.now.Add(w.upTo(3 * time.Second)))
	if w.crash != nil && w.crash(at) {
		w.logf("crash at %s", at)
		panic(errCrash)
	}
}

// runner gives the runner of a fresh process.
func (w *world) runner(next func(State, Observation, Policy) Decision) *Runner {
	return &Runner{Owners: w.owners, Policy: w.policy, Zone: w, Nameservers: w, Endpoints: w, Certificates: w, Installer: w, Store: w,
		Now: func() time.Time { return w.now.Add(w.skew) }, Boot: func() Boot { return Boot{ID: "b", Uptime: w.now.Sub(epoch)} }, next: next, inSeries: true}
}

// once starts a process that takes steps until none is due, as `run` does,
// and survives its crash.
func (w *world) once(next func(State, Observation, Policy) Decision) (d Decision, err error) {
	defer func() {
		if e := recover(); e != nil {
			if e != errCrash {
				panic(e)
			}
			err = errCrash
		}
	}()
	for range 20 {
		d, err = w.runner(next).Once(context.Background())
		if err != nil || d.Step.Kind == DoNothing {
			return d, err
		}
		w.logf("step %s", d.Step.Kind)
	}
	return d, errors.New("no end")
}
