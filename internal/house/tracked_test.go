package house

import (
	"fmt"
	"io/fs"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// A ban is something that no file of the repository may hold.
type ban struct {
	what    string
	pattern *regexp.Regexp
	spares  func(name string) bool // files that may hold it
}

func bans() []ban {
	return []ban{
		{"path of a machine", regexp.MustCompile(`(?m)(?:^|[^A-Za-z0-9_.\n])/(?:tmp|root|home|work)/[A-Za-z]`), isTest},
		{"host of a package registry", regexp.MustCompile(`(?i)\b(?:proxy\.golang\.org|goproxy\.|deb\.debian\.org|registry\.[a-z]|artifactory|nexus\.)`), isTest},
		{"private key", regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----\r?\n[A-Za-z0-9+/=]{16}|(?m)^PrivateKey: [A-Za-z0-9+/=]{16}`), inTestdata},
	}
}

func isTest(name string) bool { return strings.HasSuffix(name, "_test.go") }

func inTestdata(name string) bool { return slices.Contains(strings.Split(name, "/"), "testdata") }

// banned gives the places of a file that hold what it may not.
func banned(name string, text []byte) (problems []string) {
	for _, b := range bans() {
		if b.spares(name) {
			continue
		}
		for _, at := range b.pattern.FindAllIndex(text, -1) {
			line := 1 + strings.Count(string(text[:at[0]]), "\n")
			problems = append(problems, fmt.Sprintf("%s:%d: %s", name, line, b.what))
		}
	}
	return problems
}

// tracked names the files of the repository; where nobody can say which those
// are, in an archive of the sources or on a machine without git, all files.
func tracked(t *testing.T) []string {
	t.Helper()
	_, missing := exec.LookPath("git")
	if _, err := fs.Stat(root(), ".git"); err != nil || missing != nil {
		return walk(t)
	}
	// The tests may run as root in the clone of another user, whom git would not trust.
	command := exec.Command("git", "-c", "safe.directory=*", "-C", "../..", "ls-files", "-z")
	listed, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return strings.Split(strings.TrimRight(string(listed), "\x00"), "\x00")
}

func walk(t *testing.T) (names []string) {
	t.Helper()
	err := fs.WalkDir(root(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && (name == ".git" || name == "bin") {
			return fs.SkipDir
		}
		if err == nil && entry.Type().IsRegular() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestTrackedFiles(t *testing.T) {
	for _, name := range tracked(t) {
		info, err := fs.Stat(root(), name)
		if err != nil || !info.Mode().IsRegular() {
			continue // removed and not yet committed, or no file
		}
		text, err := fs.ReadFile(root(), name)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range banned(name, text) {
			t.Error(problem)
		}
	}
}

func TestBansCanFail(t *testing.T) {
	key := "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIIJb1C0Xw3mXn0oQ\n"
	tests := []struct{ name, text, want string }{
		{"a.go", "package a\n// see /root/notes", "a.go:2: path of a machine"},
		{"a.md", "in /tmp/x, and\n(/home/me)", "a.md:1: path of a machine; a.md:2: path of a machine"},
		{"a.md", "/var/tmp/x, example.org/tmp/x, /tmp alone and ../root/x", ""},
		{"a_test.go", "/tmp/x proxy.golang.org", ""},
		{"Makefile", "GOPROXY=https://proxy.golang.org", "Makefile:1: host of a package registry"},
		{"a_test.go", "x\n" + key, "a_test.go:2: private key"},
		{"dane/testdata/key.pem", key, ""},
		{"a.go", `"-----BEGIN PRIVATE KEY-----"`, ""},
		{"Kx.private", "Private-key-format: v1.3\nPrivateKey: hYHOPQ0A8VwX6YqPCH4SVw==\n", "Kx.private:2: private key"},
	}
	for _, test := range tests {
		if got := strings.Join(banned(test.name, []byte(test.text)), "; "); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// link is a relative link in Markdown, without its fragment.
func link() *regexp.Regexp { return regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)\s]*)?\)`) }

// target is a call of make in words or code: the make target it names.
func target() *regexp.Regexp { return regexp.MustCompile("[`\"]make ([a-z]+)") }

// deadLinks gives the files and make targets that a document names in vain.
func deadLinks(fsys fs.FS, name string) (problems []string) {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return []string{err.Error()}
	}
	for _, m := range link().FindAllSubmatch(text, -1) {
		if _, err := fs.Stat(fsys, path.Join(path.Dir(name), string(m[1]))); err != nil {
			problems = append(problems, fmt.Sprintf("%s: there is no %s", name, m[1]))
		}
	}
	rules, err := fs.ReadFile(fsys, "Makefile")
	if err != nil {
		return append(problems, err.Error())
	}
	for _, m := range target().FindAllSubmatch(text, -1) {
		if !strings.Contains("\n"+string(rules), "\n"+string(m[1])+":") {
			problems = append(problems, fmt.Sprintf("%s: there is no make %s", name, m[1]))
		}
	}
	return problems
}

func TestLinks(t *testing.T) {
	for _, name := range tracked(t) {
		if path.Ext(name) != ".md" || inTestdata(name) {
			continue
		}
		for _, problem := range deadLinks(root(), name) {
			t.Error(problem)
		}
	}
}

func TestLinksCanFail(t *testing.T) {
	fsys := fstest.MapFS{
		"Makefile":  {Data: []byte("unit: ## tests\n")},
		"docs/a.md": {Data: []byte("[a](../README.md#top) [b](gone.md) [c](https://x.example/y) [d](#here) `make unit` `make tea`")},
		"README.md": {Data: nil},
	}
	want := []string{"docs/a.md: there is no gone.md", "docs/a.md: there is no make tea"}
	if diff := cmp.Diff(want, deadLinks(fsys, "docs/a.md")); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}
