// Package engine wires the wings to the runner: for one certificate of the
// configuration it builds the rollover.Runner whose eyes are package check,
// whose hands are a DNS provider and the live directory, and whose memory is a
// file in the state folder.
package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tlsamgr/tlsamgr/check"
	"github.com/tlsamgr/tlsamgr/internal/config"
	"github.com/tlsamgr/tlsamgr/internal/install"
	"github.com/tlsamgr/tlsamgr/internal/store"
	"github.com/tlsamgr/tlsamgr/rollover"
)

// Timeouts of one question and of one handshake.
const (
	resolverTimeout  = 5 * time.Second
	handshakeTimeout = 10 * time.Second
)

// Unit is one certificate unit, ready to be looked at and carried forward.
type Unit struct {
	Config   *config.Certificate
	Runner   *rollover.Runner
	Files    install.Directory
	Resolver *check.Resolver

	store *store.Store
}

// Options are what the command line may set beside the configuration.
type Options struct {
	Now    func() time.Time
	Getenv func(string) string            // where secrets may be
	Zone   rollover.Zone                  // instead of the configured accounts; nil: these
	Warn   func(certificate, text string) // told what a person should know, once
}

// Open builds a unit. It reads the settings of the DNS accounts, secrets
// included, but asks nobody anything yet.
func Open(cfg *config.Config, cert *config.Certificate, o Options) (*Unit, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	st, err := store.Open(cfg.StateDir)
	if err != nil {
		return nil, err
	}
	if err := makeLiveFolder(cfg.StateDir, cert.LiveDir); err != nil {
		return nil, err
	}
	zone := o.Zone
	if zone == nil {
		if zone, err = openZones(cfg, cert, o); err != nil {
			return nil, err
		}
	}
	address, err := resolverOf(cfg)
	if err != nil {
		return nil, err
	}
	resolver := &check.Resolver{Address: address, Timeout: resolverTimeout}
	u := &Unit{Config: cert, Resolver: resolver, store: st,
		Files: install.Directory{Root: filepath.Join(cfg.StateDir, "certs", cert.Name), Live: cert.LiveDir, Owner: cert.Owner, Group: cert.Group}}
	disk := files{dir: u.Files, reload: install.Commands{Argv: cert.Reload, Timeout: cert.ReloadTimeout}}
	owners, byOwner := ownersOf(cert)
	u.Runner = &rollover.Runner{
		Owners: owners, Policy: cert.Policy, Zone: zone,
		Nameservers:  names{resolver: resolver, watched: watchedBy(cfg), zones: zonesOf(cfg), now: o.Now},
		Endpoints:    endpoints{resolver: resolver, prober: &check.Prober{Timeout: handshakeTimeout}, byOwner: byOwner},
		Certificates: disk, Installer: disk,
		Store: memory{store: st, name: cert.Name, warn: func(text string) {
			if o.Warn != nil {
				o.Warn(cert.Name, text)
			}
		}},
		Now: o.Now, Boot: bootClock,
	}
	return u, nil
}

// makeLiveFolder makes the folder of the live link where it lies below the
// state folder. Elsewhere it is the operator's.
func makeLiveFolder(stateDir, live string) error {
	parent := filepath.Dir(live)
	if !strings.HasPrefix(parent, stateDir+"/") {
		return nil
	}
	// Mail servers that read the files as their own user must get through.
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("folder of live_dir: %w", err)
	}
	return nil
}

// Lock makes this process the only one that acts on the unit. Errors match
// store.ErrBusy while another one does.
func (u *Unit) Lock(ctx context.Context) (release func(), err error) {
	return u.store.Lock(ctx, u.Config.Name)
}

// State gives what is remembered about the unit, without looking at the world.
func (u *Unit) State(ctx context.Context) (rollover.State, error) {
	return u.Runner.Store.Load(ctx)
}

// Save changes what is remembered. The caller holds the lock.
func (u *Unit) Save(ctx context.Context, s rollover.State) error {
	s.Serial++
	return u.Runner.Store.Save(ctx, s)
}

// Carry takes every step that is safe now, and, when it is to wait, those that
// become safe later, until nothing is left to do or only a person can help.
// The lock is held while something is looked at and done, not in between.
func (u *Unit) Carry(ctx context.Context, wait bool, report func(rollover.Decision, error)) (rollover.Decision, error) {
	for {
		release, err := u.Lock(ctx)
		if err != nil {
			return rollover.Decision{}, err
		}
		d, err := u.Runner.Run(ctx, report)
		release()
		if !wait || ctx.Err() != nil || err == nil && !d.Awaiting() {
			return d, err
		}
		pause := time.Minute
		if err == nil {
			pause = d.Wake.Sub(u.Runner.Now())
		}
		if err := rollover.Sleep(ctx, pause); err != nil {
			return d, err
		}
	}
}

// ownersOf gives the owner names of a unit, sorted, and the endpoints of each.
func ownersOf(cert *config.Certificate) ([]string, map[string][]config.Endpoint) {
	byOwner := map[string][]config.Endpoint{}
	var owners []string
	for _, ep := range cert.Endpoints {
		o := ep.Owner()
		if byOwner[o] == nil {
			owners = append(owners, o)
		}
		byOwner[o] = append(byOwner[o], ep)
	}
	slices.Sort(owners)
	return owners, byOwner
}

// watchedBy gives the servers that the configuration wants to be watched
// instead of those in the zone's NS records.
func watchedBy(cfg *config.Config) func(owner string) []string {
	return func(owner string) []string {
		account, _ := cfg.Account(owner)
		if account == nil {
			return nil
		}
		return account.Nameservers
	}
}

// zonesOf gives every zone of the configuration, sorted.
func zonesOf(cfg *config.Config) []string {
	var out []string
	for _, account := range cfg.DNS {
		out = append(out, account.Zones...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func noAccount(owner string) error {
	return fmt.Errorf("no [dns.*] account has a zone that holds %s", owner)
}
