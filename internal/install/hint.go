package install

import "errors"

// hintError is an error that knows what to do about it. Hint is found with
// errors.As by whoever shows it.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }
func (e *hintError) Hint() string  { return e.hint }

// hinted adds a hint, unless the error has one that is nearer to the cause.
func hinted(err error, hint string) error {
	var near *hintError
	if err == nil || errors.As(err, &near) {
		return err
	}
	return &hintError{error: err, hint: hint}
}
