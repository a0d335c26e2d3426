package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/rollover"
)

// FuzzParse: whatever the file holds, there is either a sound configuration or
// a list of problems, each of one line and with a line of the file.
func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	if text, err := os.ReadFile(example); err == nil {
		f.Add(text)
	}
	f.Add([]byte(account("key = { env = \"A\" }\ndeep = { a = [[1.5, 1979-05-27], true] }")))
	f.Add([]byte("[[certificate]]\nx.y.z = 1\n[dns.\"\"]\n'' = {a.b = 1}\n"))
	f.Add([]byte(unit("records", `["311", "\\# 3 030101"]`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parse(source{file: "f", text: text})
		var found *Problems
		switch {
		case err == nil:
			sound(t, c)
		case !errors.As(err, &found) || len(found.List) == 0 || c != nil:
			t.Fatalf("got %v, %v", c, err)
		default:
			told(t, found.List, strings.Count(string(text), "\n")+1)
		}
	})
}

// told holds the form of problems.
func told(t *testing.T, list []Problem, lines int) {
	t.Helper()
	last := 0
	for _, p := range list {
		if p.Line < last || p.Line > lines || p.Text == "" || p.File != "f" {
			t.Errorf("problem %+v in a file of %d lines", p, lines)
		}
		if strings.ContainsFunc(p.String(), func(r rune) bool { return r < ' ' }) {
			t.Errorf("problem with control characters: %q", p)
		}
		last = p.Line
	}
}

// sound holds what everybody who gets a configuration relies on.
func sound(t *testing.T, c *Config) {
	t.Helper()
	told(t, c.Warnings(), 1<<30)
	if len(c.Certificates) == 0 || !filepath.IsAbs(c.StateDir) || c.DNSSEC != "resolver" || c.Resolver != "" && !isLoopback(c.Resolver) {
		t.Errorf("configuration %+v", c)
	}
	owners := map[string]bool{}
	for _, u := range c.Certificates {
		p := u.Policy
		if !isUnitName(u.Name) || len(u.Endpoints) == 0 || len(u.Names) == 0 || !filepath.IsAbs(u.LiveDir) || filepath.Clean(u.LiveDir) != u.LiveDir ||
			u.ReloadTimeout <= 0 || p.Wait < 1 || p.TTL < minTTL || p.TTL > maxTTL || len(p.Records) == 0 {
			t.Errorf("certificate %+v", u)
		}
		for _, d := range []int64{int64(p.Floor), int64(p.Margin), int64(p.Settle)} {
			if d <= 0 && d != int64(rollover.None) {
				t.Errorf("a time of the policy would mean its default: %+v", p)
			}
		}
		for _, r := range p.Records {
			if !r.Assigned() || r.Usage < dane.DANETA {
				t.Errorf("record %s", r)
			}
		}
		for _, e := range u.Endpoints {
			owner := e.Owner()
			if account, zone := c.Account(owner); account == nil || owners[owner] || !strings.HasSuffix(owner, zone) || len(owner) > 280 {
				t.Errorf("owner %s", owner)
			}
			owners[owner] = true
		}
		for _, argv := range u.Reload {
			if len(argv) == 0 || argv[0] == "" {
				t.Errorf("command %q", argv)
			}
		}
	}
	for name, d := range c.DNS {
		if name != d.Name || d.Provider == "" || len(d.Zones) == 0 {
			t.Errorf("account %+v", d)
		}
	}
}
