package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/tlsamgr/tlsamgr/internal/config"
	"github.com/tlsamgr/tlsamgr/internal/engine"
)

// loadConfig reads the configuration that the flags and the environment name.
// Flags win over the environment, and both over the file.
func loadConfig(env Env, g *globals) (*config.Config, error) {
	cfg, err := config.Load(g.config)
	if err != nil {
		return nil, asUsage(err)
	}
	if g.stateDir != "" {
		cfg.StateDir = g.stateDir
	}
	if g.resolver != "" {
		if cfg.Resolver, err = config.ParseServer(g.resolver); err != nil {
			return nil, asUsage(fmt.Errorf("--resolver: %w", err))
		}
	}
	warn := warner(env.Err, g)
	for _, w := range cfg.Warnings() {
		warn("%s", w)
	}
	return cfg, nil
}

// prepare does what run, plan and status begin with: it checks the format of
// the answer, loads the configuration, and finds the certificates that are meant.
func prepare(env Env, g *globals, output string, names []string) (*config.Config, []*config.Certificate, error) {
	if output != "text" && output != "json" {
		return nil, nil, usagef("unknown output format %q; text and json are known", output)
	}
	cfg, err := loadConfig(env, g)
	if err != nil {
		return nil, nil, err
	}
	certs, err := chosen(cfg, names)
	return cfg, certs, err
}

// outputFlag gives a command the choice between words and JSON.
func outputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "text", "`FORMAT` of the answer: text or json")
}

// chosen gives the certificates that the arguments name, all of them without arguments.
func chosen(cfg *config.Config, names []string) ([]*config.Certificate, error) {
	if len(names) == 0 {
		return cfg.Certificates, nil
	}
	var out []*config.Certificate
	for _, name := range names {
		c := cfg.Certificate(name)
		if c == nil {
			var known []string
			for _, c := range cfg.Certificates {
				known = append(known, c.Name)
			}
			return nil, asUsage(withHint(fmt.Errorf("no certificate is called %q", name), "the configuration has: %s", strings.Join(known, ", ")))
		}
		out = append(out, c)
	}
	return out, nil
}

// openUnit builds the unit of one certificate.
func openUnit(env Env, g *globals, cfg *config.Config, cert *config.Certificate) (*engine.Unit, error) {
	warn := warner(env.Err, g)
	return engine.Open(cfg, cert, engine.Options{Now: env.Now, Getenv: env.Getenv, Warn: func(name, text string) { warn("%s: %s", name, text) }})
}

// namedUnit loads the configuration and builds the one unit that is named.
func namedUnit(env Env, g *globals, name string) (*engine.Unit, error) {
	cfg, err := loadConfig(env, g)
	if err != nil {
		return nil, err
	}
	certs, err := chosen(cfg, []string{name})
	if err != nil {
		return nil, err
	}
	return openUnit(env, g, cfg, certs[0])
}

// parallel is how many units are looked at at the same time.
const parallel = 8

// forEach does something with every certificate, a few at a time: one that
// waits for a dead server delays no other. What went wrong is told in the order
// of the certificates, each with its name; the exit code is that of the worst.
func forEach(ctx context.Context, certs []*config.Certificate, do func(ctx context.Context, i int, cert *config.Certificate) error) error {
	errs := make([]error, len(certs))
	slots := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for i, c := range certs {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = do(ctx, i, c)
			var chosen exitError
			if errs[i] != nil && !errors.As(errs[i], &chosen) {
				errs[i] = fmt.Errorf("%s: %w", c.Name, errs[i])
			}
		})
	}
	wg.Wait()
	return together(errs)
}
