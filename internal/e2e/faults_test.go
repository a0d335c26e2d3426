//go:build lab

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tlsamgr/tlsamgr/internal/lab"
)

// Replies of the DNS provider that never arrive: the change may have happened,
// so it counts as out there, and the rollover goes on from what is seen.
func TestLostReplies(t *testing.T) {
	r := newBareRig(t, setup{})
	proxy := r.lab.StartProxy(t, r.lab.Primary.Address)
	s := setup{server: proxy.Address}
	r.configure(s, "")
	r.start(s)
	r.deliver()
	proxy.LoseReplies(1000)
	r.stage(ecdsa, nil)
	if proxy.Lost() == 0 {
		t.Fatal("no reply was lost")
	}
	lab.Eventually(t, time.Minute, "the rollover ends although no update is ever confirmed", func() bool {
		r.try("run")
		return r.status().Phase == "idle"
	})
	t.Logf("%d replies were lost", proxy.Lost())
	r.published(r.keys[lab.ECDSA].TLSA())
	r.delivered(80)
}

// kill -9 at the Kth time that something is put in its place on disk: state,
// staged link, live link. Whatever was done until then, a plain run goes on.
func TestKilledAtEveryPersistedStep(t *testing.T) {
	r := newRig(t, setup{})
	r.deliver()
	kills := 0
	for k := 1; k <= 6; k++ {
		wrapper := []string{"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=rename,renameat,renameat2",
			"-e", fmt.Sprintf("inject=rename,renameat,renameat2:signal=SIGKILL:when=%d", k)}
		c, err := r.lab.CA.Issue(lab.Request{Names: r.hosts})
		if err != nil {
			t.Fatal(err)
		}
		chain, key, err := c.Write(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		stage := []string{"stage", "mx", "--cert", chain, "--key", key}
		if res := r.command(wrapper, stage...); res.code != 0 {
			kills++
			r.run(stage...)
		}
		lab.Eventually(t, time.Minute, fmt.Sprintf("the rollover ends although run is killed at its %d. rename again and again", k), func() bool {
			if res := r.command(wrapper, "run"); res.code != 0 {
				kills++
			}
			r.run("run")
			time.Sleep(200 * time.Millisecond)
			s := r.status()
			return s.Phase == "idle" && len(r.tlsa(lab.PrimaryIP, r.hosts[0])) == 1
		})
		r.published(c.TLSA())
	}
	t.Logf("killed %d times", kills)
	if kills < 20 {
		t.Errorf("only %d kills: the harness does not do what it says", kills)
	}
	r.delivered(400)
	// What a kill leaves behind must not pile up.
	left, err := filepath.Glob(filepath.Join(r.dir, "state", "*"))
	if err != nil || len(left) > 8 {
		t.Errorf("%d files are left in the state folder: %v", len(left), left)
	}
}

// Both generations of the state are gone: nothing may be taken for granted.
// Records stay, and the next key waits as if everything had begun now.
func TestLostState(t *testing.T) {
	r := newRig(t, setup{})
	r.deliver()
	r.stage(ecdsa, nil)
	for _, f := range []string{"mx.json", "mx.json.prev"} {
		if err := os.Remove(filepath.Join(r.dir, "state", f)); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	before := ""
	for before == "" || r.status().Live.ID == before {
		r.run("run")
		if before == "" {
			before = r.status().Live.ID
		}
		time.Sleep(200 * time.Millisecond)
	}
	if waited := time.Since(start); waited < ttl+margin {
		t.Errorf("swapped %s after the state was lost; senders may hold older records for %s", waited, ttl+margin)
	}
	r.run("run", "--wait")
	r.delivered(80)
}
