//go:build lab

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/tlsamgr/tlsamgr/internal/lab"
)

var ecdsa = []lab.Algorithm{lab.ECDSA}

// A key change from the hand-over to the retired record: no delivery fails,
// and it takes hardly longer than it must.
func TestKeyChange(t *testing.T) {
	r := newRig(t, setup{})
	r.published(r.keys[lab.ECDSA].TLSA())
	r.deliver()
	time.Sleep(2 * time.Second)
	start := time.Now()
	arrived := make(chan time.Duration, 1)
	go func() {
		for records, _ := lab.TLSA(t, lab.SecondaryIP, "_25._tcp.mx1.example.test"); len(records) < 2; records, _ = lab.TLSA(t, lab.SecondaryIP, "_25._tcp.mx1.example.test") {
			time.Sleep(20 * time.Millisecond)
		}
		arrived <- time.Since(start)
	}()
	r.stage(ecdsa, nil)
	r.run("run", "--wait")
	took := time.Since(start)
	r.published(r.keys[lab.ECDSA].TLSA())
	r.delivered(80)
	least := <-arrived + ttl + margin + settle // reload and proof would come on top
	t.Logf("a key change took %.2f s, %.3f times the least of %.2f s (publish lag %.2f s)", took.Seconds(), took.Seconds()/least.Seconds(), least.Seconds(), (least - ttl - margin - settle).Seconds())
	if s := r.status(); s.Phase != "idle" || len(s.Why) != 0 {
		t.Errorf("not at rest: %+v", s)
	}
}

// A renewal with the same key touches no record and is served and proven at once.
func TestSameKey(t *testing.T) {
	r := newRig(t, setup{})
	r.deliver()
	serial := r.serial()
	before := r.status().Live.ID
	start := time.Now()
	r.stage(ecdsa, r.keys) // staging takes every step that is safe at once
	took := time.Since(start)
	s := r.status()
	if s.Live.ID == before || s.Phase != "idle" {
		t.Fatalf("not swapped and proven when the hand-over returned: %+v", s)
	}
	t.Logf("hand-over, swap and proof took %.2f s", took.Seconds())
	if now := r.serial(); now != serial {
		t.Errorf("the zone was written: serial %d, was %d", now, serial)
	}
	time.Sleep(3 * time.Second)
	r.delivered(30)
}

// A secondary that is held back for longer than the TTL holds the swap back,
// and status names it.
func TestSecondaryHeldBack(t *testing.T) {
	r := newRig(t, setup{})
	r.deliver()
	r.lab.Secondary.Hold(t)
	before := r.status().Live.ID
	r.stage(ecdsa, nil)
	for end := time.Now().Add(3 * (ttl + margin)); time.Now().Before(end); time.Sleep(time.Second) {
		r.run("run")
		if r.status().Live.ID != before {
			t.Fatal("swapped although a server has not seen the new record")
		}
	}
	if s := r.status(); !s.says("server", lab.SecondaryIP) {
		t.Errorf("status does not name the server that is awaited: %+v", s)
	}
	if res := r.try("gate", "mx"); res.code != 75 {
		t.Errorf("gate: %s", res)
	}
	r.lab.Secondary.Release(t)
	r.run("run", "--wait")
	r.published(r.keys[lab.ECDSA].TLSA())
	r.delivered(200)
}

// A reload that does not take effect: the old certificate is still served, so
// nothing is retired, and status says so.
func TestReloadWithoutEffect(t *testing.T) {
	r := newRig(t, setup{reload: `[["true"]]`, receiver: "max_use = 100000\nmax_idle = 3600s\n"})
	first := r.keys[lab.ECDSA].TLSA()
	r.deliver()
	r.stage(ecdsa, nil)
	second := r.keys[lab.ECDSA].TLSA()
	for end := time.Now().Add(ttl + margin + settle + 10*time.Second); time.Now().Before(end); time.Sleep(time.Second) {
		r.try("run")
	}
	if s := r.status(); s.Phase != "proving" || !s.says("address", lab.MX1IP) {
		t.Errorf("status does not say that the old certificate is served: %+v", s)
	}
	r.published(first, second)
	r.receiver.Reload(t)
	r.run("run", "--wait")
	r.published(second)
	r.delivered(150)
}

