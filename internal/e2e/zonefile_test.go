//go:build lab

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/tlsamgr/tlsamgr/internal/lab"
)

// The same rollover where the zone is a file: on NSD, which is given signed
// files, and on Knot, which signs by itself.
func TestZoneFile(t *testing.T) {
	for name, server := range map[string]lab.Server{"NSD": lab.NSD, "Knot": lab.Knot} {
		t.Run(name, func(t *testing.T) {
			config := lab.Config{Zones: []lab.Zone{{Name: "file.test", Server: server}}}
			hosts := []string{"mx1.file.test"}
			r := newBareRig(t, setup{lab: config, hosts: hosts, dns: "provider = \"zonefile\"\n"})
			zone := r.lab.FileZone(t, "file.test")
			s := setup{hosts: hosts, dns: fmt.Sprintf("provider = \"zonefile\"\nzones = [\"file.test\"]\nfile = %q\ncheck = [%s]\nreload = [%s]\n", zone.File, quoted(zone.Check), quoted(zone.Reload))}
			r.configure(s, "")
			r.start(s)
			first := r.keys[lab.ECDSA].TLSA()
			r.publishedBy(server.IP(), first)
			r.deliver()
			time.Sleep(time.Second)
			r.stage(ecdsa, nil)
			r.run("run", "--wait")
			r.publishedBy(server.IP(), r.keys[lab.ECDSA].TLSA())
			r.delivered(80)
		})
	}
}
