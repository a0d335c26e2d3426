package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// text gives a string; anything else is a problem.
func (n node) text() (string, bool) {
	s, ok := n.value.(string)
	switch {
	case !ok:
		n.fail("must be a string in quotes, not %s", kind(n.value))
	case s == "":
		n.fail("is empty")
		return "", false
	case strings.ContainsFunc(s, unicode.IsControl):
		n.fail("holds control characters: %q", s)
		return "", false
	}
	return s, ok
}

// list gives the elements of an array; anything else, and an empty one, is a problem.
func (n node) list() []node {
	array, ok := n.value.([]any)
	if !ok {
		n.fail("must be a list in square brackets, not %s", kind(n.value))
		return nil
	}
	if len(array) == 0 {
		n.fail("is an empty list")
	}
	all := make([]node, len(array))
	for i, v := range array {
		all[i] = node{reader: n.reader, path: append(slices.Clone(n.path), strconv.Itoa(i)), label: n.label, value: v}
	}
	return all
}

// texts gives a list of strings, each as read makes it. An error of read is a
// problem of its element.
func texts[T any](n node, read func(string) (T, error)) []T {
	var all []T
	for _, e := range n.list() {
		if one, ok := element(e, read); ok {
			all = append(all, one)
		}
	}
	return all
}

// element gives one string of a list, as read makes it.
func element[T any](n node, read func(string) (T, error)) (one T, ok bool) {
	s, ok := n.text()
	if !ok {
		return one, false
	}
	one, err := read(s)
	if err != nil {
		n.fail("%v", err)
	}
	return one, err == nil
}

// place finds the last element of a list that read makes into what is wanted:
// the list was read before, and something is wrong with this one.
func place[T comparable](n node, read func(string) (T, error), want T) node {
	array, _ := n.value.([]any)
	for i := len(array) - 1; i >= 0; i-- {
		s, _ := array[i].(string)
		if got, err := read(s); err == nil && got == want {
			n.path = append(slices.Clone(n.path), strconv.Itoa(i))
			break
		}
	}
	return n
}

// table says whether the value is a table; anything else is a problem.
func (n node) table() bool {
	_, ok := n.value.(map[string]any)
	if !ok {
		n.fail("must be a table, not %s", kind(n.value))
	}
	return ok
}

// duration gives a length of time within bounds.
func (n node) duration(least, most time.Duration) (time.Duration, bool) {
	s, ok := n.value.(string)
	if !ok {
		n.failHint(`write a number and a unit: "90s", "5m", "1h", "2d"`, `must be a string such as "1h", not %s`, kind(n.value))
		return 0, false
	}
	d, err := ParseDuration(s)
	if err != nil {
		n.fail("%v", err)
		return 0, false
	}
	if d < least || d > most {
		n.fail("must be from %s to %s, got %q", short(least), short(most), s)
		return 0, false
	}
	return d, true
}

// day is what "d" stands for.
const day = 24 * time.Hour

// ParseDuration reads a length of time: what Go reads, without a sign, and
// "d" for days of 24 hours in front: "90s", "1h30m", "2d", "1d12h".
func ParseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf(`%q is not a length of time such as "90s", "5m", "1h" or "2d"`, s)
	days, rest, found := strings.Cut(s, "d")
	if !found {
		days, rest = "0", s
	} else if rest == "" {
		rest = "0"
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil || strings.ContainsAny(s, "+-") {
		return 0, bad
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d > 65536*day {
		return 0, bad
	}
	return time.Duration(n)*day + d, nil
}

// short writes a duration without trailing zero units: "7d", "1m".
func short(d time.Duration) string {
	if d >= 2*day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// folder gives an absolute path in its shortest form.
func (n node) folder() string {
	s, ok := n.text()
	if !ok {
		return ""
	}
	if !filepath.IsAbs(s) {
		n.fail("must be an absolute path, got %q", s)
		return ""
	}
	if s = filepath.Clean(s); s == "/" {
		n.fail("cannot be the root of the file system")
		return ""
	}
	return s
}

// kind names the kind of a TOML value.
func kind(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case int64:
		return "a number"
	case float64:
		return "a number with a fraction"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date or time"
}
