package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/rollover"
)

// The bounds of the times in [certificate.NAME]. No resolver should keep
// records longer than seven days (RFC 8767, Section 4).
const (
	minTTL       = time.Second
	maxTTL       = 7 * day
	maxMargin    = 30 * day
	maxWait      = 100
	shortTTL     = 5 * time.Minute
	longTTL      = 24 * time.Hour
	maxReloading = 10 * time.Minute
)

// newCertificate reads a table [certificate.NAME].
func newCertificate(n node) *Certificate {
	c := &Certificate{Name: n.name(), ReloadTimeout: DefaultReloadTimeout, Policy: rollover.Policy{
		Records: []dane.Params{{Usage: dane.DANEEE, Selector: dane.SPKI, Matching: dane.SHA256}},
		TTL:     rollover.DefaultTTL, Wait: rollover.DefaultWait,
		Floor: rollover.DefaultFloor, Margin: rollover.DefaultMargin, Settle: rollover.DefaultSettle,
	}}
	assign(c, n, certificateFields())
	for _, key := range []string{"endpoints", "live_dir"} {
		if n.child(key).value == nil {
			n.fail("%s is missing", key)
		}
	}
	if len(c.Names) == 0 {
		for _, e := range c.Endpoints {
			if !slices.Contains(c.Names, e.Host) {
				c.Names = append(c.Names, e.Host)
			}
		}
	}
	c.references(n)
	if n.child("reload").value == nil {
		n.warn("reload is missing: some mail servers serve the old certificate until they are told to read the new one")
	}
	return c
}

// references takes over the names that senders may look for where a record
// pins an issuer. An endpoint that the names leave out fails there.
func (c *Certificate) references(n node) {
	c.Policy.Names = slices.DeleteFunc(slices.Clone(c.Names), func(name string) bool { return strings.HasPrefix(name, "*.") })
	pins := slices.ContainsFunc(c.Policy.Records, func(p dane.Params) bool { return p.Usage == dane.DANETA })
	for _, e := range c.Endpoints {
		_, parent, _ := strings.Cut(e.Host, ".")
		if pins && !slices.Contains(c.Names, e.Host) && !slices.Contains(c.Names, "*."+parent) {
			// RFC 7672, Section 3.2.2: the TLSA base domain is a reference identifier.
			n.child("names").warn("%s is not among them: where a record pins the issuer, senders want the certificate to be for that name", e.Host)
		}
	}
}

// certificateFields are the keys of [certificate.NAME].
func certificateFields() []field[Certificate] {
	return []field[Certificate]{
		{"names", func(c *Certificate, n node) { c.Names = texts(n, certificateName) }},
		{"endpoints", func(c *Certificate, n node) { c.Endpoints = texts(n, parseEndpoint) }},
		{"records", func(c *Certificate, n node) { c.Policy.Records = n.records() }},
		{"source", func(_ *Certificate, n node) { n.hook() }},
		{"ttl", func(c *Certificate, n node) { c.Policy.TTL = n.ttl() }},
		{"live_dir", func(c *Certificate, n node) { c.LiveDir = n.folder() }},
		{"reload", func(c *Certificate, n node) { c.Reload = n.commands() }},
		{"reload_timeout", func(c *Certificate, n node) { c.ReloadTimeout, _ = n.duration(time.Second, maxReloading) }},
		{"wait", func(c *Certificate, n node) { c.Policy.Wait = n.multiple() }},
		{"margin", func(c *Certificate, n node) { c.Policy.Margin = n.policyTime() }},
		{"floor", func(c *Certificate, n node) { c.Policy.Floor = n.policyTime() }},
		{"settle", func(c *Certificate, n node) { c.Policy.Settle = n.policyTime() }},
		{"owner", func(c *Certificate, n node) { c.Owner = n.account() }},
		{"group", func(c *Certificate, n node) { c.Group = n.account() }},
	}
}

// hook holds that another client obtains the certificate.
func (n node) hook() {
	s, ok := n.text()
	switch {
	case !ok || s == "hook":
	case s == "acme":
		n.failHint(`write source = "hook", and let your ACME client call tlsamgr hook`, `"acme" is not in this version`)
	default:
		n.fail(`must be "hook", got %q`, s)
	}
}

// ttl gives the TTL of new records.
func (n node) ttl() time.Duration {
	d, ok := n.duration(minTTL, maxTTL)
	switch {
	case !ok:
	case d%time.Second != 0:
		n.fail("must be a whole number of seconds, got %s", d)
	case d < shortTTL:
		n.warn("%s is short: many resolvers keep records longer than that, and every sender asks more often", short(d))
	case d > longTTL:
		n.warn("%s is long: a lost key cannot be replaced before it has passed, and senders give up after a day or a few", short(d))
	}
	return d
}

