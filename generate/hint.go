package generate

import "errors"

// Errors that callers may want to tell apart.
var (
	ErrNothing = errors.New("no certificate and no key") // the input holds nothing to make records from
	ErrNoLeaf  = errors.New("no server certificate")     // it holds certificates, all of them of CAs
)

// hintError is an error that knows what its reader can do. Hint is found with
// errors.As by whoever shows the error.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }
func (e *hintError) Hint() string  { return e.hint }

func hinted(err error, hint string) error { return &hintError{err, hint} }