// Two hosts in two zones, RSA and ECDSA, one certificate unit: all owners and
// all addresses must be ready, each with its own clock.
func TestTwoZonesTwoAlgorithms(t *testing.T) {
	both := []lab.Algorithm{lab.RSA, lab.ECDSA}
	r := newRig(t, setup{hosts: []string{"mx1.example.test", "mx2.example2.test"}, addresses: []string{lab.MX1IP, lab.MX2IP}, keys: both})
	r.published(r.keys[lab.RSA].TLSA(), r.keys[lab.ECDSA].TLSA())
	r.deliver()
	r.stage(both, nil)
	r.run("run", "--wait")
	r.published(r.keys[lab.RSA].TLSA(), r.keys[lab.ECDSA].TLSA())
	r.delivered(80)
}

// With `2 1 1` a renewed chain whose issuer nobody believes yet is held until
// the issuer's record is everywhere.
func TestIssuerChange(t *testing.T) {
	r := newRig(t, setup{records: "2 1 1"})
	r.published(r.lab.CA.TLSA())
	r.deliver()
	old := r.lab.CA
	next, err := lab.NewCA("Next")
	if err != nil {
		t.Fatal(err)
	}
	r.lab.CA = next
	before := r.status().Live.ID
	r.stage(ecdsa, nil)
	if r.status().Live.ID != before {
		t.Fatal("a chain of an issuer that nobody believes is live")
	}
	r.published(old.TLSA(), next.TLSA())
	r.run("run", "--wait")
	r.published(next.TLSA())
	r.delivered(80)
}

// The harness must see an outage: the order that everybody uses (swap, then
// publish) makes the sender fail.
func TestWrongOrderIsSeen(t *testing.T) {
	r := newRig(t, setup{})
	r.deliver()
	time.Sleep(time.Second)
	c, err := r.lab.CA.Issue(lab.Request{Names: r.hosts})
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.WriteCombined(r.live+"/combined.pem", c); err != nil {
		t.Fatal(err)
	}
	r.receiver.Reload(t)
	r.lab.Primary.Update(t, "example.test", "delete _25._tcp.mx1.example.test. TLSA",
		fmt.Sprintf("add _25._tcp.mx1.example.test. 5 TLSA %s", c.TLSA()))
	time.Sleep(ttl + 3*time.Second)
	counts := r.sender.Stop(t)
	t.Logf("%d delivered, %d failed: %v", counts.Sent, counts.Failed, counts.Reasons)
	if counts.Failed < 10 {
		t.Errorf("the sender has seen %d failures of an outage of %s", counts.Failed, ttl)
	}
}

// Abort drops what is staged and its record; what is live stays live. Records
// that somebody published by hand are touched only after adopt.
func TestAbortAndAdopt(t *testing.T) {
	r := newRig(t, setup{})
	r.deliver()
	live := r.keys[lab.ECDSA].TLSA()
	before := r.status().Live.ID
	r.stage(ecdsa, nil)
	r.published(live, r.keys[lab.ECDSA].TLSA())
	r.run("abort", "mx")
	r.run("run", "--wait")
	r.published(live)
	if s := r.status(); s.Live.ID != before || s.Phase != "idle" {
		t.Errorf("after abort: %+v", s)
	}
	const foreign = "3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	r.lab.Primary.Update(t, "example.test", "add _25._tcp.mx1.example.test. 5 TLSA "+foreign)
	r.run("run", "--wait")
	if s := r.status(); !s.says("note", "not ours") {
		t.Errorf("status does not tell of a record that is not ours: %+v", s)
	}
	r.published(live, foreign)
	r.run("adopt", "mx")
	r.run("run", "--wait")
	r.published(live)
	r.delivered(20)
}