// policyTime gives a time of the policy, in which zero means the default.
func (n node) policyTime() time.Duration {
	d, ok := n.duration(0, maxMargin)
	if ok && d == 0 {
		return rollover.None
	}
	return d
}

// multiple gives how many TTLs to wait: "2x".
func (n node) multiple() float64 {
	s, ok := n.value.(string)
	number, isMultiple := strings.CutSuffix(s, "x")
	digits := strings.Trim(number, "0123456789.") == ""
	m, err := strconv.ParseFloat(number, 64)
	if !ok || !isMultiple || !digits || err != nil {
		n.fail(`must be a multiple of the TTL such as "2x", got %v`, quoted(n.value))
		return 0
	}
	if m < 1 || m > maxWait {
		n.fail(`must be from "1x", the proven minimum, to "%dx", got %q`, maxWait, s)
	}
	return m
}

func quoted(v any) any {
	if s, ok := v.(string); ok {
		return strconv.Quote(s)
	}
	return v
}

// account gives a user or group, by name or number.
func (n node) account() string {
	if number, ok := n.value.(int64); ok && number >= 0 && number < 1<<31 {
		return strconv.FormatInt(number, 10)
	}
	s, ok := n.text()
	if ok && strings.ContainsAny(s, ": /") {
		n.fail("%q is not the name of a user or group; there is owner and there is group", s)
	}
	return s
}

// commands gives argument lists: [["systemctl", "reload", "postfix"]].
func (n node) commands() [][]string {
	var commands [][]string
	if none, ok := n.value.([]any); ok && len(none) == 0 {
		return nil // said on purpose: something else makes the server read the files
	}
	for _, e := range n.list() {
		if _, ok := e.value.([]any); !ok {
			e.failHint(`write [["systemctl", "reload", "postfix"]]: a list of commands, each a list of words; there is no shell`, "must be a list of lists of words, not a list with %s in it", kind(e.value))
			return nil
		}
		if argv := e.command(); len(argv) > 0 {
			commands = append(commands, argv)
		}
	}
	return commands
}

// command gives one argument list. Arguments may be empty, the program not.
func (n node) command() []string {
	var argv []string
	for _, e := range n.list() {
		s, ok := e.value.(string)
		if !ok || s != "" || len(argv) == 0 {
			s, _ = e.text()
		}
		argv = append(argv, s)
	}
	switch {
	case len(argv) == 0:
	case strings.Contains(argv[0], "/") && !filepath.IsAbs(argv[0]):
		n.fail("the path of a program must be absolute, got %q", argv[0])
	case strings.ContainsAny(argv[0], " \t") && len(argv) == 1:
		n.fail("%q is one word: put each argument into quotes of its own; there is no shell", argv[0])
	}
	return argv
}

// records gives the parameter combinations to publish.
func (n node) records() []dane.Params {
	var records []dane.Params
	for _, e := range n.list() {
		p, ok := element(e, readParams)
		switch {
		case !ok:
			continue
		case slices.Contains(records, p):
			e.fail("%s is there twice", p)
		case p.Matching == dane.Full:
			e.warn("%s puts the whole key or certificate into the DNS: answers grow, and some senders refuse them", p)
		case p.Usage == dane.DANEEE && p.Selector == dane.Cert:
			e.warn("%s changes with every renewal, also with one that keeps its key", p)
		case slices.ContainsFunc(records, func(q dane.Params) bool {
			return p.Usage == q.Usage && p.Selector == q.Selector && q.Matching != dane.Full
		}):
			// RFC 7671, Section 9: of several digests senders use one only.
			e.warn("%s beside another digest of the same: senders look at one of them, and each key takes two records", p)
		}
		records = append(records, p)
	}
	return records
}

// readParams reads a parameter combination that is of use for mail: usages 0
// and 1 are not (RFC 7672, Section 3.1.3).
func readParams(s string) (dane.Params, error) {
	p, err := dane.ParseParams(s)
	switch {
	case err != nil:
		return p, fmt.Errorf(`%w; write it as "3 1 1"`, err)
	case !p.Assigned():
		return p, fmt.Errorf("%q has a number without a meaning", s)
	case p.Usage == dane.PKIXTA || p.Usage == dane.PKIXEE:
		return p, errors.New(s + ": mail servers treat usages 0 and 1 as unusable; use 3 1 1 or 2 1 1")
	}
	return p, nil
}
