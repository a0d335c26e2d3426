package providers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/providers"
	"github.com/tlsamgr/tlsamgr/providers/providerstest"
	"github.com/tlsamgr/tlsamgr/providers/vendortest"
)

// bill is what a step costs: requests that list, those that change, and others
// (for the id of a zone).
type bill struct{ lists, changes, others int }

// tally counts the requests to a vendor by what they are for.
func tally(wire *vendortest.Wire) bill {
	reads, writes, _ := wire.Counts()
	lists := wire.Paths("dns_records")
	return bill{lists: lists - writes, changes: writes, others: reads - (lists - writes)}
}

// TestCalls counts the requests of a rollover of a zone with ten names: one
// Apply adds the next records, and one, an hour later, removes the old ones.
func TestCalls(t *testing.T) {
	t.Parallel()
	for vendor, want := range map[*providerstest.Vendor][2]bill{
		new(cloudflare()): {{lists: 2, changes: 1}, {lists: 2, changes: 1}},
	} {
		t.Run(vendor.Provider, func(t *testing.T) {
			t.Parallel()
			wire := &vendortest.Wire{API: vendor.API(t)}
			clock := vendortest.NewClock()
			z, err := providers.Open(providers.Settings{Provider: vendor.Provider, Zones: []string{providerstest.Apex}, Options: vendor.Options,
				Transport: wire, Now: clock.Now, Pause: clock.Pause})
			if err != nil {
				t.Fatal(err)
			}
			apply := func(add, remove []dane.Record) bill {
				t.Helper()
				before := tally(wire)
				var changes []dane.Change
				for n := range 10 {
					changes = append(changes, dane.Change{Owner: fmt.Sprintf("_25._tcp.mx%d.%s", n, providerstest.Apex), TTL: 3600, Add: add, Remove: remove})
				}
				if err := z.Apply(t.Context(), changes); err != nil {
					t.Fatal(err)
				}
				_ = clock.Pause(t.Context(), time.Hour)
				after := tally(wire)
				return bill{after.lists - before.lists, after.changes - before.changes, after.others - before.others}
			}
			old, next := []dane.Record{published(1)}, []dane.Record{published(2)}
			apply(old, nil)
			if got := [2]bill{apply(next, nil), apply(nil, old)}; got != want {
				t.Errorf("publish and retire cost %+v, want %+v", got, want)
			}
		})
	}
}

func published(n byte) dane.Record {
	return dane.NewRecord(dane.Params{Usage: dane.DANEEE, Selector: dane.SPKI, Matching: dane.SHA256}, append(make([]byte, 31), n))
}
