package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tlsamgr/tlsamgr/internal/engine"
)

func newAbort(env Env, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "abort CERT_NAME",
		Short: "Drop what is staged and return to what is live",
		Long: `Forgets the staged certificate, if it is not live yet, and removes its records
as soon as that is safe. What is live stays live.`,
		Example: "  tlsamgr abort mx1",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runAbort(cmd.Context(), env, g, args[0]) },
	}
}

func runAbort(ctx context.Context, env Env, g *globals, name string) error {
	u, err := namedUnit(env, g, name)
	if err != nil {
		return err
	}
	release, err := u.Lock(ctx)
	if err != nil {
		return busy(err)
	}
	staged, err := u.Files.Staged()
	if err == nil && staged != nil {
		live, liveErr := u.Files.Current()
		if liveErr == nil && live != nil && live.ID == staged.ID {
			release()
			fmt.Fprintf(env.Out, "%s: nothing is staged: generation %s is live already\n", name, live.ID)
			return nil
		}
	}
	// A damaged generation can be dropped as well as a good one.
	err = u.Files.Unstage()
	release()
	if err != nil {
		return err
	}
	if staged == nil {
		fmt.Fprintf(env.Out, "%s: nothing was staged\n", name)
		return nil
	}
	fmt.Fprintf(env.Out, "%s: generation %s is no longer staged\n", name, staged.ID)
	return advance(ctx, env, g, u, false)
}

func newAdopt(env Env, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "adopt CERT_NAME",
		Short: "Take over records that are already published",
		Long: `Makes the TLSA records that the DNS provider lists for this certificate's
endpoints tlsamgr's own, so that it removes them when no chain needs them.
Without it, records that tlsamgr did not publish are never touched.`,
		Example: "  tlsamgr adopt mx1",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runAdopt(cmd.Context(), env, g, args[0]) },
	}
}

func runAdopt(ctx context.Context, env Env, g *globals, name string) error {
	u, err := namedUnit(env, g, name)
	if err != nil {
		return err
	}
	release, err := u.Lock(ctx)
	if err != nil {
		return busy(err)
	}
	defer release()
	sets, err := u.Runner.Zone.List(ctx, u.Runner.Owners)
	if err != nil {
		return err
	}
	s, err := u.State(ctx)
	if err != nil {
		return err
	}
	for _, set := range sets {
		s.Adopt(set.Owner, set.Records)
		for _, r := range set.Records {
			fmt.Fprintf(env.Out, "%s %d IN TLSA %s\n", set.Owner, set.TTL, r)
		}
	}
	return u.Save(ctx, s)
}

func newConfig(env Env, g *globals) *cobra.Command {
	group := &cobra.Command{Use: "config", Short: "Look at the configuration", RunE: group}
	group.AddCommand(&cobra.Command{
		Use:     "check",
		Short:   "Every problem in the file, each with its line",
		Example: "  tlsamgr --config tlsamgr.toml config check",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return runConfigCheck(env, g) },
	})
	return group
}

// runConfigCheck also opens what the configuration names: a secret that cannot
// be read or an option that a provider does not know is a problem of the file.
func runConfigCheck(env Env, g *globals) error {
	cfg, err := loadConfig(env, g)
	if err != nil {
		return err
	}
	if err := engine.CheckAccounts(cfg, engine.Options{Now: env.Now, Getenv: env.Getenv}); err != nil {
		return asUsage(err)
	}
	if !g.quiet {
		fmt.Fprintf(env.Out, "%s: no problems; certificates: %d, DNS accounts: %d\n", cfg.Path, len(cfg.Certificates), len(cfg.DNS))
	}
	return nil
}
