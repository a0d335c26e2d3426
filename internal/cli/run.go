package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/spf13/cobra"

	"github.com/tlsamgr/tlsamgr/internal/config"
	"github.com/tlsamgr/tlsamgr/internal/store"
	"github.com/tlsamgr/tlsamgr/rollover"
)

// runOptions are the flags of run.
type runOptions struct {
	wait     bool
	exitCode bool
	output   string
}

func newRun(env Env, g *globals) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run [CERT_NAME...]",
		Short: "Take every step that is safe now",
		Long: `Looks at every certificate (or those that are named), takes every step that is
safe now, and says what is awaited: which fact, from which server or address,
since when and until when. A systemd timer calls it; running it more often, or
twice at once, does no harm.`,
		Example: "  tlsamgr run\n  tlsamgr run mx1 --wait",
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRun(cmd.Context(), env, g, o, args)
		},
	}
	cmd.Flags().BoolVar(&o.wait, "wait", false, "go on until nothing is left to do")
	cmd.Flags().BoolVar(&o.exitCode, "exit-code", false, "exit 75 while something is awaited")
	outputFlag(cmd, &o.output)
	return cmd
}

func runRun(ctx context.Context, env Env, g *globals, o runOptions, args []string) error {
	cfg, certs, err := prepare(env, g, o.output, args)
	if err != nil {
		return err
	}
	out := newProgress(env, g, o, certs)
	defer out.close()
	reports := make([]unitReport, len(certs))
	err = forEach(ctx, certs, func(ctx context.Context, i int, cert *config.Certificate) error {
		reports[i].Certificate = cert.Name
		u, err := openUnit(env, g, cfg, cert)
		if err != nil {
			return err
		}
		d, err := u.Carry(ctx, o.wait, func(d rollover.Decision, err error) { out.step(i, d, err) })
		reports[i].Decision = d
		if err == nil {
			err = verdict(cert.Name, d, o.exitCode)
		}
		if err != nil {
			reports[i].Error = err.Error()
		}
		return busy(err)
	})
	out.finish(reports)
	return err
}

// busy gives the exit code to the case that another process acts already.
func busy(err error) error {
	if errors.Is(err, store.ErrBusy) {
		return exitWith(codeLater, err)
	}
	return err
}

// verdict turns what a decision ends with into an exit code: what needs a
// person is an error, and mail that fails now is worse.
func verdict(name string, d rollover.Decision, later bool) error {
	code, cause := codeDone, rollover.Cause("")
	switch {
	case d.Any(rollover.CauseFailing):
		code, cause = codeWouldFail, rollover.CauseFailing
	case d.Any(rollover.CauseHeld):
		code, cause = codeError, rollover.CauseHeld
	case later && d.Awaiting():
		return exitWith(codeLater, nil)
	default:
		return nil
	}
	var errs []error
	for _, r := range d.Why {
		if r.Kind == cause {
			errs = append(errs, hinted(fmt.Errorf("%s: %s: %s", name, r.Subject, r.Text), r.Hint))
		}
	}
	return exitWith(code, errors.Join(errs...))
}

// progress shows what happens: a line a step in a log, and on a terminal one
// line a certificate that is kept up to date.
type progress struct {
	env   Env
	g     *globals
	json  bool
	certs []*config.Certificate
	said  []string // the last words about each certificate
	live  *liveLines
	mu    sync.Mutex
}

func newProgress(env Env, g *globals, o runOptions, certs []*config.Certificate) *progress {
	p := &progress{env: env, g: g, json: o.output == "json", certs: certs, said: make([]string, len(certs))}
	if o.wait && !g.quiet {
		p.live = newLiveLines(env, len(certs))
	}
	return p
}

func (p *progress) step(i int, d rollover.Decision, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := p.certs[i].Name
	if d.Step.Kind != rollover.DoNothing {
		text := describeStep(d.Step)
		if err != nil {
			text += ": " + err.Error()
		}
		p.say(name + ": " + text)
	}
	words := summary(name, d)
	if p.live != nil {
		p.live.set(i, words, nextEnd(d))
		return
	}
	// In a log, what is awaited is said once, not with every look.
	if d.Step.Kind == rollover.DoNothing && words != p.said[i] {
		p.said[i] = words
		p.say(words)
	}
}

// say prints one line about what happens.
func (p *progress) say(line string) {
	if p.json || p.g.quiet {
		return
	}
	if p.live != nil {
		p.live.above(line)
		return
	}
	fmt.Fprintln(p.env.Out, line)
}

func (p *progress) finish(reports []unitReport) {
	p.close()
	if p.json {
		writeJSON(p.env.Out, reports)
		return
	}
	if p.g.verbose {
		for _, r := range reports {
			writeDecision(p.env.Out, r.Certificate, r.Decision)
		}
	}
}

func (p *progress) close() {
	if p.live != nil {
		p.live.close()
	}
}

// summary gives a decision as one line: the phase, and the fact that lasts longest.
func summary(name string, d rollover.Decision) string {
	text := name + ": " + string(d.Phase)
	for _, r := range d.Why {
		if r.Awaited() || r.Kind == rollover.CauseHeld || r.Kind == rollover.CauseFailing {
			text += ": " + r.Text
			if !r.Until.IsZero() {
				text += ", until " + clock(r.Until)
			}
			break
		}
	}
	return text
}
