package providers

import (
	"context"
	"errors"
	"time"
)

// Errors that callers tell apart.
var (
	ErrLast     = errors.New("the change would leave no TLSA record")
	ErrObstacle = errors.New("no TLSA record can stand at this name")
	ErrOutside  = errors.New("the name lies in none of the zones")
	ErrDamage   = errors.New("the provider lost a record in use")
	ErrForeign  = errors.New("the record is not one of tlsamgr's")
)

// errConflict: somebody else changed the RRset since it was read, and the
// server therefore refused to write it.
var errConflict = temporary(errors.New("somebody else changed it at the same time"))

// Temporary says whether doing the same again, later, may succeed. Errors
// that nothing is known about are permanent.
func Temporary(err error) bool {
	var t interface{ Temporary() bool }
	if errors.As(err, &t) {
		return t.Temporary()
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// RetryAfter gives how long the provider asked to be left alone; 0: it did not say.
func RetryAfter(err error) time.Duration {
	var r interface{ RetryAfter() time.Duration }
	if errors.As(err, &r) {
		return r.RetryAfter()
	}
	return 0
}

// temporaryError is an error that may go away by itself.
type temporaryError struct{ error }

func (e *temporaryError) Unwrap() error   { return e.error }
func (e *temporaryError) Temporary() bool { return true }

func temporary(err error) error { return &temporaryError{err} }

// hintError is an error that knows what to do about it. Hint is found with
// errors.As by whoever shows it.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }
func (e *hintError) Hint() string  { return e.hint }

func hinted(err error, hint string) error { return &hintError{error: err, hint: hint} }
