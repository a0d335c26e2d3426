//go:build lab

package lab

import "testing"

// Secondary is Knot: the second server of every zone. It takes changes from the
// primaries at once, unless they are held back.
type Secondary struct {
	Address string // "127.0.0.12:53"
	lab     *Lab
	config  string
	process *process
}

// The sizes bound the databases of one Knot; it maps them into memory whole.
const knotConfig = `server:
    listen: {{.IP}}@53
    rundir: {{.Dir}}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 2
control:
    listen: {{.Dir}}/knot.sock
log:
  - target: stderr
    any: info
database:
    storage: {{.Dir}}
    journal-db-max-size: 32M
    kasp-db-max-size: 8M
    timer-db-max-size: 8M
    catalog-db-max-size: 8M
key:
  - id: {{.TSIG.Name}}
    algorithm: {{.TSIG.Algorithm}}
    secret: {{.Secret}}
remote:
  - id: bind
    address: {{.BINDIP}}@53
    key: {{.TSIG.Name}}
  - id: nsd
    address: {{.NSDIP}}@53
  - id: knot
    address: {{.KnotIP}}@53
  - id: secondary
    address: {{.SecondaryIP}}@53
acl:
  - id: notify
    address: 127.0.0.0/8
    action: notify
  - id: transfer
    address: 127.0.0.0/8
    action: transfer
policy:
  - id: lab
    single-type-signing: on
    algorithm: ecdsap256sha256
template:
  - id: default
    storage: {{.Dir}}
    file: "%s.zone"
{{if .Zones}}zone:{{end}}
{{range .Zones}}  - domain: {{.Name}}
{{if $.Secondary}}    master: {{index $.Masters .Server}}
    acl: notify
{{else}}    notify: secondary
    acl: transfer
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
{{if ne .Security $.Unsigned}}    dnssec-signing: on
    dnssec-policy: lab
{{end}}{{end}}{{end}}`

// knotFile writes the configuration of one Knot and gives its path.
func (l *Lab) knotFile(t testing.TB, name, ip string, zones []Zone) string {
	t.Helper()
	dir := l.makeDir(t, name)
	return l.render(t, name+"/knot.conf", knotConfig, map[string]any{
		"Dir": dir, "IP": ip, "Zones": zones, "Secondary": ip == SecondaryIP, "Unsigned": Unsigned,
		"TSIG": l.TSIG, "Secret": l.TSIG.secret, "Masters": []string{"bind", "nsd", "knot"},
		"BINDIP": PrimaryIP, "NSDIP": NSDIP, "KnotIP": KnotIP, "SecondaryIP": SecondaryIP,
	})
}

// startKnot starts the Knot that serves zone files, if a zone wants it.
func (l *Lab) startKnot(t testing.TB) *process {
	t.Helper()
	zones := l.on(Knot)
	if len(zones) == 0 {
		return nil
	}
	config := l.knotFile(t, "knot", KnotIP, zones)
	knotc := []string{program("knotc"), "-b", "-c", config}
	for _, z := range zones {
		file := l.write(t, "knot/"+z.Name+".zone", z.text())
		l.files[z.Name] = &FileZone{
			File:   file,
			Check:  []string{program("nsd-checkzone"), z.Name, file},
			Reload: append(knotc, "zone-reload", z.Name),
		}
	}
	return l.start(t, "knot", "knotd", "-c", config)
}

// startSecondary starts the second server. It has nothing to serve yet.
func (l *Lab) startSecondary(t testing.TB) {
	t.Helper()
	config := l.knotFile(t, "secondary", SecondaryIP, l.zones)
	l.Secondary = &Secondary{Address: SecondaryIP + ":53", lab: l, config: config}
	l.Secondary.start(t)
}

// start starts the server and waits until it takes commands and notifications.
func (s *Secondary) start(t testing.TB) {
	t.Helper()
	s.process = s.lab.start(t, "secondary", "knotd", "-c", s.config)
	s.process.waitReady(t, func() bool {
		_, err := s.lab.try(t, "", "knotc", "-c", s.config, "status")
		return err == nil
	})
}

// Start starts the server after Stop, not held back, and waits until it serves
// what the primaries serve.
func (s *Secondary) Start(t testing.TB) {
	t.Helper()
	s.start(t)
	s.catchUp(t)
}

// Stop ends the server: queries to it are refused until Start.
func (s *Secondary) Stop(t testing.TB) {
	t.Helper()
	s.process.stop()
}

// Hold keeps the server from taking changes: it goes on answering with the zones
// as they are now, whatever the primaries announce, until Release.
func (s *Secondary) Hold(t testing.TB) {
	t.Helper()
	s.control(t, "zone-freeze")
}

// Release ends Hold. When it returns, the server serves what the primaries serve.
func (s *Secondary) Release(t testing.TB) {
	t.Helper()
	s.control(t, "zone-thaw")
	s.catchUp(t)
}

// catchUp waits until the server serves what the primaries serve.
func (s *Secondary) catchUp(t testing.TB) {
	t.Helper()
	s.control(t, "zone-refresh")
	s.process.waitReady(t, s.current)
}

// control sends a command for every zone and waits until it is done.
func (s *Secondary) control(t testing.TB, command string) {
	t.Helper()
	s.lab.run(t, "", "knotc", "-b", "-c", s.config, command)
}

// current says whether the server has each zone as its primary has it now.
func (s *Secondary) current() bool {
	for _, z := range s.lab.zones {
		primary := serial(z.Server.IP(), z.Name)
		if primary == 0 || primary != serial(SecondaryIP, z.Name) {
			return false
		}
	}
	return true
}
