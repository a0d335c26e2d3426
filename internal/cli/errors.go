package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// The exit codes, which scripts rely on.
const (
	codeDone        = 0   // done, or nothing to do
	codeError       = 1   // an error
	codeUsage       = 2   // usage or configuration
	codeUnknown     = 3   // could not be judged (check)
	codeWouldFail   = 4   // mail would fail DANE now
	codeLater       = 75  // not yet, try later: EX_TEMPFAIL of sysexits.h
	codeInterrupted = 130 // by a signal
)

// exitError carries an exit code up to Run.
type exitError struct {
	code int
	err  error // nil: what there was to say has been said
}

func (e exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e exitError) Unwrap() error { return e.err }

// usageError marks an error as a mistake in the command line or in the
// configuration.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// usagef makes a usageError.
func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// hintError adds to an error what its reader can do about it.
type hintError struct {
	err  error
	hint string // in plain words, without a period
}

func (e hintError) Error() string { return e.err.Error() }
func (e hintError) Unwrap() error { return e.err }

// Hint gives what the reader can do. Errors of other packages may have a
// method of this name and meaning, too.
func (e hintError) Hint() string { return e.hint }

// hinted adds a hint to an error.
func hinted(err error, hint string) error { return hintError{err, hint} }

// hinter is an error that knows what its reader can do.
type hinter interface{ Hint() string }

// exitCode is the one place where errors become exit codes.
func exitCode(err error) int {
	var chosen exitError
	var usage usageError
	switch {
	case err == nil:
		return codeDone
	case errors.As(err, &chosen):
		return chosen.code
	case errors.As(err, &usage):
		return codeUsage
	case errors.Is(err, context.Canceled):
		return codeInterrupted
	}
	return codeError
}

// printError tells people what went wrong and what to do: each of several
// joined errors in its own line, followed by its hint.
func printError(w io.Writer, err error) {
	switch e := err.(type) {
	case nil:
		return
	case exitError: // says nothing itself
		printError(w, e.err)
		return
	case usageError:
		printError(w, e.err)
		return
	}
	if parts := joined(err); parts != nil {
		for _, part := range parts {
			printError(w, part)
		}
		return
	}
	fmt.Fprintf(w, "tlsamgr: error: %v\n", err)
	var h hinter
	if errors.As(err, &h) && h.Hint() != "" {
		fmt.Fprintf(w, "tlsamgr: hint: %s\n", h.Hint())
	}
}

// joined gives the parts of what errors.Join made. An error that has several
// causes and words of its own for them is one error.
func joined(err error) []error {
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	parts := several.Unwrap()
	if again := errors.Join(parts...); again == nil || again.Error() != err.Error() {
		return nil
	}
	return parts
}
