package providerstest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/providers"
	"github.com/tlsamgr/tlsamgr/providers/vendortest"
)

// Vendor is a provider with an HTTP API and a server that behaves like it.
type Vendor struct {
	Provider string
	Options  map[string]any
	Secrets  []string // that no error may show
	API      func(t *testing.T) *vendortest.API
	Limits   Limits
	More     []vendortest.Fault // besides those that all vendors have
}

// stand is a vendor's server and an account there.
type stand struct {
	wire *vendortest.Wire
	zone providers.Zone
	Subject
}

// open starts a server with Content and opens an account there.
func (v Vendor) open(t *testing.T) stand {
	wire := &vendortest.Wire{API: v.API(t)}
	clock := vendortest.NewClock()
	account := func() providers.Zone {
		z, err := providers.Open(providers.Settings{Provider: v.Provider, Zones: []string{Apex}, Options: v.Options,
			Transport: wire, Now: clock.Now, Pause: clock.Pause, Getenv: func(string) string { return "" }})
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	s := stand{wire: wire, zone: account()}
	later := func() { _ = clock.Pause(t.Context(), time.Minute) }
	s.Subject = Subject{Zone: s.zone, Other: account(), Later: later, Limits: v.Limits, Dump: func(t *testing.T) []dns.RR {
		rrs, err := wire.API.Zone.RRs()
		if err != nil {
			t.Fatal(err)
		}
		return rrs
	}}
	return s
}

// RunVendor tries everything on a vendor: the contract, and what networks and
// vendors do to it.
func RunVendor(t *testing.T, v Vendor) {
	t.Parallel()
	t.Run("contract", func(t *testing.T) {
		t.Parallel()
		Run(t, v.open(t).Subject)
	})
	t.Run("damage", func(t *testing.T) {
		t.Parallel()
		v.damage(t)
	})
	for _, f := range append(vendortest.Faults(), v.More...) {
		t.Run(strings.ReplaceAll(f.Name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			v.listing(t, f)
			v.publishing(t, f)
			v.retiring(t, f)
		})
	}
}

// listing: under a fault, a provider says what is there or that it cannot.
func (v Vendor) listing(t *testing.T, f vendortest.Fault) {
	s := v.open(t)
	s.wire.Break(&f)
	listed, err := s.zone.List(limited(t), []string{owner("foreign")})
	if err == nil && !slices.Equal(listed[0].Records, []dane.Record{planted(0)}) {
		t.Errorf("listed %v without an error", listed)
	}
	if err != nil {
		v.judge(t, f, err)
	}
}

// publishing: a fault while a record is added.
func (v Vendor) publishing(t *testing.T, f vendortest.Fault) {
	s := v.open(t)
	ttl := s.planted(t, "foreign")
	v.try(t, s, f, dane.Change{Owner: owner("foreign"), TTL: 600, Add: []dane.Record{record(1), record(2)}})
	s.want(t, owner("foreign"), ttl, record(1), record(2), planted(0))
}

// retiring: a fault while a record is removed.
func (v Vendor) retiring(t *testing.T, f vendortest.Fault) {
	s := v.open(t)
	ttl := s.planted(t, "foreign")
	s.apply(t, dane.Change{Owner: owner("foreign"), TTL: 600, Add: []dane.Record{record(1), record(2)}})
	v.try(t, s, f, dane.Change{Owner: owner("foreign"), Remove: []dane.Record{record(1), record(2)}})
	s.want(t, owner("foreign"), ttl, planted(0))
}

// try makes a change under a fault and then again without one. At no moment
// may the record in use be gone.
func (v Vendor) try(t *testing.T, s stand, f vendortest.Fault, c dane.Change) {
	t.Helper()
	before := s.others(t)
	s.wire.After = func() {
		if !slices.Contains(s.shown(t, c.Owner).Records, planted(0)) {
			t.Errorf("%s: the record in use is gone", f.Name)
		}
	}
	s.wire.Break(&f)
	err := s.zone.Apply(limited(t), []dane.Change{c})
	if err != nil {
		v.judge(t, f, err)
	} else {
		if f.Lasting && s.wire.Hits() > 0 {
			t.Error("the change went well, although it could not")
		}
		if shown := s.shown(t, c.Owner).Records; !slices.Equal(shown, c.Apply(shown)) {
			t.Errorf("no error, but the vendor has %v", shown)
		}
	}
	s.wire.Break(nil)
	if err := s.zone.Apply(limited(t), []dane.Change{c}); err != nil {
		t.Errorf("after %v: to try again gives: %v", err, err)
	}
	if after := s.others(t); !slices.Equal(before, after) {
		t.Errorf("records of others changed\n before %q\n after  %q", before, after)
	}
}

// judge looks at the error that a fault ended in.
func (v Vendor) judge(t *testing.T, f vendortest.Fault, err error) {
	t.Helper()
	if providers.Temporary(err) == f.Permanent {
		t.Errorf("temporary is %v: %v", !f.Permanent, err)
	}
	if got := providers.RetryAfter(err); got < f.After {
		t.Errorf("the error knows %s of the %s to wait: %v", got, f.After, err)
	}
	text := err.Error()
	for _, secret := range v.Secrets {
		if strings.Contains(text, secret) {
			t.Errorf("the error shows a secret: %s", text)
		}
	}
	if !strings.Contains(text, Apex) || len(text) > 600 || strings.ContainsAny(text, "<\n") {
		t.Errorf("not one clear line that names the zone: %q", text)
	}
}

// damage: a vendor that, whatever is written, loses a record in use. It must
// be put back and reported.
func (v Vendor) damage(t *testing.T) {
	s := v.open(t)
	name := owner("foreign")
	ttl := s.planted(t, "foreign")
	s.wire.Break(&vendortest.Fault{On: vendortest.Writes, Times: 1, Do: func(x *vendortest.Exchange) (*http.Response, error) {
		resp := x.Serve()
		x.API.Zone.Remove(func(r vendortest.Record) bool {
			return r.Name == name && strings.Contains(strings.ToLower(r.Data), planted(0).String()[6:])
		})
		return resp, nil
	}})
	err := s.zone.Apply(limited(t), []dane.Change{{Owner: name, TTL: 300, Add: []dane.Record{record(1)}}})
	if !errors.Is(err, providers.ErrDamage) || !providers.Temporary(err) || !strings.Contains(fmt.Sprint(err), planted(0).Short()) {
		t.Errorf("the damage is reported as %v", err)
	}
	s.want(t, name, ttl, planted(0), record(1))
}
