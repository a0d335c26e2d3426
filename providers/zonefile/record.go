package zonefile

import (
	"fmt"
	"strings"

	"github.com/tlsamgr/tlsamgr/dane"
)

// Line is one TLSA record as it stands between the marks, on a line of its own.
type Line struct {
	Owner  string // absolute and lower case
	TTL    uint32 // seconds
	Record dane.Record
}

// String gives the line without its line end. Owner, TTL and class are written
// out, so that nothing around the line can change what it means.
func (l Line) String() string {
	return fmt.Sprintf("%s %d IN TLSA %s", l.Owner, l.TTL, l.Record)
}

// place is a record of the text: its owner, its type, and the words behind.
type place struct {
	owner string
	kind  string // type, upper case
	rdata []token
	line  int
}

// resolve gives the records among the entries with their full owner names, as
// far as the text itself tells: directives that include or generate are left out.
func resolve(entries []entry, origin string) []place {
	var places []place
	owner := origin
	for _, e := range entries {
		tokens := e.tokens
		if !e.indented && strings.HasPrefix(tokens[0].text, "$") {
			if strings.EqualFold(tokens[0].text, "$ORIGIN") && len(tokens) > 1 {
				origin = absolute(tokens[1].text, origin)
			}
			continue
		}
		if !e.indented {
			owner = absolute(tokens[0].text, origin)
			tokens = tokens[1:]
		}
		if p, ok := classify(tokens); ok {
			p.owner = owner
			places = append(places, p)
		}
	}
	return places
}

// absolute makes a name absolute and lower case. Escapes stay as they are.
func absolute(name, origin string) string {
	name = strings.ToLower(name)
	switch {
	case name == "@":
		return origin
	case strings.HasSuffix(name, ".") && !strings.HasSuffix(name, `\.`):
		return name
	case origin == ".":
		return name + "."
	}
	return name + "." + origin
}

// classify skips TTL and class, which may come in either order and may both be
// missing, and finds the type.
func classify(tokens []token) (place, bool) {
	for i, t := range tokens {
		if i < 2 && (isTTL(t.text) || isClass(t.text)) {
			continue
		}
		return place{kind: strings.ToUpper(t.text), rdata: tokens[i+1:], line: t.line}, true
	}
	return place{}, false
}

// isTTL relies on no type beginning with a digit.
func isTTL(word string) bool { return word != "" && word[0] >= '0' && word[0] <= '9' }

func isClass(word string) bool {
	switch word = strings.ToUpper(word); word {
	case "IN", "CH", "CS", "HS":
		return true
	}
	return strings.HasPrefix(word, "CLASS")
}

// tlsa reads a record if it is a TLSA record, also under its number.
func (p place) tlsa() (dane.Record, bool) {
	if p.kind != "TLSA" && p.kind != "TYPE52" {
		return dane.Record{}, false
	}
	words := make([]string, len(p.rdata))
	for i, t := range p.rdata {
		words[i] = t.text
	}
	r, err := dane.Parse(strings.Join(words, " "))
	return r, err == nil
}
