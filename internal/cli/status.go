package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/tlsamgr/tlsamgr/internal/config"
	"github.com/tlsamgr/tlsamgr/internal/engine"
	"github.com/tlsamgr/tlsamgr/internal/install"
)

func newStatus(env Env, g *globals) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status [CERT_NAME...]",
		Short: "What is live, published, believed and awaited",
		Long: `Says what the last look has found, without looking again: which generation is
live and which is staged, what is served and what senders may still believe,
and what is awaited: from which server or address, since when and until when.
` + "`tlsamgr plan`" + ` looks anew.`,
		Example: "  tlsamgr status\n  tlsamgr status mx1 -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return runStatus(cmd.Context(), env, g, output, args)
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

func runStatus(ctx context.Context, env Env, g *globals, output string, args []string) error {
	cfg, certs, err := prepare(env, g, output, args)
	if err != nil {
		return err
	}
	reports := make([]statusReport, len(certs))
	err = forEach(ctx, certs, func(ctx context.Context, i int, cert *config.Certificate) error {
		reports[i] = statusReport{Certificate: cert.Name}
		err := statusOf(ctx, env, g, cfg, cert, &reports[i])
		if err != nil {
			reports[i].Error = err.Error()
		}
		return err
	})
	if output == "json" {
		writeJSON(env.Out, reports)
		return err
	}
	for _, r := range reports {
		if r.Error == "" {
			writeStatus(env.Out, r)
		}
	}
	return err
}

// statusOf fills the report of one certificate from the disk alone.
func statusOf(ctx context.Context, env Env, g *globals, cfg *config.Config, cert *config.Certificate, r *statusReport) error {
	u, err := openUnit(env, g, cfg, cert)
	if err != nil {
		return err
	}
	s, err := u.State(ctx)
	if err != nil {
		return err
	}
	if err := r.generations(u); err != nil {
		return err
	}
	r.Phase, r.Seen, r.Wake, r.Why = s.Phase, s.Seen, s.Wake, s.Why
	r.Owners = ownersOf(s, cert.Policy, env.Now())
	return nil
}

// generations notes what is live and staged. A damaged generation is named by
// its number: status must say what it can.
func (r *statusReport) generations(u *engine.Unit) error {
	live, err := u.Files.Current()
	if err != nil && !errors.Is(err, install.ErrDamaged) {
		return err
	}
	staged, err := u.Files.Staged()
	if err != nil && !errors.Is(err, install.ErrDamaged) {
		return err
	}
	r.Live = generationOf(live)
	if staged != nil && (live == nil || staged.ID != live.ID) {
		r.Staged = generationOf(staged)
	}
	return nil
}
