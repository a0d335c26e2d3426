// Package cli is the command line: what people and scripts see of tlsamgr. The
// commands are thin: they read flags, ask the packages that know, and print.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// defaultConfig is where the configuration lies unless somebody says otherwise.
const defaultConfig = "/etc/tlsamgr/tlsamgr.toml"

// globals are the flags that every command knows.
type globals struct {
	config   string // path of tlsamgr.toml
	stateDir string // empty: as the configuration has it
	resolver string // ADDR[:PORT]; empty: as the configuration has it
	verbose  bool
	quiet    bool
	noColor  bool
}

// command is one entry of the program's list of commands.
type command struct {
	name string
	make func(Env, *globals) *cobra.Command
}

// commands lists what the program can do, in the order of its help.
func commands() []command {
	return []command{
		{"generate", newGenerate},
		{"stage", newStage},
		{"hook", newHook},
		{"plan", newPlan},
		{"run", newRun},
		{"status", newStatus},
		{"gate", newGate},
		{"abort", newAbort},
		{"adopt", newAdopt},
		{"config", newConfig},
		{"demo", newDemo},
		{"version", newVersion},
	}
}

// Run runs the command line without the program's name and gives the exit code.
func Run(ctx context.Context, env Env, args []string) int {
	if len(args) > 0 && !mayDie(args[0]) {
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
	}
	var started bool
	root := newRoot(env, args)
	mark(root, &started)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && !started && exitCode(err) == codeError {
		// cobra has no type for what is wrong with a command line.
		err = usageError{hinted(err, "`"+pathOf(root, args)+" --help` shows how")}
	}
	if err != nil {
		printError(env.Err, err)
	}
	return exitCode(err)
}

// mayDie says whether a command may simply be killed by a signal, because it
// has nothing to clean up. To handle signals takes threads, and those take a
// tenth of the time that such a command needs.
func mayDie(name string) bool { return name == "generate" || name == "version" }

// newRoot builds the command tree. When the first argument names a command,
// only that one is built: the others would double the time that a command like
// `tlsamgr generate cert.pem` takes to start.
func newRoot(env Env, args []string) *cobra.Command {
	g := &globals{}
	root := &cobra.Command{
		Use:           "tlsamgr",
		Short:         "TLSA records for mail servers, and key rollovers that no sender notices",
		SilenceErrors: true,
		SilenceUsage:  true,
		// A root that does not run prints its help and exits 0, which is not what
		// a misspelt line in a timer should get.
		Args:                       cobra.ArbitraryArgs,
		RunE:                       group,
		SuggestionsMinimumDistance: 2,
	}
	root.SetIn(env.In)
	root.SetOut(env.Out)
	root.SetErr(env.Err)
	g.register(root, env)
	list := commands()
	for _, c := range list {
		if len(args) > 0 && args[0] == c.name {
			root.CompletionOptions.DisableDefaultCmd = true
			root.AddCommand(c.make(env, g))
			return root
		}
	}
	for _, c := range list {
		root.AddCommand(c.make(env, g))
	}
	root.SetHelpCommand(newHelp(root))
	root.InitDefaultCompletionCmd(args...)
	groupCompletion(root)
	return root
}

func (g *globals) register(root *cobra.Command, env Env) {
	f := root.PersistentFlags()
	f.StringVar(&g.config, "config", cmp.Or(env.Getenv("TLSAMGR_CONFIG"), defaultConfig), "configuration `FILE` (also: TLSAMGR_CONFIG)")
	f.StringVar(&g.stateDir, "state-dir", "", "folder of what is remembered (default: as configured)")
	f.StringVar(&g.resolver, "resolver", "", "validating resolver, `ADDR[:PORT]` (default: as configured)")
	f.BoolVarP(&g.verbose, "verbose", "v", false, "say more")
	f.BoolVarP(&g.quiet, "quiet", "q", false, "say less: errors only")
	f.BoolVar(&g.noColor, "no-color", false, "no colours (also: NO_COLOR)")
}

// group is what a command group runs: its verb is missing or misspelt.
func group(cmd *cobra.Command, args []string) error {
	err, hint := errors.New("a command is missing"), "`"+cmd.CommandPath()+" --help` lists the commands"
	if len(args) > 0 {
		err = fmt.Errorf("there is no command %q", cmd.CommandPath()+" "+args[0])
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = "did you mean " + strings.Join(near, " or ") + "?"
		}
	}
	return usageError{hinted(err, hint)}
}

// newHelp is cobra's help command, but for an exit code when there is nothing
// to help with.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about a command",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return group(root, args)
			}
			return cmd.Help()
		},
	}
}

// groupCompletion makes cobra's completion command a group like ours.
func groupCompletion(root *cobra.Command) {
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Args, c.RunE, c.SuggestionsMinimumDistance = cobra.ArbitraryArgs, group, 2
		}
	}
}

// mark makes every command note that its own code was reached: errors before
// that are mistakes in the command line.
func mark(cmd *cobra.Command, started *bool) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*started = true
			return run(cmd, args)
		}
	}
	for _, c := range cmd.Commands() {
		mark(c, started)
	}
}

// pathOf names the command that the arguments mean, as far as it exists.
func pathOf(root *cobra.Command, args []string) string {
	if cmd, _, err := root.Find(args); err == nil {
		return cmd.CommandPath()
	}
	return root.Name()
}
