package house

import (
	"fmt"
	"go/ast"
	"maps"
	"slices"
	"testing"
)

// checkComments holds that what other packages can see is explained: every
// package and every exported function, method, type, constant and variable. One
// comment may stand for a whole group of constants.
func checkComments(t tree) (problems []string) {
	packages := map[string]bool{}
	for _, file := range t.product {
		packages[file.dir()] = packages[file.dir()] || file.Doc != nil
		for _, decl := range file.Decls {
			for _, name := range unexplained(decl) {
				problems = append(problems, fmt.Sprintf("%s: %s has no comment", t.at(name), name.Name))
			}
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		if !packages[dir] {
			problems = append(problems, dir+": the package has no comment")
		}
	}
	return problems
}

// unexplained gives the exported names of a declaration that have no comment.
func unexplained(decl ast.Decl) (names []*ast.Ident) {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Doc == nil && decl.Name.IsExported() && exportedReceiver(decl) {
			names = append(names, decl.Name)
		}
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			if decl.Doc == nil {
				names = append(names, unexplainedSpec(spec)...)
			}
		}
	}
	return names
}

func unexplainedSpec(spec ast.Spec) (names []*ast.Ident) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if spec.Doc == nil && spec.Comment == nil && spec.Name.IsExported() {
			names = append(names, spec.Name)
		}
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			if spec.Doc == nil && spec.Comment == nil && name.IsExported() {
				names = append(names, name)
			}
		}
	}
	return names
}

// exportedReceiver says whether a function belongs to no type or to an exported one.
func exportedReceiver(fn *ast.FuncDecl) bool {
	if fn.Recv == nil {
		return true
	}
	receiver := fn.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	if generic, ok := receiver.(*ast.IndexExpr); ok {
		receiver = generic.X
	}
	id, ok := receiver.(*ast.Ident)
	return !ok || id.IsExported()
}

func TestComments(t *testing.T) { holds(t, checkComments) }
