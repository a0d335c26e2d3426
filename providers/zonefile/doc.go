// Package zonefile edits the text of a DNS zone file (RFC 1035, Section 5)
// without rewriting it: TLSA records come and go between two marks or in an
// included file of their own, the digits of the SOA serial change, and every
// other byte stays what it was. Comments, directives, line ends, columns and
// groups belong to whoever wrote them.
//
// A File cuts a text at the places that may change and edits it; a Zone is
// what an independent parser understands of it. Whoever writes an edited file
// compares the two Zones first: they may differ in what was meant to change
// and in nothing else.
//
// The package does no I/O.
package zonefile

import "fmt"

// Error is why a zone file is not edited: where the trouble is, what it is,
// and what to do about it.
type Error struct {
	File    string // path
	Line    int    // first line is 1; 0: the file as a whole
	Problem string
	Advice  string // may be empty
}

// Error gives "file:line: problem".
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Problem
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Problem)
}

// Hint gives the advice.
func (e *Error) Hint() string { return e.Advice }
