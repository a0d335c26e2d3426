package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/generate"
)

// generateOptions are the flags of generate, as they were typed.
type generateOptions struct {
	from      string
	starttls  string
	hosts     []string
	ports     []string
	protocol  string
	records   []string
	usage     string
	selector  string
	matching  string
	allowPKIX bool
	key       string
	ttl       string
	output    string
	folders   bool
	maxSize   string
}

func newGenerate(env Env, g *globals) *cobra.Command {
	o := &generateOptions{}
	cmd := &cobra.Command{
		Use:   "generate [FILE | -]...",
		Short: "Certificates in, TLSA records out",
		Long: `Makes TLSA records of certificates: "3 1 1" of each server's certificate and
"2 1 1" of every CA above it in the file. Reads PEM and DER: certificates, chains
and bundles in any order, PKCS#7, chain files with keys; a private key, public key
or certificate request alone gives the records of a key that is yet to be used.

A damaged file gives no records at all. With several files the good ones are
printed all the same, and the exit code is 1.`,
		Example: `  tlsamgr generate fullchain.pem
  tlsamgr generate --host mx1.example.com --record 311 --key key.pem cert.pem
  tlsamgr generate -r -o nsupdate certificates`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return runGenerate(cmd.Context(), env, g, o, args) },
	}
	o.register(cmd)
	return cmd
}

func (o *generateOptions) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.from, "from", "", "ask a live server instead of a file: `HOST[:PORT]`")
	f.StringVar(&o.starttls, "starttls", "", "how the server comes to TLS: smtp, submission or none (default: by its port)")
	f.StringSliceVar(&o.hosts, "host", nil, "`NAME` of a server (default: the DNS names in its certificate)")
	f.StringSliceVar(&o.ports, "port", nil, "`NUMBER` of a port (default 25)")
	f.StringVar(&o.protocol, "proto", "tcp", "transport: tcp, udp or sctp")
	f.StringArrayVar(&o.records, "record", nil, "`SPEC` of a record: '3 1 1', 311 or 'dane-ee spki sha2-256' (default 311 and 211)")
	f.StringVar(&o.usage, "usage", "", "certificate usage: `NUMBER` or word")
	f.StringVar(&o.selector, "selector", "", "selector: `NUMBER` or word")
	f.StringVar(&o.matching, "matching-type", "", "matching type: `NUMBER` or word")
	f.BoolVar(&o.allowPKIX, "allow-pkix", false, "usages 0 and 1 for port 25, where no sender uses them")
	f.StringVar(&o.key, "key", "", "`FILE` with the key that the certificate must belong to")
	f.StringVar(&o.ttl, "ttl", "3600", "of the records, in `SECONDS` or as 1h")
	f.StringVarP(&o.output, "output", "o", string(generate.Zone), "`FORM`: zone, rdata, rfc3597, nsupdate, json, openssl or dig")
	f.BoolVarP(&o.folders, "recursive", "r", false, "read all files in folders")
	f.StringVar(&o.maxSize, "max-size", "16M", "largest file that is read, in `BYTES` or as 100K, 16M")
}

func runGenerate(ctx context.Context, env Env, g *globals, o *generateOptions, files []string) error {
	batch, err := o.batch(env)
	if err != nil {
		return usageError{err}
	}
	batch.Warn = generateWarner(env, g)
	batch.Fail = func(path string, err error) { printError(env.Err, named(path, err)) }
	if o.key != "" {
		if batch.Key, err = generate.Read(o.key); err != nil {
			return named(o.key, err)
		}
	}
	switch {
	case o.from != "" && len(files) > 0:
		return usagef("either --from or files")
	case o.from != "":
		return o.fromServer(ctx, env, g, batch)
	case len(files) == 0:
		return usageError{hinted(errors.New("no file is named"), "- reads standard input; `tlsamgr generate --help` shows more")}
	}
	failed, err := batch.Run(ctx, env.Out, files)
	if err == nil && failed > 0 {
		err = exitWith(codeError, nil) // each has been told
	}
	return err
}

func generateWarner(env Env, g *globals) func(path, text string) {
	warn := warner(env.Err, g)
	return func(path, text string) {
		if path == "" {
			warn("%s", text)
			return
		}
		warn("%s: %s", path, text)
	}
}

// named puts the name of a file in front of what is wrong with it.
func named(path string, err error) error {
	var known *fs.PathError
	if err == nil || errors.As(err, &known) {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// batch brings the flags into the form that is worked with. Errors are
// mistakes of whoever typed them.
func (o *generateOptions) batch(env Env) (*generate.Batch, error) {
	b := &generate.Batch{Folders: o.folders, In: env.In}
	b.Hosts, b.Protocol, b.AllowPKIX, b.Now = o.hosts, o.protocol, o.allowPKIX, env.Now()
	var err error
	if b.Format, err = generate.ParseFormat(o.output); err != nil {
		return nil, fmt.Errorf("--output: %w", err)
	}
	if b.TTL, err = parseTTL(o.ttl); err != nil {
		return nil, fmt.Errorf("--ttl: %w", err)
	}
	if b.MaxSize, err = parseSize(o.maxSize); err != nil {
		return nil, fmt.Errorf("--max-size: %w", err)
	}
	for _, text := range o.ports {
		port, err := parsePort(text)
		if err != nil {
			return nil, fmt.Errorf("--port: %w", err)
		}
		b.Ports = append(b.Ports, port)
	}
	if b.Params, err = o.params(); err != nil {
		return nil, err
	}
	return b, b.Check()
}

// params gives the records asked for; none means the default.
func (o *generateOptions) params() (params []dane.Params, err error) {
	single := o.usage != "" || o.selector != "" || o.matching != ""
	if single && len(o.records) > 0 {
		return nil, errors.New("either --record or --usage, --selector and --matching-type")
	}
	for _, text := range o.records {
		p, err := dane.ParseParams(text)
		if err != nil {
			return nil, fmt.Errorf("--record: %w", err)
		}
		params = append(params, p)
	}
	if single {
		text := []string{"3", "1", "1"}
		for i, given := range []string{o.usage, o.selector, o.matching} {
			if given != "" {
				text[i] = given
			}
		}
		p, err := dane.ParseParams(strings.Join(text, " "))
		if err != nil {
			return nil, err
		}
		params = append(params, p)
	}
	return params, nil
}

// parsePort reads a port as it stands in an owner name: decimal, no leading
// zeros (RFC 6698, Section 3).
func parsePort(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != text {
		return 0, fmt.Errorf("%q is not a port: 1 to 65535", text)
	}
	return int(n), nil
}

// maxTTL is the largest TTL there is (RFC 2181, Section 8).
const maxTTL = 1<<31 - 1

func parseTTL(text string) (uint32, error) {
	seconds, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 || d%time.Second != 0 {
			return 0, fmt.Errorf("%q is no number of seconds and no duration like 1h", text)
		}
		seconds = uint64(d / time.Second)
	}
	if seconds > maxTTL {
		return 0, fmt.Errorf("%s is more than %d seconds", text, maxTTL)
	}
	return uint32(seconds), nil
}

func parseSize(text string) (int64, error) {
	digits, shift := text, 0
	for i, unit := range []string{"K", "M", "G"} {
		if cut, ok := strings.CutSuffix(strings.ToUpper(text), unit); ok {
			digits, shift = cut, 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%q is no size like 100K, 16M or 1G", text)
	}
	return n << shift, nil
}
