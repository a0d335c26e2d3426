package house

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestRulesCanFail runs every rule over small houses that break it: each file
// of testdata/rules is named for its rule, holds such a house, and in "want"
// the problems that the rule must find, one a line, and no others.
func TestRulesCanFail(t *testing.T) {
	rules := map[string]func(tree) []string{
		"directions": checkDirections, "libraries": checkLibraries, "names": checkNames,
		"planner": checkPlanner, "clock": checkClock,
		"init": checkInit, "variables": checkVariables, "exits": checkExits,
		"comments": checkComments, "citations": checkCitationForm,
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			house, want := readHouse(t, filepath.Join("testdata", "rules", name+".txtar"))
			got := rule(house)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSizesCanFail is apart from the others because its house is long.
func TestSizesCanFail(t *testing.T) {
	body := strings.Repeat("\tn++\n", maxFunction-2)
	fsys := fstest.MapFS{
		"dane/fits.go":  {Data: []byte("package dane\nfunc fits(n int) {\n" + body + "}\n" + strings.Repeat("//\n", maxFile-maxFunction-1))},
		"dane/long.go":  {Data: []byte("package dane\nfunc long(n int) {\n\tn++\n" + body + "}\n")},
		"dane/piled.go": {Data: []byte("package dane\n" + strings.Repeat("//\n", maxFile))},
	}
	house, err := readTree(fsys)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"dane/long.go:2: long has 81 lines, at most 80", "dane/piled.go: 451 lines, at most 450"}
	if diff := cmp.Diff(want, checkSizes(house)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// readHouse reads a small house and the problems it has.
func readHouse(t *testing.T, name string) (house tree, want []string) {
	t.Helper()
	fsys := readArchive(t, name)
	house, err := readTree(fsys)
	if err != nil {
		t.Fatal(err)
	}
	want = strings.Split(strings.TrimSpace(string(fsys["want"].Data)), "\n")
	slices.Sort(want)
	return house, want
}

// readArchive reads a txtar archive as a file system.
func readArchive(t *testing.T, name string) fstest.MapFS {
	t.Helper()
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	fsys := fstest.MapFS{}
	for _, file := range archive.Files {
		fsys[file.Name] = &fstest.MapFile{Data: file.Data}
	}
	return fsys
}
