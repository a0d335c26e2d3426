package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/internal/config"
	"github.com/tlsamgr/tlsamgr/internal/engine"
	"github.com/tlsamgr/tlsamgr/internal/install"
	"github.com/tlsamgr/tlsamgr/internal/store"
	"github.com/tlsamgr/tlsamgr/rollover"
)

// hookTimeout bounds what a hook does beside handing over: ACME clients wait
// for it, and the timer does the rest.
const hookTimeout = 20 * time.Second

// maxPEM bounds a certificate or key file that is handed over.
const maxPEM = 1 << 20

// stageOptions are the flags of stage and hook.
type stageOptions struct {
	certs, keys []string // pairs, in the order given
	name        string   // hook: the certificate unit
	older       bool
	exitCode    bool
}

func (o *stageOptions) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&o.certs, "cert", nil, "`FILE` with the certificate and its chain (once for each key algorithm)")
	f.StringArrayVar(&o.keys, "key", nil, "`FILE` with its private key (in the same order)")
	f.BoolVar(&o.older, "allow-older", false, "accept a certificate older than the live one")
	f.BoolVar(&o.exitCode, "exit-code", false, "exit 75 while the certificate waits")
}

func newStage(env Env, g *globals) *cobra.Command {
	var o stageOptions
	cmd := &cobra.Command{
		Use:   "stage CERT_NAME --cert FULLCHAIN --key KEY",
		Short: "Hand over a renewed certificate",
		Long: `Copies the certificate and its key under tlsamgr's own folder, publishes its
records, and returns within seconds. It becomes live when no sender can hold
records that would reject it: ` + "`tlsamgr run`" + ` sees to that.`,
		Example: "  tlsamgr stage mx1 --cert /etc/letsencrypt/live/mx1/fullchain.pem --key /etc/letsencrypt/live/mx1/privkey.pem",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return runStage(cmd.Context(), env, g, o)
		},
	}
	o.register(cmd)
	return cmd
}

func runStage(ctx context.Context, env Env, g *globals, o stageOptions) error {
	if len(o.certs) == 0 || len(o.certs) != len(o.keys) {
		return asUsage(withHint(errors.New("--cert and --key are needed, as often the one as the other"), "tlsamgr stage CERT_NAME --cert fullchain.pem --key privkey.pem"))
	}
	var pairs []install.Pair
	for i := range o.certs {
		p, err := readPair(o.certs[i], o.keys[i])
		if err != nil {
			return err
		}
		pairs = append(pairs, p)
	}
	return handOver(ctx, env, g, o, pairs)
}

// handOver stages pairs and does what can be done at once.
func handOver(ctx context.Context, env Env, g *globals, o stageOptions, pairs []install.Pair) error {
	u, err := stagingUnit(env, g, o.name, pairs[0])
	if err != nil {
		return err
	}
	if err := fit(env, g, u, o, pairs); err != nil {
		return err
	}
	generation, err := u.Files.Stage(pairs)
	if err != nil {
		return err
	}
	if !g.quiet {
		fmt.Fprintf(env.Out, "%s: generation %s is staged\n", u.Config.Name, generation.ID)
	}
	return advance(ctx, env, g, u, o.exitCode)
}

// stagingUnit gives the unit that is named, or the only one whose names the
// certificate covers.
func stagingUnit(env Env, g *globals, name string, pair install.Pair) (*engine.Unit, error) {
	if name != "" {
		return namedUnit(env, g, name)
	}
	cfg, err := loadConfig(env, g)
	if err != nil {
		return nil, err
	}
	chain, err := pair.Parse()
	if err != nil {
		return nil, err
	}
	var fits []*config.Certificate
	for _, c := range cfg.Certificates {
		if !slices.ContainsFunc(c.Names, func(n string) bool { return !chain.Covers(n) }) {
			fits = append(fits, c)
		}
	}
	if len(fits) != 1 {
		return nil, asUsage(withHint(fmt.Errorf("%d certificates of the configuration fit one for %s", len(fits), strings.Join(chain.Names(), ", ")), "name the one that is meant: tlsamgr hook CERT_NAME ..."))
	}
	return openUnit(env, g, cfg, fits[0])
}

