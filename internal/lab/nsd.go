//go:build lab

package lab

import (
	"os"
	"strings"
	"testing"
)

// FileZone is a zone whose primary serves a zone file.
type FileZone struct {
	File   string   // the zone file, unsigned: edit it, raise its serial number
	Check  []string // command that checks the file
	Reload []string // command that has the primary sign and serve the file
}

// FileZone gives the zone file of a zone on NSD or Knot.
func (l *Lab) FileZone(t testing.TB, name string) *FileZone {
	t.Helper()
	zone, ok := l.files[name]
	if !ok {
		t.Fatalf("%s is no zone on NSD or Knot", name)
	}
	return zone
}

const nsdConfig = `server:
    ip-address: {{.IP}}
    server-count: 1
    username: ""
    chroot: ""
    zonesdir: "{{.Dir}}"
    zonelistfile: "{{.Dir}}/zone.list"
    xfrdfile: "{{.Dir}}/xfrd.state"
    xfrdir: "{{.Dir}}"
    pidfile: ""
remote-control:
    control-enable: yes
    control-interface: "{{.Dir}}/nsd.sock"
{{range .Zones}}
zone:
    name: "{{.Name}}"
    zonefile: "{{.Name}}.served"
    notify: {{$.Secondary}} NOKEY
    provide-xfr: 127.0.0.0/8 NOKEY
{{end}}`

// NSD serves what it is given, so the reload command signs first. The served
// file changes by a rename, as NSD may read it at any time.
const nsdSign = `#!/bin/sh
# Signs the zone {{.Zone}} and has NSD serve it.
set -e
cd '{{.Dir}}'
{{if .Key}}'{{.Signer}}' -o '{{.Zone}}' -f '{{.Zone}}.new' '{{.Zone}}.zone' '{{.Key}}'
{{else}}cp '{{.Zone}}.zone' '{{.Zone}}.new'
{{end}}mv '{{.Zone}}.new' '{{.Zone}}.served'
[ "$1" = sign ] || '{{.Control}}' -c '{{.Dir}}/nsd.conf' reload '{{.Zone}}'
`

// startNSD starts NSD, if a zone wants it.
func (l *Lab) startNSD(t testing.TB) *process {
	t.Helper()
	zones := l.on(NSD)
	if len(zones) == 0 {
		return nil
	}
	dir := l.makeDir(t, "nsd")
	config := l.render(t, "nsd/nsd.conf", nsdConfig, map[string]any{
		"Dir": dir, "IP": NSDIP, "Secondary": SecondaryIP, "Zones": zones,
	})
	for _, z := range zones {
		l.signedFile(t, dir, z)
	}
	return l.start(t, "nsd", "nsd", "-d", "-c", config)
}

// signedFile writes the zone file and the command that signs it, and signs it
// for the first time.
func (l *Lab) signedFile(t testing.TB, dir string, z Zone) {
	t.Helper()
	file := l.write(t, "nsd/"+z.Name+".zone", z.text())
	var key string
	if z.Security != Unsigned {
		// The tool writes into the folder it is run in and prints the name it chose.
		out := l.run(t, "", "/usr/bin/env", "-C", dir, program("ldns-keygen"), "-k", "-a", "ECDSAP256SHA256", z.Name)
		key = strings.TrimSpace(out)
	}
	script := l.render(t, "nsd/reload-"+z.Name, nsdSign, map[string]string{
		"Dir": dir, "Zone": z.Name, "Key": key,
		"Signer": program("ldns-signzone"), "Control": program("nsd-control"),
	})
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	l.run(t, "", script, "sign")
	l.files[z.Name] = &FileZone{
		File:   file,
		Check:  []string{program("nsd-checkzone"), z.Name, file},
		Reload: []string{script},
	}
}
