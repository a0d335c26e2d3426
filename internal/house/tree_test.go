package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the import path of the repository's root.
const module = "github.com/tlsamgr/tlsamgr"

// source is one Go file of the project, parsed.
type source struct {
	name  string // path from the root, with slashes
	text  []byte
	lines int
	*ast.File
}

// dir is the folder of the file: the import path of its package without the module.
func (s source) dir() string { return path.Dir(s.name) }

// imports gives the import paths of the file.
func (s source) imports() []string {
	paths := make([]string, 0, len(s.Imports))
	for _, spec := range s.Imports {
		name, _ := strconv.Unquote(spec.Path.Value) // the parser has checked the literal
		paths = append(paths, name)
	}
	return paths
}

// isPackage says whether an expression is the name under which the file imports
// a package.
func (s source) isPackage(e ast.Expr, imported string) bool {
	id, ok := e.(*ast.Ident)
	if !ok {
		return false
	}
	at := slices.Index(s.imports(), imported)
	if at < 0 {
		return false
	}
	if rename := s.Imports[at].Name; rename != nil {
		return id.Name == rename.Name
	}
	return id.Name == path.Base(imported)
}

// tree is the Go source that the rules are about: product and tests apart.
type tree struct {
	fset    *token.FileSet
	product []source // sorted by name
	tests   []source
}

// at says where a node stands, as "file:line".
func (t tree) at(node ast.Node) string {
	p := t.fset.Position(node.Pos())
	return p.Filename + ":" + strconv.Itoa(p.Line)
}

// readTree parses every Go file of the module at the root of fsys, whatever its
// build tags, and leaves out testdata, hidden folders and nested modules.
func readTree(fsys fs.FS) (tree, error) {
	t := tree{fset: token.NewFileSet()}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skipFolder(fsys, name)
		}
		if path.Ext(name) == ".go" {
			return t.add(fsys, name)
		}
		return nil
	})
	return t, err
}

func skipFolder(fsys fs.FS, name string) error {
	if name == "." {
		return nil
	}
	if base := path.Base(name); base == "testdata" || base == "bin" || base[0] == '.' || base[0] == '_' {
		return fs.SkipDir
	}
	if _, err := fs.Stat(fsys, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func (t *tree) add(fsys fs.FS, name string) error {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(t.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("parse: %w", err)
	}
	s := source{name: name, text: text, lines: strings.Count(string(text), "\n"), File: file}
	if strings.HasSuffix(name, "_test.go") {
		t.tests = append(t.tests, s)
	} else {
		t.product = append(t.product, s)
	}
	return nil
}

// root is the project's own tree, as these tests find it.
func root() fs.FS { return os.DirFS("../..") }

func projectTree(t *testing.T) tree {
	t.Helper()
	project, err := readTree(root())
	if err != nil {
		t.Fatal(err)
	}
	if len(project.product) == 0 || !slices.ContainsFunc(project.tests, func(s source) bool { return s.name == "internal/house/tree_test.go" }) {
		t.Fatal("the project's sources were not found")
	}
	return project
}
