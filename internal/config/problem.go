package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong, or may be, with one line of a file.
type Problem struct {
	File string
	Line int    // from 1; 0: the file as a whole
	Text string // "certificate.mx1.ttl: must be ..."
	Hint string // what to do; may be empty
}

// String gives "FILE:LINE: TEXT", as compilers do.
func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// Problems is everything that is wrong with a file, by line; at least one.
type Problems struct{ List []Problem }

// Error gives a line for each problem, and below it what to do about it.
func (p *Problems) Error() string {
	var lines []string
	for _, one := range p.List {
		lines = append(lines, one.String())
		if one.Hint != "" {
			lines = append(lines, "    hint: "+one.Hint)
		}
	}
	return strings.Join(lines, "\n")
}

// byLine sorts problems as they stand in the file.
func byLine(list []Problem) []Problem {
	slices.SortStableFunc(list, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return list
}
