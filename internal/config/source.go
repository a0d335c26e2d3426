package config

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// source is a file as it was read.
type source struct {
	file string
	text []byte
	open bool // everybody on the machine can read it
}

// reader is what all nodes of a file share: the lines, and what was found wrong.
type reader struct {
	source
	lines    map[string]int // of every key and array element, by path
	problems []Problem
	warnings []Problem
}

// node is one value of a file and where it stands.
type node struct {
	*reader
	path  []string // keys, and indexes of array elements
	label string   // the path as people write it, without indexes: "certificate.mx1.ttl"
	value any
}

// parse reads the TOML. What cannot be read is reported as the one problem;
// the root has no value then.
func (s source) parse() node {
	s.text = bytes.TrimPrefix(s.text, []byte("\ufeff"))
	r := &reader{source: s}
	keys := map[string]any{}
	err := toml.Unmarshal(s.text, &keys)
	var where *toml.DecodeError
	switch {
	case errors.As(err, &where):
		line, column := where.Position()
		r.problems = append(r.problems, Problem{File: s.file, Line: line, Text: fmt.Sprintf("column %d: %s", column, strings.TrimPrefix(where.Error(), "toml: "))})
		return node{reader: r}
	case err != nil:
		r.problems = append(r.problems, Problem{File: s.file, Text: strings.TrimPrefix(err.Error(), "toml: ")})
		return node{reader: r}
	}
	r.lines = positions(s.text)
	return node{reader: r, value: keys}
}

// line gives the line of a node, or of the nearest thing around it.
func (n node) line() int {
	for path := n.path; len(path) > 0; path = path[:len(path)-1] {
		if line := n.lines[join(path)]; line > 0 {
			return line
		}
	}
	return 0
}

// child gives the value of a key; its value is nil when there is none.
func (n node) child(key string) node {
	keys, _ := n.value.(map[string]any)
	label := key
	if strings.Trim(key, wordy) != "" || key == "" {
		label = strconv.Quote(key)
	}
	if n.label != "" {
		label = n.label + "." + label
	}
	return node{reader: n.reader, path: append(slices.Clone(n.path), key), label: label, value: keys[key]}
}

// wordy is what a TOML key needs no quotes for.
const wordy = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

// children gives the values of a table, by key.
func (n node) children() []node {
	keys, _ := n.value.(map[string]any)
	var all []node
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		all = append(all, n.child(key))
	}
	return all
}

// name is the last part of the path.
func (n node) name() string { return n.path[len(n.path)-1] }

// fail reports a problem with the node.
func (n node) fail(format string, args ...any) { n.failHint("", format, args...) }

// failHint reports a problem and what to do about it.
func (n node) failHint(hint, format string, args ...any) {
	n.problems = append(n.problems, n.problem(hint, format, args...))
}

// warn reports what is allowed but may not be meant.
func (n node) warn(format string, args ...any) {
	n.warnings = append(n.warnings, n.problem("", format, args...))
}

func (n node) problem(hint, format string, args ...any) Problem {
	text := fmt.Sprintf(format, args...)
	if n.label != "" {
		text = n.label + ": " + text
	}
	return Problem{File: n.file, Line: n.line(), Text: text, Hint: hint}
}
