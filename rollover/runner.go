package rollover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// Zone is the TLSA RRsets at a DNS provider.
type Zone interface {
	// List gives one RRset for each owner asked for, in that order, without
	// records where there is none.
	List(ctx context.Context, owners []string) ([]dane.RRset, error)
	// Apply adds and removes single records. It is idempotent, keeps records
	// that the changes do not name, and never leaves an RRset empty in between.
	Apply(ctx context.Context, changes []dane.Change) error
}

// Nameservers is the DNS as the world sees it.
type Nameservers interface {
	// Ask puts the question to every address of every authoritative server of
	// the owner's zone and validates the name. A server that does not answer is
	// part of the view, not an error.
	Ask(ctx context.Context, owner string) NameView
}

// Endpoints are the mail servers.
type Endpoints interface {
	// Probe makes fresh connections to every address behind an owner name, one
	// for each algorithm ("" lets the server choose). What fails is part of the view.
	Probe(ctx context.Context, owner string, algorithms []string) []AddressView
}

// Certificates are the generations on disk.
type Certificates interface {
	// Live and Staged give nil when there is none.
	Live(ctx context.Context) (*Bundle, error)
	Staged(ctx context.Context) (*Bundle, error)
	Held(ctx context.Context) ([]*Bundle, error)
}

// Installer puts a generation in front of the mail server. Every method is idempotent.
type Installer interface {
	Switch(ctx context.Context, generation string) error
	Reload(ctx context.Context) error
	Clean(ctx context.Context, keep []string) error
}

// Store keeps the state. Save returns only when the state would survive a crash.
type Store interface {
	Load(ctx context.Context) (State, error)
	Save(ctx context.Context, s State) error
}

// stale is the age from which on an observation is made again before a step
// that cannot be taken back: the process may have been asleep.
const stale = 2 * time.Minute

// watch is how long Run keeps looking after a swap without being asked to
// wait, so that a swap that breaks the service is taken back at once.
const watch = 30 * time.Second

// maxSteps bounds the steps of one Run; a rollover has about six.
const maxSteps = 50

// Runner carries one certificate unit forward. All fields must be set.
type Runner struct {
	Owners       []string // owner names, absolute and lower case
	Policy       Policy
	Zone         Zone
	Nameservers  Nameservers
	Endpoints    Endpoints
	Certificates Certificates
	Installer    Installer
	Store        Store
	Now          func() time.Time // the wall clock
	Boot         func() Boot      // the boot clock

	next     func(State, Observation, Policy) Decision // Next, unless a test plants a fault
	inSeries bool                                      // look at one thing after the other, for tests that must repeat themselves
}

// Plan says what Once would do now. It changes nothing.
func (r *Runner) Plan(ctx context.Context) (Decision, error) {
	s, err := r.Store.Load(ctx)
	if err != nil {
		return Decision{}, err
	}
	o, err := r.observe(ctx, s)
	if err != nil {
		return Decision{}, err
	}
	return r.ask(s, o), nil
}

// Once observes, asks Next, saves, and does one step. The decision is returned
// together with the error of the step, if it had one.
func (r *Runner) Once(ctx context.Context) (Decision, error) {
	s, err := r.Store.Load(ctx)
	if err != nil {
		return Decision{}, err
	}
	o, err := r.observe(ctx, s)
	if err != nil {
		return Decision{}, err
	}
	d := r.ask(s, o)
	d.State.Serial = s.Serial + 1
	// Nothing is done whose intent could not be saved.
	if err := r.Store.Save(ctx, d.State); err != nil {
		return d, fmt.Errorf("nothing was done: %w", err)
	}
	if d.Step.Kind == DoNothing {
		return d, nil
	}
	if age := r.Now().Round(0).Sub(o.Now); age > stale || age < 0 {
		return d, fmt.Errorf("nothing was done: %s passed between looking and acting", age.Round(time.Second))
	}
	stepErr := r.do(ctx, d.Step)
	after := Applied(d.State, d.Step, r.Now(), stepErr)
	after.Serial++
	d.State = after
	if err := r.Store.Save(context.WithoutCancel(ctx), after); err != nil {
		return d, errors.Join(stepErr, err)
	}
	return d, stepErr
}

func (r *Runner) ask(s State, o Observation) Decision {
	if r.next != nil {
		return r.next(s, o, r.Policy)
	}
	return Next(s, o, r.Policy)
}

// Run takes every step that is safe now and returns the last decision. After
// each look it calls report, which may be nil. It does not wait for anything
// but the proof of a swap that it has just made. The first error ends it.
func (r *Runner) Run(ctx context.Context, report func(Decision, error)) (Decision, error) {
	for range maxSteps {
		d, err := r.Once(ctx)
		if report != nil {
			report(d, err)
		}
		if err != nil || ctx.Err() != nil {
			return d, err
		}
		if d.Step.Kind != DoNothing {
			continue
		}
		if !r.watching(d) {
			return d, nil
		}
		if err := Sleep(ctx, d.Wake.Sub(r.Now())); err != nil {
			return d, err
		}
	}
	return Decision{}, fmt.Errorf("no end after %d steps: something undoes what is done", maxSteps)
}