// advance does what can be done at once. What fails here is for the timer: the
// certificate has been handed over.
func advance(ctx context.Context, env Env, g *globals, u *engine.Unit, exitCode bool) error {
	ctx, cancel := context.WithTimeout(ctx, hookTimeout)
	defer cancel()
	d, err := u.Carry(ctx, false, func(d rollover.Decision, err error) {
		if d.Step.Kind != rollover.DoNothing && err == nil && !g.quiet {
			fmt.Fprintf(env.Out, "%s: %s\n", u.Config.Name, describeStep(d.Step))
		}
	})
	if errors.Is(err, store.ErrBusy) {
		err = nil // whoever acts now will see what was staged
	}
	if err != nil {
		warner(env.Err, g)("%s: staged, and left to `tlsamgr run`: %v", u.Config.Name, err)
	}
	if !g.quiet && d.Phase != "" {
		fmt.Fprintln(env.Out, summary(u.Config.Name, d))
	}
	if exitCode && (err != nil || d.Awaiting() || d.Any(rollover.CauseHeld)) {
		return exitWith(codeLater, nil)
	}
	return nil
}

// readPair reads the files that are handed over, bounded.
func readPair(cert, key string) (install.Pair, error) {
	chain, err := readBounded(cert)
	if err != nil {
		return install.Pair{}, err
	}
	secret, err := readBounded(key)
	if err != nil {
		return install.Pair{}, err
	}
	return install.Pair{Name: cert, KeyName: key, Chain: chain, Key: secret}, nil
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(data) > maxPEM {
		return nil, fmt.Errorf("%s: larger than %d bytes", path, maxPEM)
	}
	return data, nil
}

// fit says why a certificate cannot take the place of the live one.
func fit(env Env, g *globals, u *engine.Unit, o stageOptions, pairs []install.Pair) error {
	for _, p := range pairs {
		chain, err := p.Parse()
		if err != nil {
			return err
		}
		if err := fitChain(u, chain, env.Now()); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		from, to := chain.Validity()
		if now := env.Now(); now.After(to) || now.Before(from) {
			warner(env.Err, g)("%s is valid from %s to %s only; DANE-EE does not mind, some senders do", p.Name, clock(from), clock(to))
		}
		if err := newer(u, chain); err != nil && !o.older {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return nil
}

// fitChain checks the names, and that the chain matches its own records: where
// usage 2 is published it must be valid now and hold its issuer.
func fitChain(u *engine.Unit, chain *dane.Chain, now time.Time) error {
	for _, name := range u.Config.Names {
		if !chain.Covers(name) {
			return withHint(fmt.Errorf("the certificate does not cover %s (it is for %s)", name, strings.Join(chain.Names(), ", ")),
				"is it the certificate of another host? names in [certificate.%s] says what it must cover", u.Config.Name)
		}
	}
	for _, p := range rolloverRecords(u) {
		records, err := chain.Records(p)
		if err != nil {
			return withHint(fmt.Errorf("no %s record: %w", p, err), "hand over the full chain, issuers included")
		}
		for _, ep := range u.Config.Endpoints {
			if r := dane.Rejects(records, chain, dane.Options{Names: []string{ep.Host}, Now: now}); len(r) > 0 {
				return withHint(fmt.Errorf("the chain does not match its own %s record: %s", p, r[0].Reason), "senders check dates and names where usage 2 is published")
			}
		}
	}
	return nil
}

// rolloverRecords gives the parameter combinations that are published.
func rolloverRecords(u *engine.Unit) []dane.Params {
	if len(u.Config.Policy.Records) > 0 {
		return u.Config.Policy.Records
	}
	return []dane.Params{{Usage: dane.DANEEE, Selector: dane.SPKI, Matching: dane.SHA256}}
}

// newer refuses to go backwards: a hook that runs with an old lineage must not
// bring an old certificate back.
func newer(u *engine.Unit, chain *dane.Chain) error {
	live, err := u.Files.Current()
	if err != nil || live == nil {
		return nil // Stage says what is wrong with the live folder
	}
	for _, c := range live.Chains {
		liveFrom, _ := c.Validity()
		from, _ := chain.Validity()
		if c.Algorithm() == chain.Algorithm() && from.Before(liveFrom) {
			return withHint(fmt.Errorf("older than the live certificate (valid from %s, the live one from %s)", clock(from), clock(liveFrom)), "--allow-older if that is what you want")
		}
	}
	return nil
}
