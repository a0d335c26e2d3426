//go:build lab

package lab_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/internal/lab"
)

// TestFileZone edits a zone file as a provider does, on each server that serves one.
func TestFileZone(t *testing.T) {
	for name, server := range map[string]lab.Server{"nsd": lab.NSD, "knot": lab.Knot} {
		t.Run(name, func(t *testing.T) {
			l := lab.New(t, lab.Config{Zones: []lab.Zone{{Name: "example.test", Server: server}}})
			zone := l.FileZone(t, "example.test")
			command(t, zone.Check)

			start := time.Now()
			edit(t, zone.File, " 1 86400 ", " 2 86400 ", owner+" 5 IN TLSA "+record+"\n")
			command(t, zone.Check)
			command(t, zone.Reload)
			lab.Eventually(t, 3*time.Second, "the primary has the record", func() bool { return has(t, server.IP(), record) })
			t.Logf("check, sign, reload, served: %v", time.Since(start))
			lab.Eventually(t, 5*time.Second, "the secondary has the record", func() bool { return has(t, lab.SecondaryIP, record) })
			t.Logf("and transferred: %v", time.Since(start))
			if m := lab.Ask(t, lab.ResolverIP, owner, dns.TypeTLSA); !m.AuthenticatedData || len(m.Answer) == 0 {
				t.Errorf("not secure after the change: %v", m)
			}

			l.Secondary.Hold(t)
			edit(t, zone.File, " 2 86400 ", " 3 86400 ", "new IN A 127.0.0.1\n")
			command(t, zone.Reload)
			lab.Eventually(t, 3*time.Second, "the primary has the new name", func() bool { return exists(t, server.IP()) })
			time.Sleep(500 * time.Millisecond)
			if exists(t, lab.SecondaryIP) {
				t.Error("the secondary has it although it is held back")
			}
			l.Secondary.Release(t)
			if !exists(t, lab.SecondaryIP) {
				t.Error("the secondary does not have it although it was released")
			}

			edit(t, zone.File, "MX 10 mx1", "MX ten mx1", "")
			if out, err := exec.Command(zone.Check[0], zone.Check[1:]...).CombinedOutput(); err == nil {
				t.Errorf("the check passes a broken file: %s", out)
			}
		})
	}
}

func exists(t *testing.T, ip string) bool {
	t.Helper()
	return lab.Ask(t, ip, "new.example.test", dns.TypeA).Rcode == dns.RcodeSuccess
}

// edit replaces a text in a file and appends another.
func edit(t *testing.T, name, from, to, more string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), from) {
		t.Fatalf("%s has no %q:\n%s", name, from, text)
	}
	if err := os.WriteFile(name, []byte(strings.Replace(string(text), from, to, 1)+more), 0o644); err != nil {
		t.Fatal(err)
	}
}

// command runs a command of the lab.
func command(t *testing.T, argv []string) {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = []string{"PATH=/usr/bin:/bin"} // as a careful program runs it
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
}
