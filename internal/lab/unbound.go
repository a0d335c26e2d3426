//go:build lab

package lab

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Resolver is Unbound: it validates every zone from the key of its primary, and
// is the resolver of the whole machine. Names outside of the zones do not exist.
type Resolver struct {
	Address string // "127.0.0.1:53"
	lab     *Lab
	socket  string
	process *process
}

const unboundConfig = `server:
	interface: {{.IP}}
	do-daemonize: no
	username: ""
	chroot: ""
	directory: "{{.Dir}}"
	pidfile: ""
	use-syslog: no
	log-time-ascii: yes
	val-log-level: 2
	num-threads: 1
	module-config: "validator iterator"
	trust-anchor-file: "{{.Anchors}}"
	do-not-query-localhost: no
	# A server that did not answer is asked again soon.
	infra-host-ttl: 2
	infra-keep-probing: yes
	prefetch: no
	serve-expired: no
	cache-min-ttl: {{.MinTTL}}
	local-zone: "." static
{{range .Zones}}	local-zone: "{{.Name}}." transparent
{{end}}remote-control:
	control-enable: yes
	control-use-cert: no
	control-interface: "{{.Socket}}"
{{range .Zones}}stub-zone:
	name: "{{.Name}}"
	stub-addr: {{.Server.IP}}
	stub-addr: {{$.Secondary}}
{{end}}`

// startResolver starts the resolver and waits until it validates every zone.
func (l *Lab) startResolver(t testing.TB, minTTL time.Duration) {
	t.Helper()
	dir := l.makeDir(t, "unbound")
	l.Resolver = &Resolver{Address: ResolverIP + ":53", lab: l, socket: filepath.Join(dir, "unbound.sock")}
	config := l.render(t, "unbound/unbound.conf", unboundConfig, map[string]any{
		"Dir": dir, "IP": ResolverIP, "Secondary": SecondaryIP, "Socket": l.Resolver.socket,
		"MinTTL": int(minTTL.Seconds()), "Zones": l.zones, "Anchors": l.write(t, "unbound/anchors", l.anchors(t)),
	})
	p := l.start(t, "unbound", "unbound", "-d", "-c", config)
	l.Resolver.process = p
	p.waitReady(t, func() bool {
		for _, z := range l.zones {
			if !resolves(z) {
				return false
			}
		}
		return true
	})
	l.Resolver.Flush(t) // whatever it was asked until now
}

// resolves says whether the resolver answers for a zone as the zone is meant.
func resolves(z Zone) bool {
	m, err := ask(ResolverIP, z.Name, dns.TypeSOA)
	switch {
	case err != nil:
		return false
	case z.Security == Bogus:
		return m.Rcode == dns.RcodeServerFailure
	default:
		return len(m.Answer) > 0 && m.AuthenticatedData == (z.Security == Signed)
	}
}

// anchors gives the DS record of each zone with signatures.
func (l *Lab) anchors(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	for _, z := range l.zones {
		if z.Security == Unsigned {
			continue
		}
		ds := entryKey(t, z).ToDS(dns.SHA256)
		if z.Security == Bogus {
			ds.Digest = strings.Repeat("00", 32)
		}
		fmt.Fprintln(&b, ds)
	}
	return b.String()
}

// entryKey gives the key of a zone that a DS record points to.
func entryKey(t testing.TB, z Zone) *dns.DNSKEY {
	t.Helper()
	for _, rr := range Ask(t, z.Server.IP(), z.Name, dns.TypeDNSKEY).Answer {
		if key, ok := rr.(*dns.DNSKEY); ok && key.Flags&dns.SEP != 0 {
			return key
		}
	}
	t.Fatalf("%s has no key for a trust anchor", z.Name)
	return nil
}

// Flush empties the caches of the resolver: what it is asked next it asks the
// servers of the zone.
func (r *Resolver) Flush(t testing.TB) {
	t.Helper()
	for _, z := range r.lab.zones {
		r.control(t, "flush_zone "+z.Name)
	}
	r.control(t, "flush_infra all")
}

// control sends a command as unbound-control(8) does, without its start-up time.
func (r *Resolver) control(t testing.TB, command string) {
	t.Helper()
	conn, err := net.DialTimeout("unix", r.socket, toolTime)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(toolTime))
	if _, err := io.WriteString(conn, "UBCT1 "+command+"\n"); err != nil {
		t.Fatal(err)
	}
	reply, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(reply), "ok") {
		t.Fatalf("unbound-control %s: %s (%v)", command, reply, err)
	}
}
