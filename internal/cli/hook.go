package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tlsamgr/tlsamgr/internal/hook"
	"github.com/tlsamgr/tlsamgr/internal/install"
)

func newHook(env Env, g *globals) *cobra.Command {
	var o stageOptions
	var from string
	cmd := &cobra.Command{
		Use:   "hook [--from CLIENT] [ARGS...]",
		Short: "The same as stage, for the hook of an ACME client",
		Long: `Stages the certificate that an ACME client has obtained, and returns within
seconds. It finds out by itself who called: certbot, lego, acme.sh or
dehydrated; for others there are --cert and --key. It never asks anything,
prints no key, and leaves the waiting to ` + "`tlsamgr run`" + `. Without --name it is for
the certificate of the configuration whose names it covers.`,
		Example: `  certbot renew --deploy-hook 'tlsamgr hook'
  lego ... renew --renew-hook 'tlsamgr hook'
  acme.sh --install-cert -d mx1.example.com --reloadcmd 'tlsamgr hook'
  tlsamgr hook --name mx1 --cert fullchain.pem --key privkey.pem`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(o.certs)+len(o.keys) > 0 && from == "" {
				if err := nameOf(&o, args); err != nil {
					return err
				}
				return runStage(cmd.Context(), env, g, o)
			}
			return runHook(cmd.Context(), env, g, o, from, args)
		},
	}
	o.register(cmd)
	cmd.Flags().StringVar(&o.name, "name", "", "`CERT_NAME` in the configuration (default: the one whose names it covers)")
	cmd.Flags().StringVar(&from, "from", "", "the `CLIENT` that calls: "+strings.Join(hook.Clients(), ", ")+" (default: found out)")
	return cmd
}

// nameOf takes the name of the certificate from the arguments, unless a flag
// has it.
func nameOf(o *stageOptions, args []string) error {
	if len(args) > 1 || len(args) == 1 && o.name != "" {
		return usagef("one certificate name at most, not also %q", args[len(args)-1])
	}
	if len(args) == 1 {
		o.name = args[0]
	}
	return nil
}

// runHook stages what the client that called hands over.
func runHook(ctx context.Context, env Env, g *globals, o stageOptions, from string, args []string) error {
	h, err := hook.Detect(from, args, env.Getenv)
	if errors.Is(err, hook.ErrNobody) {
		err = withHint(err, "name the files: tlsamgr hook --cert fullchain.pem --key privkey.pem; or the client: --from %s", strings.Join(hook.Clients(), "|"))
	}
	if err != nil {
		return asUsage(err)
	}
	if err := nameOf(&o, h.Args); err != nil {
		return err
	}
	if h.Empty() {
		return nil
	}
	pair, err := readHandover(h)
	if err != nil {
		return err
	}
	return handOver(ctx, env, g, o, []install.Pair{pair})
}

// readHandover reads the files of a client. Where it keeps the issuers apart,
// they are put behind a certificate that comes alone.
func readHandover(h hook.Handover) (install.Pair, error) {
	pair, err := readPair(h.Cert, h.Key)
	if errors.Is(err, fs.ErrNotExist) {
		err = withHint(fmt.Errorf("%s handed over a file that is not there: %w", h.Client, err),
			"a client that was given a CSR has no key: hand its certificate over with tlsamgr stage --cert and --key")
	}
	if err != nil {
		return pair, err
	}
	if h.Issuer != "" && bytes.Count(pair.Chain, []byte("-----BEGIN CERTIFICATE-----")) == 1 {
		issuers, err := readBounded(h.Issuer)
		if err != nil {
			return pair, err
		}
		pair.Chain = append(append(pair.Chain, '\n'), issuers...)
	}
	return pair, nil
}
