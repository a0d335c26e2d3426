package house

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// "make docs" sets it: the test then writes the rows and files it would ask for.
var update = flag.Bool("update", false, "bring the table of docs/standards.md up to date")

const standards = "docs/standards.md"

// A row says how the project keeps one rule:
//
//	| RFC 7671, Section 8.1 | what it asks | `rollover/plan.go` | `rollover.TestNext` | Yes |
//
// Files are those that cite the rule, found by this test; the rest is written
// by people. A row without files says of a rule that it is not kept yet: No.
type row struct {
	rule  citation
	asks  string
	files []string
	tests []string // package.TestName
	kept  string   // Yes, Partial or No
}

func (r row) String() string {
	cells := []string{r.rule.String(), r.asks, codes(r.files), codes(r.tests), r.kept}
	for i, cell := range cells {
		if cell == "" {
			cells[i] = "—"
		}
	}
	return "| " + strings.Join(cells, " | ") + " |"
}

func codes(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return "`" + strings.Join(words, "`, `") + "`"
}

// parseRow reads a line of the table; ok is false for every other line.
func parseRow(line string) (r row, ok bool) {
	cells := strings.Split(strings.Trim(line, "| "), "|")
	cited := citations([]byte(line))
	if len(cells) != 5 || len(cited) == 0 || strings.TrimSpace(cells[0]) != cited[0].String() {
		return row{}, false
	}
	for i, cell := range cells {
		cells[i] = strings.TrimSpace(strings.ReplaceAll(cell, "—", ""))
	}
	return row{rule: cited[0], asks: cells[1], files: words(cells[2]), tests: words(cells[3]), kept: cells[4]}, true
}

func words(cell string) []string {
	return strings.FieldsFunc(cell, func(r rune) bool { return strings.ContainsRune("`, ", r) })
}

// amend gives the table as the sources have it: the rows of old with their true
// files, sorted, and a new row for each citation that had none. A row about
// which nobody has written anything goes with its citation.
func amend(old []row, t tree) []row {
	citing := map[citation][]string{}
	for _, file := range t.product {
		for _, rule := range citations(file.text) {
			citing[rule] = append(citing[rule], file.name)
		}
	}
	rows := slices.Clone(old)
	for rule := range citing {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.rule == rule }) {
			rows = append(rows, row{rule: rule})
		}
	}
	for i := range rows {
		rows[i].files = citing[rows[i].rule]
	}
	rows = slices.DeleteFunc(rows, func(r row) bool { return r.asks == "" && r.kept == "" && len(r.files)+len(r.tests) == 0 })
	slices.SortFunc(rows, func(a, b row) int { return a.rule.compare(b.rule) })
	return rows
}

// readStandards gives the document in three parts: prose, rows, prose.
func readStandards(text string) (before string, rows []row, after string, err error) {
	for line := range strings.Lines(text) {
		r, ok := parseRow(strings.TrimSpace(line))
		switch {
		case ok && after == "":
			rows = append(rows, r)
		case strings.HasPrefix(line, "| RFC"):
			return "", nil, "", fmt.Errorf("%s: not a row of the table: %s", standards, line)
		case len(rows) == 0:
			before += line
		default:
			after += line
		}
	}
	return before, rows, after, nil
}

func render(before string, rows []row, after string) string {
	var b strings.Builder
	b.WriteString(before)
	for _, r := range rows {
		b.WriteString(r.String() + "\n")
	}
	return b.String() + after
}

// faults gives what is wrong with a row that people have to mend.
func (r row) faults(tests []string) (problems []string) {
	say := func(format string, args ...any) {
		problems = append(problems, r.rule.String()+": "+fmt.Sprintf(format, args...))
	}
	if r.asks == "" {
		say("what it asks is missing")
	}
	if !slices.Contains([]string{"Yes", "Partial", "No"}, r.kept) {
		say("kept is %q, not Yes, Partial or No", r.kept)
	}
	if r.kept == "Yes" && len(r.tests) == 0 {
		say("kept, but no test shows it")
	}
	if len(r.files) == 0 && r.kept != "No" {
		say("kept, but no source cites it")
	}
	for _, name := range r.tests {
		if !slices.Contains(tests, name) {
			say("there is no test %s", name)
		}
	}
	return problems
}

