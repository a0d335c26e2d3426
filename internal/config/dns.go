package config

import (
	"slices"
	"strings"
)

// rootFields are the keys outside of all tables, and the tables.
func rootFields() []field[Config] {
	return []field[Config]{
		{"state_dir", func(c *Config, n node) { c.StateDir = n.folder() }},
		{"resolver", func(c *Config, n node) { c.Resolver = n.server() }},
		{"dnssec", func(c *Config, n node) { c.DNSSEC = n.dnssec() }},
		{"dns", func(c *Config, n node) {
			for _, one := range n.units() {
				c.DNS[one.name()] = newDNS(one)
			}
		}},
		{"certificate", func(c *Config, n node) {
			for _, one := range n.units() {
				c.Certificates = append(c.Certificates, newCertificate(one))
			}
		}},
	}
}

// units gives the tables [dns.NAME] or [certificate.NAME].
func (n node) units() []node {
	if !n.table() {
		return nil
	}
	var units []node
	nameless := false
	for _, child := range n.children() {
		_, isTable := child.value.(map[string]any)
		switch {
		case !isTable:
			nameless = true
		case !isUnitName(child.name()):
			child.fail("a name consists of letters, digits, hyphens and underscores, at most 63, and begins with none of the last two")
		default:
			units = append(units, child)
		}
	}
	if nameless {
		n.fail("there are keys in it that belong into a table with a name, [%s.NAME]", n.label)
	}
	return units
}

// isUnitName says whether a name can be that of a table, of files and folders.
func isUnitName(s string) bool {
	return s != "" && len(s) <= 63 && s[0] != '-' && s[0] != '_' && strings.Trim(s, wordy) == ""
}

// server gives the address of a name server.
func (n node) server() string {
	s, ok := n.text()
	if !ok {
		return ""
	}
	address, err := ParseServer(s)
	if err != nil {
		n.fail("%v", err)
	}
	return address
}

// dnssec gives the way in which DNSSEC is judged.
func (n node) dnssec() string {
	s, ok := n.text()
	if ok && s != DefaultDNSSEC {
		hint := `write dnssec = "resolver", and run a validating resolver such as Unbound on this machine`
		if s == "full" || s == "none" {
			n.failHint(hint, "%q is not in this version", s)
		} else {
			n.failHint(hint, "must be %q, got %q", DefaultDNSSEC, s)
		}
	}
	return s
}

// newDNS reads a table [dns.NAME]. Whatever is not the same for every provider
// is kept for the provider, which knows its own keys.
func newDNS(n node) *DNS {
	d := &DNS{Name: n.name(), Settings: map[string]any{}}
	own := dnsFields()
	for _, child := range n.children() {
		i := slices.IndexFunc(own, func(f field[DNS]) bool { return f.key == child.name() })
		if i >= 0 {
			own[i].set(d, child)
			continue
		}
		d.Settings[child.name()] = child.setting()
	}
	for _, key := range []string{"provider", "zones"} {
		if n.child(key).value == nil {
			n.fail("%s is missing", key)
		}
	}
	return d
}

// dnsFields are the keys of [dns.NAME] that every provider has.
func dnsFields() []field[DNS] {
	return []field[DNS]{
		{"provider", func(d *DNS, n node) { d.Provider, _ = n.text() }},
		{"zones", func(d *DNS, n node) { d.Zones = texts(n, zoneName) }},
		{"nameservers", func(d *DNS, n node) { d.Nameservers = texts(n, ParseServer) }},
	}
}

// setting gives the value of a provider's own key: a Secret where it is one,
// else what the file holds.
func (n node) setting() any {
	keys, isTable := n.value.(map[string]any)
	switch {
	case isTable && len(keys) > 0 && !slices.ContainsFunc(n.children(), func(c node) bool { return !isSource(c.name()) }):
		return n.secret()
	case isTable && holdsSecret(n.name()):
		n.fail("a secret is a string, or { file = PATH }, { env = NAME } or { credential = NAME }")
	case isTable:
		inner := map[string]any{}
		for _, child := range n.children() {
			inner[child.name()] = child.setting()
		}
		return inner
	}
	if s, ok := n.value.(string); ok && holdsSecret(n.name()) {
		if n.open {
			n.failHint("chmod o= "+n.file+", or write { file = PATH } instead of the secret", "there is a secret in this line, and everybody on this machine can read %s", n.file)
		}
		return Secret{&origin{literal: s}}
	}
	return n.value
}

func isSource(key string) bool { return key == "file" || key == "env" || key == "credential" }

// holdsSecret says whether a provider's key is by its name one for a secret:
// key, api_token, tsig_secret, but not key_name or access_key_id.
func holdsSecret(key string) bool {
	words := strings.FieldsFunc(strings.ToLower(key), func(r rune) bool { return r == '_' || r == '-' })
	if len(words) == 0 {
		return false
	}
	last := words[len(words)-1]
	for _, end := range []string{"key", "secret", "token", "password", "passwd", "passphrase", "pass"} {
		if strings.HasSuffix(last, end) {
			return true
		}
	}
	return false
}

// secret reads { file = PATH }, { env = NAME } or { credential = NAME }.
func (n node) secret() Secret {
	children := n.children()
	if len(children) > 1 {
		n.fail("a secret has one source, and this one has %d", len(children))
		return Secret{}
	}
	child := children[0]
	if child.name() == "file" {
		return Secret{&origin{file: child.folder()}}
	}
	s, ok := child.text()
	if ok && strings.Trim(s, wordy+".") != "" {
		child.fail("is not a name") // and not shown: it may be the secret itself
	}
	if child.name() == "env" {
		return Secret{&origin{env: s}}
	}
	return Secret{&origin{credential: s}}
}
