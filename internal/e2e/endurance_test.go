//go:build lab

package e2e

import (
	"strings"
	"testing"

	"github.com/tlsamgr/tlsamgr/internal/lab"
)

// Twenty rollovers in a row with a sender that never stops.
func TestTwentyRollovers(t *testing.T) {
	r := newRig(t, setup{})
	r.deliver()
	for i := range 20 {
		r.stage(ecdsa, nil)
		if res := r.run("run", "--wait"); !strings.Contains(res.out, "retire") {
			t.Fatalf("rollover %d: %s", i+1, res)
		}
	}
	r.published(r.keys[lab.ECDSA].TLSA())
	r.delivered(2000)
}
