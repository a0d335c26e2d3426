package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

const (
	maxFunction = 80  // lines, from "func" to its closing brace
	maxFile     = 450 // lines
)

// exceptions lists the places where a rule does not fit, each with its reason:
// "folder.name" for a variable or function. An entry that no longer names such
// a place is an error too.
func exceptions() map[string]string {
	return map[string]string{
		"dane.usageWords":    "the names of a registry, never changed",
		"dane.selectorWords": "the names of a registry, never changed",
		"dane.matchingWords": "the names of a registry, never changed",
	}
}

// checkInit refuses init functions: what runs before main can neither be
// tested nor refused.
func checkInit(t tree) (problems []string) {
	for _, file := range t.product {
		for _, fn := range functions(file) {
			if fn.Name.Name == "init" && fn.Recv == nil {
				problems = append(problems, t.at(fn)+": init function")
			}
		}
	}
	return problems
}

// checkVariables refuses package variables: state that no caller can see.
// Error values, blank assertions and embedded files are no such state.
func checkVariables(t tree) (problems []string) {
	for _, file := range t.product {
		for _, name := range variables(file) {
			if !isError(name.Name) && name.Name != "_" && !excepted(file, name.Name) {
				problems = append(problems, fmt.Sprintf("%s: package variable %s", t.at(name), name.Name))
			}
		}
	}
	return problems
}

func isError(name string) bool {
	return strings.HasPrefix(name, "Err") || strings.HasPrefix(name, "err")
}

// variables gives the names of the package variables that a file declares,
// without those that hold an embedded file.
func variables(file source) (names []*ast.Ident) {
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.VAR || isEmbed(gen.Doc) {
			continue
		}
		for _, spec := range gen.Specs {
			if value := spec.(*ast.ValueSpec); !isEmbed(value.Doc) {
				names = append(names, value.Names...)
			}
		}
	}
	return names
}

// isEmbed says whether a comment is a //go:embed line.
func isEmbed(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool {
		return strings.HasPrefix(c.Text, "//go:embed ")
	})
}

// excepted says whether the list of exceptions names this place.
func excepted(file source, name string) bool {
	_, ok := exceptions()[file.dir()+"."+name]
	return ok
}

// checkExits refuses what ends the process behind the caller's back.
func checkExits(t tree) (problems []string) {
	for _, file := range t.product {
		for _, fn := range functions(file) {
			if excepted(file, fn.Name.Name) {
				continue
			}
			for node := range ast.Preorder(fn) {
				call, ok := node.(*ast.CallExpr)
				if !ok {
					continue
				}
				if name := file.ending(call); name != "" && !(name == "os.Exit" && file.Name.Name == "main" && fn.Name.Name == "main") {
					problems = append(problems, fmt.Sprintf("%s: %s in %s", t.at(call), name, fn.Name.Name))
				}
			}
		}
	}
	return problems
}

// ending names a call that ends the process, or "".
func (s source) ending(call *ast.CallExpr) string {
	switch fn := call.Fun.(type) {
	case *ast.Ident:
		if fn.Name == "panic" {
			return "panic"
		}
	case *ast.SelectorExpr:
		if s.isPackage(fn.X, "os") && fn.Sel.Name == "Exit" {
			return "os.Exit"
		}
		if s.isPackage(fn.X, "log") && (strings.HasPrefix(fn.Sel.Name, "Fatal") || strings.HasPrefix(fn.Sel.Name, "Panic")) {
			return "log." + fn.Sel.Name
		}
	}
	return ""
}

// checkSizes holds the length of functions and files.
func checkSizes(t tree) (problems []string) {
	for _, file := range t.product {
		if file.lines > maxFile {
			problems = append(problems, fmt.Sprintf("%s: %d lines, at most %d", file.name, file.lines, maxFile))
		}
		for _, fn := range functions(file) {
			if lines := t.fset.Position(fn.End()).Line - t.fset.Position(fn.Pos()).Line + 1; lines > maxFunction {
				problems = append(problems, fmt.Sprintf("%s: %s has %d lines, at most %d", t.at(fn), fn.Name.Name, lines, maxFunction))
			}
		}
	}
	return problems
}

// functions gives the functions and methods a file declares.
func functions(file source) (found []*ast.FuncDecl) {
	for _, decl := range file.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok {
			found = append(found, fn)
		}
	}
	return found
}

func TestNoInit(t *testing.T)             { holds(t, checkInit) }
func TestNoPackageVariables(t *testing.T) { holds(t, checkVariables) }
func TestExits(t *testing.T)              { holds(t, checkExits) }
func TestSizes(t *testing.T)              { holds(t, checkSizes) }

// TestExceptions holds that every exception still names something.
func TestExceptions(t *testing.T) {
	var names []string
	for _, file := range projectTree(t).product {
		for _, fn := range functions(file) {
			names = append(names, file.dir()+"."+fn.Name.Name)
		}
		for _, name := range variables(file) {
			names = append(names, file.dir()+"."+name.Name)
		}
	}
	for place, reason := range exceptions() {
		if !slices.Contains(names, place) || reason == "" {
			t.Errorf("exception %s: there is no such place, or no reason", place)
		}
	}
}
