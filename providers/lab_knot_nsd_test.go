//go:build lab

package providers_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/providers"
	"github.com/tlsamgr/tlsamgr/providers/providerstest"
)

const knotConfig = `server:
  rundir: "{dir}"
  listen: 127.0.0.1@{port}
control:
  listen: "{dir}/knot.sock"
database:
  storage: "{dir}"
log:
- target: stderr
  any: warning
key:
- id: rollover-key
  algorithm: hmac-sha256
  secret: {secret}
acl:
- id: rollover
  key: rollover-key
  action: [transfer, update]
policy:
- id: lab
  algorithm: ecdsap256sha256
  single-type-signing: on
zone:
- domain: example.test
  storage: "{dir}"
  file: db.example.test
  acl: rollover
  dnssec-signing: on
  dnssec-policy: lab
  zonefile-sync: -1
`

func startKnot(t *testing.T, zone string) *labServer {
	t.Helper()
	s := newLabServer(t)
	s.signed = true
	s.write("knot.conf", knotConfig+zone)
	s.write("db.example.test", head+providerstest.Content)
	s.start("knotd", "-c", s.path("knot.conf"))
	return s
}

func TestLabKnotUpdate(t *testing.T) {
	s := startKnot(t, "")
	s.conformance(s.rfc2136())
	other := s.open(providers.Settings{Provider: "rfc2136", Options: map[string]any{"server": "127.0.0.1:{port}", "tsig_name": "another", "tsig_secret": "{secret}"}})
	outcome{err: "NOTAUTH", hint: "tsig_name"}.check(t, other.Apply(t.Context(), adding(t, "3 1 1 01")))
}

func TestLabKnotZoneFile(t *testing.T) {
	s := startKnot(t, "  zonefile-load: difference-no-serial\n  journal-content: all\n")
	s.conformance(s.zonefile(map[string]any{
		"check":  []string{"knotc", "-c", "{dir}/knot.conf", "zone-check", "{zone}"},
		"reload": []string{"knotc", "-c", "{dir}/knot.conf", "-b", "zone-reload", "{zone}"},
	}))
}

const nsdConfig = `server:
  ip-address: 127.0.0.1@{port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{dir}"
  database: ""
  pidfile: "{dir}/nsd.pid"
  xfrdfile: "{dir}/xfrd.state"
  xfrdir: "{dir}"
  zonelistfile: "{dir}/zone.list"
remote-control:
  control-enable: yes
  control-interface: "{dir}/nsd.sock"
zone:
  name: example.test
  zonefile: db.example.test
  provide-xfr: 127.0.0.1 NOKEY
`

func startNSD(t *testing.T, included bool) *labServer {
	t.Helper()
	s := newLabServer(t)
	s.write("nsd.conf", nsdConfig)
	text := head + providerstest.Content
	if included {
		text += "$INCLUDE {dir}/own.inc\n"
		s.write("own.inc", "")
	}
	s.write("db.example.test", text)
	s.start("nsd", "-d", "-c", s.path("nsd.conf"))
	return s
}

func TestLabNSDZoneFile(t *testing.T) {
	t.Run("marks, nsd-control", func(t *testing.T) {
		s := startNSD(t, false)
		s.conformance(s.zonefile(map[string]any{
			"check":  []string{"nsd-checkzone", "{zone}", "{file}"},
			"reload": []string{"nsd-control", "-c", "{dir}/nsd.conf", "reload", "{zone}"},
		}))
	})
	t.Run("include, SIGHUP", func(t *testing.T) {
		s := startNSD(t, true)
		s.conformance(s.zonefile(map[string]any{
			"include": "{dir}/own.inc",
			"check":   []string{"nsd-checkzone", "{zone}", "{file}"},
			"reload":  []string{"kill", "-HUP", fmt.Sprint(s.process.Pid)},
		}))
	})
}

// TestLabKilled kills the test's own writer at the worst moments on a real
// server: the next run must bring server and file together again.
func TestLabKilled(t *testing.T) {
	s := startNSD(t, false)
	options := func() map[string]any {
		return map[string]any{"reload": []string{"nsd-control", "-c", "{dir}/nsd.conf", "reload", "{zone}"}}
	}
	type died struct{}
	z, err := providers.Open(providers.Settings{Provider: "zonefile", Zones: []string{providerstest.Apex},
		Options: map[string]any{"file": s.zoneFile(), "reload": []string{"anything"}},
		Run:     func(context.Context, []string) error { panic(died{}) }})
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = z.Apply(t.Context(), adding(t, "3 1 1 01"))
	}()
	if set := list(t, z, mx); len(set.Records) != 0 {
		t.Errorf("listed although the server never heard of it: %v", set)
	}
	if err := s.zonefile(options()).Apply(t.Context(), adding(t, "3 1 1 01")); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if shows(s.dump(t), parsed(t, "3 1 1 01")) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the server does not show the record")
		}
	}
}

func shows(all []dns.RR, r dane.Record) bool {
	for _, rr := range all {
		if rr.Header().Name == mx && strings.HasSuffix(strings.ToLower(rr.String()), r.String()) {
			return true
		}
	}
	return false
}
