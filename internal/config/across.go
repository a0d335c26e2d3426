package config

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// finish checks what lies between the tables.
func (c *Config) finish(root node) {
	if len(c.Certificates) == 0 && len(root.problems) == 0 {
		root.failHint("write a table [certificate.NAME] for each certificate of a mail server", "there is no certificate in it")
	}
	c.zones(root.child("dns"))
	at := root.child("certificate")
	c.owners(at)
	c.folders(at)
	if c.Resolver != "" && !isLoopback(c.Resolver) {
		root.child("resolver").failHint("run a validating resolver such as Unbound on this machine: anybody on the way to another one could forge its answers",
			"%s is on another machine, and the AD bit is believed from this one only", c.Resolver)
	}
}

// zones holds that each zone belongs to one account.
func (c *Config) zones(at node) {
	account := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.DNS)) {
		for _, zone := range c.DNS[name].Zones {
			where := place(at.child(name).child("zones"), zoneName, zone)
			if other, ok := account[zone]; ok && other == name {
				where.fail("the zone %s is there twice", zone)
			} else if ok {
				where.fail("the zone %s belongs to dns.%s already", zone, other)
			}
			account[zone] = name
		}
	}
}

// owners holds that each owner name belongs to one certificate unit, because
// two could remove each other's records, and to an account.
func (c *Config) owners(at node) {
	unit := map[string]string{}
	broken := len(c.DNS) == 0 && len(at.problems) > 0 // and then that was told already
	for _, u := range c.Certificates {
		for _, e := range u.Endpoints {
			where := place(at.child(u.Name).child("endpoints"), parseEndpoint, e)
			owner := e.Owner()
			if other, ok := unit[owner]; ok && other == u.Name {
				where.fail("%s is there twice", e)
			} else if ok {
				where.failHint("put all that is served at one name and port into one table", "the records of %s belong to certificate.%s already", owner, other)
			}
			unit[owner] = u.Name
			if account, _ := c.Account(owner); account == nil && !broken {
				where.failHint("add the zone to the zones of a table [dns.NAME]", "no [dns.NAME] has a zone that %s lies in", e.Host)
			}
		}
	}
}

// folders holds that no two units use one live_dir, and that none lies inside
// of another or among the certificates that it leads to.
func (c *Config) folders(at node) {
	for i, u := range c.Certificates {
		where := at.child(u.Name).child("live_dir")
		if u.LiveDir == "" {
			continue
		}
		for _, other := range c.Certificates[:i] {
			switch {
			case u.LiveDir == other.LiveDir:
				where.fail("%s is that of certificate.%s already", u.LiveDir, other.Name)
			case inside(u.LiveDir, other.LiveDir), other.LiveDir != "" && inside(other.LiveDir, u.LiveDir):
				where.fail("%s and that of certificate.%s, %s, lie in one another", u.LiveDir, other.Name, other.LiveDir)
			}
		}
		if certs := filepath.Join(c.StateDir, "certs"); c.StateDir == u.LiveDir || inside(c.StateDir, u.LiveDir) || inside(u.LiveDir, certs) || u.LiveDir == certs {
			where.fail("%s is used for the state; choose a folder beside it, such as %s", u.LiveDir, filepath.Join(c.StateDir, "live", u.Name))
		}
	}
}

// inside says whether a clean path lies below another.
func inside(path, top string) bool { return top != "" && strings.HasPrefix(path, top+"/") }
