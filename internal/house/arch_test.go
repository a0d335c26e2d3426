package house

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
)

// The rooms of the house. Imports point one way:
//
//	dane <- {generate, rollover, providers, check} <- internal/* <- internal/cli <- cmd

// ground is the package everything else stands on; wings know it and not each other.
const ground = "dane"

func wings() []string { return []string{"generate", "rollover", "providers", "check"} }

// only names the packages that may import a library that must not spread.
func only() map[string]string {
	return map[string]string{
		"github.com/libdns":        "providers",
		"github.com/go-acme/lego":  "internal/acme",
		"github.com/spf13/cobra":   "internal/cli",
		"github.com/pelletier":     "internal/config",
		"github.com/rogpeppe":      "tests",
		"github.com/google/go-cmp": "tests",
		"testing":                  "tests",
	}
}

// barred names what a package may not import: it decides, others do I/O.
func barred() map[string][]string {
	return map[string][]string{
		"dane":     {"net", "os", "io/fs", "syscall", "log", "context", "crypto/tls", "github.com"},
		"rollover": {"net", "os", "io/fs", "syscall", "crypto/tls", "github.com/miekg"},
		"generate": {"net", "crypto/tls", "log", "github.com"},
	}
}

// within says whether an import path is the library or package top, or below it.
func within(name, top string) bool { return name == top || strings.HasPrefix(name, top+"/") }

// room is the part of the house a folder belongs to: "dane", "check",
// "internal/cli", "cmd".
func room(dir string) string {
	parts := strings.Split(dir, "/")
	if parts[0] == "internal" && len(parts) > 1 {
		return path.Join(parts[:2]...)
	}
	return parts[0]
}

// mayImport is the one table of directions: whether a package of one room may
// import a package of another.
func mayImport(from, to string) bool {
	switch {
	case from == to:
		return true
	case from == ground:
		return false
	case slices.Contains(wings(), from):
		return to == ground
	case from == "cmd":
		return to == "internal/cli"
	case to == "cmd", to == "internal/cli", to == "internal/house":
		return false
	default:
		return true
	}
}

// known says whether the design has such a room.
func known(room string) bool {
	return room == ground || room == "cmd" || strings.HasPrefix(room, "internal/") || slices.Contains(wings(), room)
}

// checkDirections holds the directions inside the project.
func checkDirections(t tree) (problems []string) {
	for _, file := range t.product {
		from := room(file.dir())
		if !known(from) {
			problems = append(problems, fmt.Sprintf("%s: the house has no room %q", file.name, from))
		}
		for _, name := range file.imports() {
			ours, ok := strings.CutPrefix(name, module+"/")
			if to := room(ours); ok && !mayImport(from, to) {
				problems = append(problems, fmt.Sprintf("%s: %s may not import %s", file.name, from, ours))
			}
		}
	}
	return problems
}

// checkLibraries holds which packages may know which libraries.
func checkLibraries(t tree) (problems []string) {
	for _, file := range t.product {
		from := room(file.dir())
		for _, name := range file.imports() {
			for library, owner := range only() {
				if within(name, library) && !owns(owner, file.dir()) {
					problems = append(problems, fmt.Sprintf("%s: %s imports %s, which belongs to %s", file.name, from, name, owner))
				}
			}
			for _, top := range barred()[from] {
				if within(name, top) && !within(name, module) {
					problems = append(problems, fmt.Sprintf("%s: %s decides only and may not import %s", file.name, from, name))
				}
			}
		}
	}
	return problems
}

// owns says whether a folder belongs to the owner of a library. Packages that
// exist for tests (internal/lab, providers/providerstest) belong to "tests".
func owns(owner, dir string) bool {
	if owner == "tests" {
		return room(dir) == "internal/lab" || strings.HasSuffix(dir, "test")
	}
	return room(dir) == owner
}

// checkNames refuses packages named for nothing.
func checkNames(t tree) (problems []string) {
	empty := []string{"util", "utils", "common", "types", "helper", "helpers", "misc", "shared", "base", "lib"}
	for _, file := range t.product {
		if slices.Contains(empty, file.Name.Name) {
			problems = append(problems, fmt.Sprintf("%s: package %s says nothing about what it holds", file.name, file.Name.Name))
		}
		if last := path.Base(file.dir()); file.Name.Name != "main" && file.Name.Name != last {
			problems = append(problems, fmt.Sprintf("%s: package %s lies in a folder named %s", file.name, file.Name.Name, last))
		}
	}
	return problems
}

func TestDirections(t *testing.T) { holds(t, checkDirections) }
func TestLibraries(t *testing.T)  { holds(t, checkLibraries) }
func TestNames(t *testing.T)      { holds(t, checkNames) }

// holds reports every place of the project that breaks a rule.
func holds(t *testing.T, rule func(tree) []string) {
	t.Helper()
	for _, problem := range rule(projectTree(t)) {
		t.Error(problem)
	}
}
