//go:build lab

package demo

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestRun holds that the whole show succeeds, in time, tells its story in
// order, and leaves nothing behind.
func TestRun(t *testing.T) {
	clean(t)
	start := time.Now()
	var out bytes.Buffer
	if err := Run(t.Context(), &out, Options{}); err != nil {
		t.Fatalf("%v, after:\n%s", err, &out)
	}
	if took := time.Since(start); took > limit {
		t.Errorf("it took %s", took)
	}
	story := strings.Join(strings.Fields(out.String()), " ")
	for _, scene := range []string{
		`1\. The first certificate .* stage .* swap .* publish \+ 3 1 1 .* every sender .* authenticates`,
		`2\. A new key .* stage .* publish \+ 3 1 1 .* wait until .* alone .* swap .* wait until .* stays .* retire - 3 1 1 .* clean`,
		`3\. A renewal .* the same key.* swap .* deliveries, 0 failed`,
		`4\. For contrast.* swap .* publish .* [0-9]+ deliveries, [1-9][0-9]* failed, over [1-9]\.[0-9]s .* to take home`,
	} {
		at := regexp.MustCompile(scene).FindStringIndex(story)
		if at == nil {
			t.Fatalf("not told: %s\n%s", scene, &out)
		}
		story = story[at[1]:]
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("control sequences off a terminal:\n%q", out.String())
	}
}

// TestInterruptedWait ends the show while tlsamgr waits for caches.
func TestInterruptedWait(t *testing.T) { interrupt(t, 7*time.Second) }
