//go:build lab

package lab

import (
	"strings"
	"testing"
)

// Primary is BIND: the primary of the zones that take dynamic updates. It signs
// them itself, as they change.
type Primary struct {
	Address string // "127.0.0.11:53"
	lab     *Lab
	config  string
	process *process
}

const bindConfig = `key "{{.TSIG.Name}}" { algorithm {{.TSIG.Algorithm}}; secret "{{.Secret}}"; };
options {
	directory "{{.Dir}}";
	managed-keys-directory "{{.Dir}}";
	listen-on { {{.IP}}; };
	listen-on-v6 { none; };
	pid-file none;
	session-keyfile none;
	recursion no;
	dnssec-validation no;
	empty-zones-enable no;
	notify explicit;
	notify-delay 0;
	also-notify { {{.Secondary}}; };
	allow-transfer { key "{{.TSIG.Name}}"; };
};
controls { };
dnssec-policy "lab" { keys { csk lifetime unlimited algorithm ecdsap256sha256; }; };
{{range .Zones}}
zone "{{.Name}}" {
	type primary;
	file "{{.Name}}.zone";
	update-policy { grant "{{$.TSIG.Name}}" zonesub ANY; };
	{{if ne .Security $.Unsigned}}dnssec-policy "lab"; inline-signing no;{{end}}
};
{{end}}`

// startBIND starts the primary, also when it has no zone: tests that use it by
// mistake are answered instead of hanging.
func (l *Lab) startBIND(t testing.TB) *process {
	t.Helper()
	dir := l.makeDir(t, "bind")
	zones := l.on(BIND)
	for _, z := range zones {
		l.write(t, "bind/"+z.Name+".zone", z.text())
	}
	config := l.render(t, "bind/named.conf", bindConfig, map[string]any{
		"Dir": dir, "IP": PrimaryIP, "Secondary": SecondaryIP,
		"TSIG": l.TSIG, "Secret": l.TSIG.secret, "Zones": zones, "Unsigned": Unsigned,
	})
	l.write(t, "bind/tsig.conf", `key "`+l.TSIG.Name+`" { algorithm `+l.TSIG.Algorithm+`; secret "`+l.TSIG.secret+"\"; };\n")
	l.Primary = &Primary{Address: PrimaryIP + ":53", lab: l, config: config}
	l.Primary.process = l.Primary.start(t)
	return l.Primary.process
}

func (p *Primary) start(t testing.TB) *process {
	t.Helper()
	return p.lab.start(t, "bind", "named", "-g", "-n", "1", "-c", p.config)
}

// Stop ends the server: queries to it are refused until Start.
func (p *Primary) Stop(t testing.TB) {
	t.Helper()
	p.process.stop()
}

// Start starts the server again after Stop and waits until it serves its zones.
func (p *Primary) Start(t testing.TB) {
	t.Helper()
	p.process = p.start(t)
	p.lab.waitForPrimaries(t, []*process{p.process})
}

// Update sends one dynamic update message with changes in the words of
// nsupdate(1), which sends it: all of them take effect at once.
//
//	l.Primary.Update(t, "example.test",
//		"delete _25._tcp.mx1.example.test. TLSA",
//		"add _25._tcp.mx1.example.test. 5 TLSA 3 1 1 "+hash)
func (p *Primary) Update(t testing.TB, zone string, changes ...string) {
	t.Helper()
	script := "server " + PrimaryIP + "\nzone " + zone + "\n" + strings.Join(changes, "\n") + "\nsend\n"
	p.lab.run(t, script, "nsupdate", "-k", p.lab.Dir+"/bind/tsig.conf")
}