// testNames gives every test, fuzz target and example as "folder.Name".
func testNames(t tree) (names []string) {
	for _, file := range t.tests {
		for _, fn := range functions(file) {
			name := fn.Name.Name
			if fn.Recv == nil && (strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz") || strings.HasPrefix(name, "Example")) {
				names = append(names, file.dir()+"."+name)
			}
		}
	}
	return names
}

// TestStandards holds docs/standards.md to the sources. When it fails, "make
// docs" writes the rows and files that are missing.
func TestStandards(t *testing.T) {
	project := projectTree(t)
	text, err := fs.ReadFile(root(), standards)
	if err != nil {
		t.Fatal(err)
	}
	before, rows, after, err := readStandards(string(text))
	if err != nil {
		t.Fatal(err)
	}
	rows = amend(rows, project)
	want := render(before, rows, after)
	if *update {
		if err := os.WriteFile(filepath.Join("..", "..", filepath.FromSlash(standards)), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Fatalf("%s is not what the sources say; run make docs:\n%s", standards, changes(string(text), want))
	}
	names := testNames(project)
	for _, r := range rows {
		for _, fault := range r.faults(names) {
			t.Error(standards + ": " + fault)
		}
	}
}

// changes gives the lines that go and the lines that come.
func changes(from, to string) string {
	var b strings.Builder
	old, now := strings.Split(from, "\n"), strings.Split(to, "\n")
	for _, line := range old {
		if !slices.Contains(now, line) {
			b.WriteString("- " + line + "\n")
		}
	}
	for _, line := range now {
		if !slices.Contains(old, line) {
			b.WriteString("+ " + line + "\n")
		}
	}
	return b.String()
}

func TestStandardsCanFail(t *testing.T) {
	good := row{rule: citation{7671, "Section 8"}, asks: "x", files: []string{"a.go"}, tests: []string{"dane.TestMatch"}, kept: "Yes"}
	spoil := func(change func(*row)) row {
		r := good
		change(&r)
		return r
	}
	tests := map[string]struct {
		row  row
		want string
	}{
		"good":          {good, ""},
		"no words":      {spoil(func(r *row) { r.asks = "" }), "RFC 7671, Section 8: what it asks is missing"},
		"no verdict":    {spoil(func(r *row) { r.kept = "" }), `RFC 7671, Section 8: kept is "", not Yes, Partial or No`},
		"no test":       {spoil(func(r *row) { r.tests = nil }), "RFC 7671, Section 8: kept, but no test shows it"},
		"no such test":  {spoil(func(r *row) { r.tests = []string{"dane.TestGone"} }), "RFC 7671, Section 8: there is no test dane.TestGone"},
		"no source":     {spoil(func(r *row) { r.files = nil }), "RFC 7671, Section 8: kept, but no source cites it"},
		"not kept yet":  {spoil(func(r *row) { r.files, r.tests, r.kept = nil, nil, "No" }), ""},
		"partly proven": {spoil(func(r *row) { r.tests, r.kept = nil, "Partial" }), ""},
	}
	for name, test := range tests {
		if got := strings.Join(test.row.faults([]string{"dane.TestMatch"}), "; "); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// TestAmend shows that a citation without a row, a row without a citation and a
// wrong file all change the table.
func TestAmend(t *testing.T) {
	house, document, want := standardsHouse(t)
	before, rows, after, err := readStandards(document)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, render(before, amend(rows, house), after)); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	if _, _, _, err := readStandards("| RFC 7671 | too | few |\n"); err == nil {
		t.Error("a line that is no row was accepted")
	}
}

// standardsHouse gives a small house, a document about it, and what that should be.
func standardsHouse(t *testing.T) (house tree, document, want string) {
	t.Helper()
	fsys := readArchive(t, filepath.Join("testdata", "standards.txtar"))
	house, err := readTree(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return house, string(fsys["before.md"].Data), string(fsys["after.md"].Data)
}

// TestTestNames shows which functions count as tests.
func TestTestNames(t *testing.T) {
	house, _, _ := standardsHouse(t)
	if diff := cmp.Diff([]string{"dane.TestMatch", "dane.FuzzParse"}, testNames(house)); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}
