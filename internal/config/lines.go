package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// maxDepth is how deep in tables and lists a line is of interest: no key that
// means something lies deeper.
const maxDepth = 8

// survey finds the line of every key, table and array element of a file that
// was found to be TOML.
type survey struct {
	ends  []int          // where each line ends
	lines map[string]int // by joined path
}

// positions gives the lines by path.
func positions(text []byte) map[string]int {
	s := survey{lines: map[string]int{}}
	for i, c := range text {
		if c == '\n' {
			s.ends = append(s.ends, i)
		}
	}
	var p unstable.Parser
	p.Reset(text)
	var table []string
	for p.NextExpression() {
		switch e := p.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = s.key(nil, e.Key())
		case unstable.KeyValue:
			s.keyValue(table, e)
		}
	}
	return s.lines
}

// note keeps the line of a path, the first time it is seen.
func (s survey) note(path []string, at unstable.Range) {
	if len(path) > maxDepth || at.Length == 0 {
		return
	}
	if name := join(path); s.lines[name] == 0 {
		i, _ := slices.BinarySearch(s.ends, int(at.Offset))
		s.lines[name] = i + 1
	}
}

// key notes each part of a dotted key, and gives the path of the whole.
func (s survey) key(table []string, key unstable.Iterator) []string {
	path := slices.Clone(table)
	for key.Next() {
		path = append(path, string(key.Node().Data))
		s.note(path, key.Node().Raw)
	}
	return path
}

func (s survey) keyValue(table []string, n *unstable.Node) {
	s.value(s.key(table, n.Key()), n.Value())
}

// value notes what is inside of a list or an inline table.
func (s survey) value(path []string, n *unstable.Node) {
	if len(path) > maxDepth {
		return
	}
	children := n.Children()
	for i := 0; children.Next(); i++ {
		child := children.Node()
		if n.Kind == unstable.InlineTable {
			s.keyValue(path, child)
			continue
		}
		at := append(slices.Clone(path), strconv.Itoa(i))
		s.note(at, child.Raw)
		s.value(at, child)
	}
}

// join makes a map key of a path.
func join(path []string) string { return strings.Join(path, "\x00") }