// watching says whether a swap was made so recently that its proof is awaited:
// by an address that worked before, and might not any more.
func (r *Runner) watching(d Decision) bool {
	sw := d.State.Swap
	return d.Phase == Proving && len(sw.Worked) > 0 && sw.Proven.IsZero() && r.Now().Sub(sw.Tried) < watch
}

// Awaiting says whether time or the world will bring this further by itself.
func (d Decision) Awaiting() bool { return slices.ContainsFunc(d.Why, Reason.Awaited) }

// Sleep waits, but never longer than a minute: the wall clock may be set
// meanwhile, and the world may change.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(min(max(d, 10*time.Millisecond), time.Minute))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// do carries out one step.
func (r *Runner) do(ctx context.Context, s Step) error {
	switch s.Kind {
	case DoPublish, DoRetire:
		if err := r.Zone.Apply(ctx, s.Changes); err != nil {
			return fmt.Errorf("%s %s: %w", s.Kind, s.Changes[0].Owner, err)
		}
		return nil
	case DoSwap, DoReturn:
		if err := r.Installer.Switch(ctx, s.Generation); err != nil {
			return fmt.Errorf("%s to generation %s: %w", s.Kind, s.Generation, err)
		}
		return r.Installer.Reload(ctx)
	case DoReload:
		return r.Installer.Reload(ctx)
	case DoClean:
		return r.Installer.Clean(ctx, s.Keep)
	}
	return fmt.Errorf("unknown step %q", s.Kind)
}

// Applied notes in the state how a step ended. The effect itself is only
// believed when it is observed.
func Applied(s State, step Step, now time.Time, err error) State {
	s = s.Clone()
	switch step.Kind {
	case DoSwap, DoReload, DoReturn:
		s.Swap.Tried = now
		s.Swap.Reloads++
		if err == nil {
			s.Swap.Reloaded = now
		}
	}
	return s
}

// observe measures everything anew. Only the files of this machine can make
// it fail; everything else is part of the view.
func (r *Runner) observe(ctx context.Context, s State) (Observation, error) {
	o := Observation{Owners: make([]OwnerView, len(r.Owners))}
	if err := r.readFiles(ctx, &o); err != nil {
		return o, err
	}
	looks := []func(){func() { r.list(ctx, o.Owners) }}
	for i, name := range r.Owners {
		o.Owners[i].Owner = name
		looks = append(looks,
			func() { o.Owners[i].Names = r.Nameservers.Ask(ctx, name) },
			func() { o.Owners[i].Addresses = r.Endpoints.Probe(ctx, name, algorithms(o.Live, o.Staged)) })
	}
	for _, m := range s.Owners {
		if !slices.Contains(r.Owners, m.Owner) {
			o.Former = append(o.Former, FormerView{Owner: m.Owner})
		}
	}
	for i := range o.Former {
		looks = append(looks, func() { o.Former[i].Names = r.Nameservers.Ask(ctx, o.Former[i].Owner) })
	}
	r.all(looks)
	if err := ctx.Err(); err != nil {
		return o, err
	}
	// Wall clock only: the monotonic one stands still while the machine sleeps.
	o.Now, o.Boot = r.Now().Round(0).UTC(), r.Boot()
	return o, nil
}

// readFiles finds out which generations are on disk.
func (r *Runner) readFiles(ctx context.Context, o *Observation) (err error) {
	if o.Live, err = r.Certificates.Live(ctx); err != nil {
		return err
	}
	if o.Staged, err = r.Certificates.Staged(ctx); err != nil {
		return err
	}
	o.Held, err = r.Certificates.Held(ctx)
	return err
}

// all runs functions at the same time.
func (r *Runner) all(looks []func()) {
	if r.inSeries {
		for _, look := range looks {
			look()
		}
		return
	}
	var wg sync.WaitGroup
	for _, look := range looks {
		wg.Go(look)
	}
	wg.Wait()
}

func (r *Runner) list(ctx context.Context, owners []OwnerView) {
	sets, err := r.Zone.List(ctx, r.Owners)
	if err == nil && len(sets) != len(owners) {
		err = fmt.Errorf("%d RRsets for %d names", len(sets), len(owners))
	}
	for i := range owners {
		if err != nil {
			owners[i].Listed.Err = err.Error()
			continue
		}
		owners[i].Listed = Listing{Records: dane.SortRecords(sets[i].Records), TTL: time.Duration(sets[i].TTL) * time.Second}
	}
}

// algorithms gives the key algorithms to ask for: each one where there are
// several, else whatever the server chooses.
func algorithms(bundles ...*Bundle) []string {
	var out []string
	for _, b := range bundles {
		if b == nil {
			continue
		}
		for _, c := range b.Chains {
			found := false
			for _, a := range out {
				found = found || a == c.Algorithm()
			}
			if !found {
				out = append(out, c.Algorithm())
			}
		}
	}
	if len(out) < 2 {
		return []string{""}
	}
	return out
}
