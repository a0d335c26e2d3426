package cli

import (
	"io"
	"os"
	"time"
)

// Env is all that the commands know of the world around the process. Tests
// make their own.
type Env struct {
	In     io.Reader
	Out    io.Writer                // the answer and nothing else
	Err    io.Writer                // words, warnings and progress
	Now    func() time.Time         // the wall clock
	Getenv func(name string) string // "" when the variable is not set
}

// System gives the environment of the process.
func System() Env {
	return Env{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Now: time.Now, Getenv: os.Getenv}
}
