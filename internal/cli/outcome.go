package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// asUsage marks an error as a mistake in the command line or configuration.
func asUsage(err error) error { return usageError{err} }

// exitWith ends a command with an exit code; err may be nil when everything
// has been said.
func exitWith(code int, err error) error { return exitError{code: code, err: err} }

// withHint is hinted with a format.
func withHint(err error, format string, args ...any) error {
	return hinted(err, fmt.Sprintf(format, args...))
}

// warner gives a function that tells people something that is no error. Quiet
// runs hear nothing.
func warner(w io.Writer, g *globals) func(format string, args ...any) {
	return func(format string, args ...any) {
		if !g.quiet {
			fmt.Fprintf(w, "tlsamgr: warning: "+format+"\n", args...)
		}
	}
}

// together joins what became of several certificates: everything that was to
// be said, in order, with the exit code of the worst.
func together(errs []error) error {
	ranks := []int{codeDone, codeLater, codeError, codeUsage, codeInterrupted, codeWouldFail}
	worst := 0
	var said []error
	for _, err := range errs {
		worst = max(worst, slices.Index(ranks, exitCode(err)))
		var chosen exitError
		if errors.As(err, &chosen) {
			err = chosen.err
		}
		said = append(said, err)
	}
	if worst == 0 {
		return nil
	}
	return exitWith(ranks[worst], errors.Join(said...))
}
