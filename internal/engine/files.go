package engine

import (
	"context"
	"errors"

	"github.com/tlsamgr/tlsamgr/internal/install"
	"github.com/tlsamgr/tlsamgr/internal/store"
	"github.com/tlsamgr/tlsamgr/rollover"
)

// files are the generations on disk, and the way to put one in service.
type files struct {
	dir    install.Directory
	reload install.Commands
}

func bundle(g *install.Generation) *rollover.Bundle {
	if g == nil {
		return nil
	}
	return &rollover.Bundle{ID: g.ID, Chains: g.Chains}
}

// Live gives the generation that the live link names. A damaged one is an
// error: what is served from it cannot be known.
func (f files) Live(context.Context) (*rollover.Bundle, error) {
	g, err := f.dir.Current()
	if err != nil {
		return nil, err
	}
	return bundle(g), nil
}

// Staged gives the generation that waits. A damaged one counts as none: the
// error is for whoever staged it, and the live one must be looked after still.
func (f files) Staged(context.Context) (*rollover.Bundle, error) {
	g, err := f.dir.Staged()
	if errors.Is(err, install.ErrDamaged) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return bundle(g), nil
}

func (f files) Held(context.Context) ([]*rollover.Bundle, error) {
	all, err := f.dir.All()
	if err != nil {
		return nil, err
	}
	var out []*rollover.Bundle
	for _, g := range all {
		out = append(out, bundle(&g))
	}
	return out, nil
}

func (f files) Switch(_ context.Context, generation string) error { return f.dir.Switch(generation) }

func (f files) Reload(ctx context.Context) error { return f.reload.Run(ctx) }

func (f files) Clean(_ context.Context, keep []string) error { return f.dir.Prune(keep...) }

// memory is the state of one unit in the store.
type memory struct {
	store *store.Store
	name  string
	warn  func(string)
}

func (m memory) Load(context.Context) (rollover.State, error) {
	var s rollover.State
	loaded, err := m.store.Load(m.name, &s)
	if err != nil {
		return rollover.State{}, err
	}
	if loaded.Recovered != "" {
		s.Gap = true
		if m.warn != nil {
			m.warn(loaded.Recovered)
		}
	}
	return s, nil
}

func (m memory) Save(_ context.Context, s rollover.State) error {
	return m.store.Save(m.name, s.Serial, s)
}
