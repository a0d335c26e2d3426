package cli

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tlsamgr/tlsamgr/internal/demo"
)

func newDemo(env Env, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Watch a whole rollover on this machine, in less than a minute",
		Long: `Carries a first certificate, a change of key and a renewal through, while
senders that insist on DANE never stop, and then does a change of key in the
naive order for contrast. The signed zone, its name servers, the mail server, the
certificate authority and the senders are small ones inside this process; the
rest is what runs in earnest. It needs no account, no root and no network beyond
loopback addresses, and leaves nothing behind.`,
		Example: "  tlsamgr demo",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// A closed pipe or terminal must end the show, not the process: there
			// is a folder to be removed.
			signal.Ignore(syscall.SIGPIPE)
			defer signal.Reset(syscall.SIGPIPE)
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP)
			defer stop()
			return demo.Run(ctx, env.Out, demoOptions(env, g))
		},
	}
}

// demoOptions finds out what stdout can show.
func demoOptions(env Env, g *globals) demo.Options {
	f, ok := env.Out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || env.Getenv("TERM") == "dumb" {
		return demo.Options{}
	}
	return demo.Options{Terminal: true, Color: !g.noColor && env.Getenv("NO_COLOR") == ""}
}
