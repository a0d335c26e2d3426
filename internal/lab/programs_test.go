//go:build lab

package lab

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPackages holds that packages.txt lists the packages of the programs that
// the lab starts, and no others.
func TestPackages(t *testing.T) {
	text, err := os.ReadFile("packages.txt")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		listed = append(listed, strings.Fields(line)...)
	}
	needed := slices.Compact(slices.Sorted(maps.Values(programs())))
	if diff := cmp.Diff(needed, listed); diff != "" {
		t.Errorf("packages (-needed +listed):\n%s", diff)
	}
}
