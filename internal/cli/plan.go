package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tlsamgr/tlsamgr/internal/config"
	"github.com/tlsamgr/tlsamgr/internal/engine"
	"github.com/tlsamgr/tlsamgr/rollover"
)

func newPlan(env Env, g *globals) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "plan [CERT_NAME...]",
		Short:   "Say what run would do now, why, and when the next step is due",
		Long:    "Looks at everything that run looks at and changes nothing: neither the DNS, nor files, nor what is remembered.",
		Example: "  tlsamgr plan\n  tlsamgr plan mx1 -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return runPlan(cmd.Context(), env, g, output, args)
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

func runPlan(ctx context.Context, env Env, g *globals, output string, args []string) error {
	cfg, certs, err := prepare(env, g, output, args)
	if err != nil {
		return err
	}
	reports := make([]unitReport, len(certs))
	err = forEach(ctx, certs, func(ctx context.Context, i int, cert *config.Certificate) error {
		reports[i].Certificate = cert.Name
		u, err := openUnit(env, g, cfg, cert)
		if err == nil {
			reports[i].Decision, err = u.Runner.Plan(ctx)
		}
		if err == nil && reports[i].Any(rollover.CauseFailing) {
			return exitWith(codeWouldFail, nil)
		}
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
			writeDecision(env.Out, r.Certificate, r.Decision)
		}
	}
	return err
}

func newGate(env Env, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "gate CERT_NAME",
		Short: "Exit 0 when the next certificate may be deployed now, 75 when not yet",
		Long: `For systemd's ExecCondition= and the pre-hooks of ACME clients: exit code 0 when
nothing is staged or the staged certificate may be served now, and 75 while
some sender may still hold records that would reject it.`,
		Example: "  tlsamgr gate mx1 && systemctl start deploy-mx1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			u, err := namedUnit(env, g, args[0])
			if err != nil {
				return err
			}
			return runGate(cmd.Context(), env, g, u)
		},
	}
}

func runGate(ctx context.Context, env Env, g *globals, u *engine.Unit) error {
	staged, err := u.Files.Staged()
	if err != nil {
		return err
	}
	live, err := u.Files.Current()
	if err != nil {
		return err
	}
	if staged == nil || live != nil && live.ID == staged.ID {
		return nil
	}
	d, err := u.Runner.Plan(ctx)
	if err != nil {
		return err
	}
	if d.Step.Kind == rollover.DoSwap {
		return nil
	}
	if !g.quiet {
		fmt.Fprintf(env.Err, "tlsamgr: not yet: %s\n", strings.TrimPrefix(summary(u.Config.Name, d), u.Config.Name+": "))
	}
	return exitWith(codeLater, nil)
}
