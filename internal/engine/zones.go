package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/internal/config"
	"github.com/tlsamgr/tlsamgr/internal/install"
	"github.com/tlsamgr/tlsamgr/providers"
	"github.com/tlsamgr/tlsamgr/rollover"
)

// zones sends each owner to the DNS account that holds its zone.
type zones struct {
	accounts []rollover.Zone
	of       map[string]int // owner -> account
}

func openZones(cfg *config.Config, cert *config.Certificate, opt Options) (zones, error) {
	z := zones{of: map[string]int{}}
	index := map[string]int{}
	owners, _ := ownersOf(cert)
	for _, o := range owners {
		account, _ := cfg.Account(o)
		if account == nil {
			return z, noAccount(o)
		}
		i, opened := index[account.Name]
		if !opened {
			zone, err := openAccount(cfg, account, opt)
			if err != nil {
				return z, err
			}
			i = len(z.accounts)
			index[account.Name] = i
			z.accounts = append(z.accounts, zone)
		}
		z.of[o] = i
	}
	return z, nil
}

// CheckAccounts opens every DNS account of the configuration, secrets included,
// without talking to anybody, and gives everything that is wrong with them.
func CheckAccounts(cfg *config.Config, opt Options) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(cfg.DNS)) {
		_, err := openAccount(cfg, cfg.DNS[name], opt)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// openAccount opens one DNS account. What is wrong with its settings is told
// with the line in which they are.
func openAccount(cfg *config.Config, account *config.DNS, opt Options) (providers.Zone, error) {
	options, err := account.Options(opt.Getenv)
	if err != nil {
		return nil, err // names the account and the key
	}
	zone, err := providers.Open(providers.Settings{Provider: account.Provider, Zones: account.Zones, Options: options, Run: runCommand, Now: opt.Now, Getenv: opt.Getenv})
	if err != nil {
		return nil, located(cfg, account, err)
	}
	return zone, nil
}

// located adds file and line to what is wrong with single settings.
func located(cfg *config.Config, account *config.DNS, err error) error {
	var errs []error
	parts := []error{err}
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		parts = several.Unwrap()
	}
	for _, e := range parts {
		where := fmt.Sprintf("%s:%d: dns.%s", cfg.Path, cfg.Line("dns", account.Name), account.Name)
		var option *providers.OptionError
		if errors.As(e, &option) && cfg.Line("dns", account.Name, option.Key) > 0 {
			where = fmt.Sprintf("%s:%d: dns.%s", cfg.Path, cfg.Line("dns", account.Name, option.Key), account.Name)
		}
		errs = append(errs, fmt.Errorf("%s: %w", where, e))
	}
	return errors.Join(errs...)
}

// runCommand runs a provider's command as reload commands are run. The provider
// sets the deadline.
func runCommand(ctx context.Context, argv []string) error {
	return install.Commands{Argv: [][]string{argv}}.Run(ctx)
}

// List asks each account once.
func (z zones) List(ctx context.Context, owners []string) ([]dane.RRset, error) {
	out := make([]dane.RRset, len(owners))
	for i, account := range z.accounts {
		var mine []string
		var at []int
		for j, o := range owners {
			if z.of[o] == i {
				mine, at = append(mine, o), append(at, j)
			}
		}
		sets, err := account.List(ctx, mine)
		if err != nil {
			return nil, err
		}
		if len(sets) != len(mine) {
			return nil, fmt.Errorf("the provider lists %d names of %d", len(sets), len(mine))
		}
		for k, j := range at {
			out[j] = sets[k]
		}
	}
	return out, nil
}

// Apply gives each account its changes; an account that fails does not keep
// the others from theirs.
func (z zones) Apply(ctx context.Context, changes []dane.Change) error {
	var errs []error
	for i, account := range z.accounts {
		var mine []dane.Change
		for _, c := range changes {
			if z.of[c.Owner] == i {
				mine = append(mine, c)
			}
		}
		if len(mine) > 0 {
			errs = append(errs, account.Apply(ctx, mine))
		}
	}
	return errors.Join(errs...)
}
