package config

import (
	"maps"
	"slices"
	"strings"
)

// field is one key that a table may have, and what is done with its value.
type field[T any] struct {
	key string
	set func(*T, node)
}

// assign takes the known keys of a table; every other one is a problem.
func assign[T any](into *T, n node, fields []field[T]) {
	known := map[string]field[T]{}
	for _, f := range fields {
		known[f.key] = f
	}
	for _, child := range n.children() {
		if f, ok := known[child.name()]; ok {
			f.set(into, child)
			continue
		}
		child.unknown(slices.Sorted(maps.Keys(known)))
	}
}

// unknown reports a key that nobody knows.
func (n node) unknown(known []string) {
	if why, ok := later()[n.name()]; ok {
		n.fail("not in this version: %s", why)
		return
	}
	if near := nearest(n.name(), known); near != "" {
		n.fail("there is no such key; did you mean %s?", near)
		return
	}
	n.failHint("the keys here are: "+strings.Join(known, ", "), "there is no such key")
}

// later names the keys that documents mention and that this version lacks.
func later() map[string]string {
	return map[string]string{
		"acme":         "an ACME client obtains the certificates and calls tlsamgr hook",
		"keys":         "the ACME client chooses the kind of key",
		"standby":      "the next key becomes known when its certificate is handed over",
		"trust_anchor": "DNSSEC is validated by the resolver",
	}
}

// nearest gives the word that was probably meant, "" when none is near.
func nearest(word string, words []string) string {
	best, least := "", max(1, len(word)/3)+1
	for _, w := range words {
		if d := distance(word, w); d < least {
			best, least = w, d
		}
	}
	return best
}

// distance counts the letters that must be put in, left out, changed, or
// swapped with their neighbour to make one word of the other.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64 // no key is as long, and the table below grows with both
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
