package house

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// pureImports is all that the planner and its memory may know. They get the
// time as a value, so a simulation can run them through any history.
func pureImports() []string {
	return []string{"cmp", "fmt", "maps", "slices", "strings", "time", module + "/dane"}
}

// isPure says whether a file belongs to the planner or its memory: all of
// rollover but the runner.
func isPure(name string) bool {
	return path.Dir(name) == "rollover" && !strings.HasPrefix(path.Base(name), "runner")
}

// checkPlanner holds that the planner does no I/O and reads no clock: same
// input, same decision.
func checkPlanner(t tree) (problems []string) {
	for _, file := range t.product {
		if !isPure(file.name) {
			continue
		}
		for _, name := range file.imports() {
			if !slices.Contains(pureImports(), name) {
				problems = append(problems, fmt.Sprintf("%s: the planner may not import %s", file.name, name))
			}
		}
		for call := range clockReads(file) {
			problems = append(problems, fmt.Sprintf("%s: the planner reads the clock with time.%s", t.at(call), call.Sel.Name))
		}
	}
	return problems
}

// clockReads gives each use of a function of package time that looks at the
// clock or waits.
func clockReads(file source) func(yield func(*ast.SelectorExpr) bool) {
	reading := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}
	return func(yield func(*ast.SelectorExpr) bool) {
		for node := range ast.Preorder(file.File) {
			sel, ok := node.(*ast.SelectorExpr)
			if !ok || !file.isPackage(sel.X, "time") || !slices.Contains(reading, sel.Sel.Name) {
				continue
			}
			if !yield(sel) {
				return
			}
		}
	}
}

// checkClock holds that dane, generate and the whole of rollover are told the time.
func checkClock(t tree) (problems []string) {
	for _, file := range t.product {
		if !slices.Contains([]string{"dane", "generate", "rollover"}, room(file.dir())) || isPure(file.name) {
			continue
		}
		for read := range clockReads(file) {
			if name := read.Sel.Name; slices.Contains([]string{"Now", "Since", "Until"}, name) {
				problems = append(problems, fmt.Sprintf("%s: %s is told the time and may not call time.%s", t.at(read), room(file.dir()), name))
			}
		}
	}
	return problems
}

func TestPlannerIsPure(t *testing.T) {
	project := projectTree(t)
	if !slices.ContainsFunc(project.product, func(s source) bool { return isPure(s.name) }) {
		t.Error("the planner was not found")
	}
	holds(t, checkPlanner)
}

func TestClock(t *testing.T) { holds(t, checkClock) }
