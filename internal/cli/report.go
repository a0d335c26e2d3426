package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/internal/install"
	"github.com/tlsamgr/tlsamgr/rollover"
)

// unitReport is what plan, run and gate answer about one certificate, as JSON.
type unitReport struct {
	Certificate string `json:"certificate"`
	rollover.Decision
	Error string `json:"error,omitempty"`
}

// writeDecision puts a decision into words: the step, then every fact that
// matters, with since when and until when.
func writeDecision(w io.Writer, name string, d rollover.Decision) {
	fmt.Fprintf(w, "%s: %s", name, d.Phase)
	if d.Step.Kind == rollover.DoNothing && !d.Wake.IsZero() {
		fmt.Fprintf(w, ", next look at %s", clock(d.Wake))
	}
	fmt.Fprintln(w)
	if d.Step.Kind != rollover.DoNothing {
		fmt.Fprintf(w, "  now      %s\n", describeStep(d.Step))
	}
	writeReasons(w, d.Why)
}

func writeReasons(w io.Writer, why []rollover.Reason) {
	for _, r := range why {
		fmt.Fprintf(w, "  %-8s %s\n", label(r.Kind), r.Text)
		if r.Awaited() {
			span := "since " + clock(r.Since)
			if !r.Until.IsZero() {
				span += ", until " + clock(r.Until)
			}
			fmt.Fprintf(w, "           %s\n", span)
		}
		if r.Hint != "" {
			fmt.Fprintf(w, "           hint: %s\n", r.Hint)
		}
	}
}

func label(c rollover.Cause) string {
	switch c {
	case rollover.CauseFailing:
		return "FAILING"
	case rollover.CauseHeld:
		return "held"
	case rollover.CauseNote:
		return "note"
	}
	return "awaits"
}

// describeStep gives a step as one line.
func describeStep(s rollover.Step) string {
	var parts []string
	for _, c := range s.Changes {
		var records []string
		for _, r := range c.Add {
			records = append(records, "+ "+r.Short())
		}
		for _, r := range c.Remove {
			records = append(records, "- "+r.Short())
		}
		parts = append(parts, c.Owner+" "+strings.Join(records, " "))
	}
	if s.Generation != "" {
		parts = append(parts, "generation "+s.Generation)
	}
	if len(s.Keep) > 0 {
		parts = append(parts, "all generations but "+strings.Join(s.Keep, ", "))
	}
	text := string(s.Kind)
	if len(parts) > 0 {
		text += " " + strings.Join(parts, "; ")
	}
	return text + " (" + s.Reason + ")"
}

// statusReport is what status answers about one certificate, as JSON.
type statusReport struct {
	Certificate string            `json:"certificate"`
	Phase       rollover.Phase    `json:"phase"`
	Seen        time.Time         `json:"seen,omitzero"`
	Wake        time.Time         `json:"wake,omitzero"`
	Live        *generationReport `json:"live"`
	Staged      *generationReport `json:"staged"`
	Owners      []ownerReport     `json:"owners"`
	Why         []rollover.Reason `json:"why"`
	Error       string            `json:"error,omitempty"`
}

type generationReport struct {
	ID     string        `json:"id"`
	Chains []chainReport `json:"chains"`
}

type chainReport struct {
	Algorithm string    `json:"algorithm"`
	Key       string    `json:"key"` // SHA-256 of its SPKI
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
}

type ownerReport struct {
	Owner    string        `json:"owner"`
	Ours     []dane.Record `json:"ours"`
	Versions []rrsetReport `json:"versions"`
}

type rrsetReport struct {
	Records []dane.Record `json:"records"`
	TTL     int           `json:"ttl"` // seconds
	Serving bool          `json:"serving"`
	Last    time.Time     `json:"last_served"`
	Until   time.Time     `json:"believed_until,omitzero"` // only when no longer served
	Unknown bool          `json:"unknown,omitempty"`       // from before tlsamgr began to watch
}

func generationOf(g *install.Generation) *generationReport {
	if g == nil {
		return nil
	}
	out := &generationReport{ID: g.ID}
	for _, c := range g.Chains {
		from, to := c.Validity()
		out.Chains = append(out.Chains, chainReport{Algorithm: c.Algorithm(), Key: c.KeyID(), NotBefore: from, NotAfter: to})
	}
	return out
}

// ownersOf gives what is remembered and still matters.
func ownersOf(s rollover.State, p rollover.Policy, now time.Time) []ownerReport {
	var out []ownerReport
	for _, m := range s.Owners {
		o := ownerReport{Owner: m.Owner, Ours: m.Ours}
		for _, v := range m.Versions {
			if !v.Believed(now, p) {
				continue
			}
			r := rrsetReport{Records: v.Records, TTL: int(v.TTL / time.Second), Serving: v.Serving, Last: v.Last, Unknown: v.Unknown}
			if !v.Serving {
				r.Until = v.Until(p)
			}
			o.Versions = append(o.Versions, r)
		}
		out = append(out, o)
	}
	return out
}

func writeStatus(w io.Writer, r statusReport) {
	fmt.Fprintf(w, "%s: %s", r.Certificate, r.Phase)
	if r.Seen.IsZero() {
		fmt.Fprint(w, "never looked at yet; `tlsamgr run` does")
	} else {
		fmt.Fprintf(w, ", last look %s", clock(r.Seen))
	}
	fmt.Fprintln(w)
	writeGeneration(w, "live", r.Live)
	writeGeneration(w, "staged", r.Staged)
	for _, o := range r.Owners {
		writeOwner(w, o)
	}
	writeReasons(w, r.Why)
	if !r.Wake.IsZero() {
		fmt.Fprintf(w, "  next     %s\n", clock(r.Wake))
	}
}

func writeGeneration(w io.Writer, what string, g *generationReport) {
	if g == nil {
		fmt.Fprintf(w, "  %-8s nothing\n", what)
		return
	}
	for _, c := range g.Chains {
		fmt.Fprintf(w, "  %-8s generation %s, %s key %.8s, expires %s\n", what, g.ID, c.Algorithm, c.Key, clock(c.NotAfter))
	}
}

func writeOwner(w io.Writer, o ownerReport) {
	for _, v := range o.Versions {
		what, when := "served", ""
		if !v.Serving {
			what, when = "believed", " until "+clock(v.Until)
		}
		fmt.Fprintf(w, "  %-8s %s %s, TTL %d%s\n", what, o.Owner, versionText(v), v.TTL, when)
	}
}

func versionText(v rrsetReport) string {
	if v.Unknown {
		return "whatever was there before tlsamgr began to watch"
	}
	if len(v.Records) == 0 {
		return "no records"
	}
	var out []string
	for _, r := range v.Records {
		out = append(out, r.Short())
	}
	return strings.Join(out, ", ")
}

// clock gives a time for people: UTC, to the second.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
