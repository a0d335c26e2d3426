package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/rollover"
)

// small is the least that a configuration needs.
const small = `[dns.main]
provider = "rfc2136"
zones = ["example.com"]
[certificate.mx1]
endpoints = ["mx1.example.com:25"]
live_dir = "/var/lib/tlsamgr/live/mx1"
reload = [["true"]]
`

// write writes a configuration that only its owner can read.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tlsamgr.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// problems gives what is wrong with a configuration, without the file's name.
func problems(text string) []string {
	_, err := parse(source{file: "f", text: []byte(text)})
	var found *Problems
	if !errors.As(err, &found) {
		return nil
	}
	var lines []string
	for _, p := range found.List {
		lines = append(lines, strings.TrimPrefix(p.String(), "f:"))
	}
	return lines
}

// warnings gives what is warned about, without the file's name.
func warnings(t *testing.T, text string) []string {
	t.Helper()
	c, err := parse(source{file: "f", text: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range c.Warnings() {
		lines = append(lines, strings.TrimPrefix(p.String(), "f:"))
	}
	return lines
}

func TestDefaults(t *testing.T) {
	path := write(t, small)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Path: path, StateDir: "/var/lib/tlsamgr", DNSSEC: "resolver",
		DNS: map[string]*DNS{"main": {Name: "main", Provider: "rfc2136", Zones: []string{"example.com."}, Settings: map[string]any{}}},
		Certificates: []*Certificate{{
			Name: "mx1", Names: []string{"mx1.example.com"}, Endpoints: []Endpoint{{Host: "mx1.example.com", Port: 25, Protocol: "smtp"}},
			Policy: rollover.Policy{
				Records: []dane.Params{{Usage: 3, Selector: 1, Matching: 1}}, Names: []string{"mx1.example.com"},
				TTL: time.Hour, Wait: 2, Floor: time.Hour, Margin: 5 * time.Minute, Settle: time.Hour,
			},
			LiveDir: "/var/lib/tlsamgr/live/mx1", Reload: [][]string{{"true"}}, ReloadTimeout: time.Minute,
		}},
	}
	if diff := cmp.Diff(want, c, cmpopts.IgnoreUnexported(Config{})); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("warnings: %v", w)
	}
}

func TestEverything(t *testing.T) {
	c, err := Load(write(t, `
state_dir = "/srv/tlsamgr/"
resolver = "::1"
dnssec = "resolver"
[dns.main]
provider = "rfc2136"
zones = ["Example.COM.", "münchen.example"]
nameservers = ["192.0.2.1", "[2001:db8::1]:5353"]
server = "192.0.2.1"
retries = 3
deep = { a = { b = ["c"] } }
[dns.sub]
provider = "zonefile"
zones = ["mail.example.com", "_tcp.special.example.com"]
[certificate.b]
endpoints = ["MX.münchen.example:587/smtp"]
live_dir = "/srv/live/b"
reload = []
[certificate.a]
names = ["mx.example.com", "*.example.com"]
endpoints = ["mx1.mail.example.com:25", "special.example.com:25/smtp"]
records = ["3 1 1", "211"]
source = "hook"
ttl = "30m"
live_dir = "/srv/live/a/"
reload = [["/usr/sbin/postfix", "reload"], ["doveadm", "reload"]]
reload_timeout = "10s"
wait = "1.5x"
margin = "0s"
floor = "0s"
settle = "1d12h"
owner = "exim"
group = 8
`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Path: c.Path, StateDir: "/srv/tlsamgr", Resolver: "[::1]:53", DNSSEC: "resolver",
		DNS: map[string]*DNS{
			"main": {Name: "main", Provider: "rfc2136", Zones: []string{"example.com.", "xn--mnchen-3ya.example."}, Nameservers: []string{"192.0.2.1:53", "[2001:db8::1]:5353"},
				Settings: map[string]any{"server": "192.0.2.1", "retries": int64(3), "deep": map[string]any{"a": map[string]any{"b": []any{"c"}}}}},
			"sub": {Name: "sub", Provider: "zonefile", Zones: []string{"mail.example.com.", "_tcp.special.example.com."}, Settings: map[string]any{}},
		},
		Certificates: []*Certificate{{
			Name: "a", Names: []string{"mx.example.com", "*.example.com"}, LiveDir: "/srv/live/a", Owner: "exim", Group: "8",
			Endpoints: []Endpoint{{"mx1.mail.example.com", 25, "smtp"}, {"special.example.com", 25, "smtp"}},
			Policy: rollover.Policy{
				Records: []dane.Params{{Usage: 3, Selector: 1, Matching: 1}, {Usage: 2, Selector: 1, Matching: 1}}, Names: []string{"mx.example.com"},
				TTL: 30 * time.Minute, Wait: 1.5, Floor: rollover.None, Margin: rollover.None, Settle: 36 * time.Hour,
			},
			Reload: [][]string{{"/usr/sbin/postfix", "reload"}, {"doveadm", "reload"}}, ReloadTimeout: 10 * time.Second,
		}, {
			Name: "b", Names: []string{"mx.xn--mnchen-3ya.example"}, LiveDir: "/srv/live/b",
			Endpoints: []Endpoint{{"mx.xn--mnchen-3ya.example", 587, "smtp"}},
			Policy: rollover.Policy{
				Records: []dane.Params{{Usage: 3, Selector: 1, Matching: 1}}, Names: []string{"mx.xn--mnchen-3ya.example"},
				TTL: time.Hour, Wait: 2, Floor: time.Hour, Margin: 5 * time.Minute, Settle: time.Hour,
			},
			ReloadTimeout: time.Minute,
		}},
	}
	if diff := cmp.Diff(want, c, cmpopts.IgnoreUnexported(Config{})); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	for owner, want := range map[string]string{
		"_25._tcp.mx1.mail.example.com.": "sub mail.example.com.", "_25._tcp.mail.example.com.": "sub mail.example.com.",
		"_25._tcp.mx.example.com.": "main example.com.", "_25._tcp.special.example.com.": "sub _tcp.special.example.com.",
		"_25._tcp.mx.xn--mnchen-3ya.example.": "main xn--mnchen-3ya.example.",
	} {
		account, zone := c.Account(owner)
		if account == nil || account.Name+" "+zone != want {
			t.Errorf("%s belongs to %v %s, want %s", owner, account, zone, want)
		}
	}
	for _, owner := range []string{"_25._tcp.mx.notexample.com.", "_25._tcp.mx.example.com.evil.", "."} {
		if account, zone := c.Account(owner); account != nil {
			t.Errorf("%s belongs to %s %s", owner, account.Name, zone)
		}
	}
	if c.Certificate("a") != c.Certificates[0] || c.Certificate("none") != nil {
		t.Error("Certificate does not find what it should")
	}
	if got := c.Certificates[0].Endpoints[0].Owner(); got != "_25._tcp.mx1.mail.example.com." {
		t.Errorf("owner %s", got)
	}
	for line, path := range map[int][]string{5: {"dns", "main"}, 9: {"dns", "main", "server"}, 12: {"dns", "sub", "missing"}, 0: {"none"}} {
		if got := c.Line(path...); got != line {
			t.Errorf("%v stands in line %d, want %d", path, got, line)
		}
	}
}

// TestEveryProblemAtOnce: one run names them all, in the order of the lines.
func TestEveryProblemAtOnce(t *testing.T) {
	path := write(t, `state_dir = "var"
resolvr = "127.0.0.1"
dnssec = "full"

[dns.main]
provider = "rfc2136"
zones = ["example.com",
  3]
nameservers = ["ns1"]

[acme]
directory = "x"

[certificate.mx1]
endpoints = [
  "mx1.example.com",
  "mx2.example.net:25",
  "mx3.example.com:25/imap"]
ttl = "10d"
wiat = "2x"
reload = ["systemctl", "reload"]
margin = 5
`)
	_, err := Load(path)
	var found *Problems
	if !errors.As(err, &found) {
		t.Fatalf("got %v, want *Problems", err)
	}
	want := strings.ReplaceAll(`F:1: state_dir: must be an absolute path, got "var"
F:2: resolvr: there is no such key; did you mean resolver?
F:3: dnssec: "full" is not in this version
    hint: write dnssec = "resolver", and run a validating resolver such as Unbound on this machine
F:8: dns.main.zones: must be a string in quotes, not a number
F:9: dns.main.nameservers: "ns1" is not an address such as "127.0.0.1", "127.0.0.1:53" or "[::1]:53"
F:11: acme: not in this version: an ACME client obtains the certificates and calls tlsamgr hook
F:14: certificate.mx1: live_dir is missing
F:16: certificate.mx1.endpoints: "mx1.example.com" is not host:port; for mail between servers the port is 25
F:17: certificate.mx1.endpoints: no [dns.NAME] has a zone that mx2.example.net lies in
    hint: add the zone to the zones of a table [dns.NAME]
F:18: certificate.mx1.endpoints: "mx3.example.com:25/imap": the protocol "imap" is not in this version, which probes smtp
F:19: certificate.mx1.ttl: must be from 1s to 7d, got "10d"
F:20: certificate.mx1.wiat: there is no such key; did you mean wait?
F:21: certificate.mx1.reload: must be a list of lists of words, not a list with a string in it
    hint: write [["systemctl", "reload", "postfix"]]: a list of commands, each a list of words; there is no shell
F:22: certificate.mx1.margin: must be a string such as "1h", not a number
    hint: write a number and a unit: "90s", "5m", "1h", "2d"`, "F:", path+":")
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// TestFile: what is wrong with the file as a whole.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	open := write(t, small)
	if err := os.Chmod(open, 0o606); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ path, want, hint string }{
		{filepath.Join(dir, "none"), "no such file", "tlsamgr.toml.example"},
		{dir, "not a regular file", ""},
		{fifo, "not a regular file", ""},
		{"/dev/zero", "not a regular file", ""},
		{write(t, strings.Repeat("#", maxSource+1)), "larger than", ""},
		{open, "everybody can write to it", "chmod o-w"},
	} {
		_, err := Load(test.path)
		var hinted interface{ Hint() string }
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.path) {
			t.Errorf("%s: got %v, want %q", test.path, err, test.want)
		}
		if test.hint != "" && (!errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), test.hint)) {
			t.Errorf("%s: no hint %q with %v", test.path, test.hint, err)
		}
	}
	if _, err := Load(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}

// TestParserIsUnhappy: what is no TOML has its line too.
func TestParserIsUnhappy(t *testing.T) {
	for text, want := range map[string]string{
		"":                              " there is no certificate in it",
		"# nothing\n":                   " there is no certificate in it",
		"a = 1\nb = \n":                 "2: column 5: unexpected character U+000A at start of value",
		"a = 1\r\na = 2\r\n":            "2: column 1: key a is already defined",
		"[dns.x]\n[dns.y]\n[dns.x]\n":   "3: column 2: table x already exists",
		"a = \"\xff\"\n":                "1: column 6: invalid UTF-8",
		"\x00":                          "1: column 1:",
		"x = {a = 1, a = 2}":            "1: column 1: key a is already defined",
		"state_dir = \"/a\" trailing":   "1: column 18:",
		"i = 99999999999999999999":      "1: column 5:",
		"\ufeffa = ":                    "1: column 4: expected value",
		strings.Repeat("[", 1000) + "]": "1: column",
	} {
		if got := problems(text); len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%.30q: got %q, want %q", text, got, want)
		}
	}
}

// TestLargeFiles: large files, and many keys in one table, do not take long.
func TestLargeFiles(t *testing.T) {
	fill := func(piece string) string { return strings.Repeat(piece, (maxSource-1000)/len(piece)) }
	for name, text := range map[string]string{
		"keys":     small + "\n" + numbered(5000),
		"dotted":   small + "\nx" + fill(".a") + " = 1\n",
		"comments": small + fill("#\n"),
		"strings":  small + "\nx = [" + fill(`"a",`) + "]\n",
		"nested":   small + "\nx = " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
		"long key": small + "\n" + fill("a") + " = 1",
	} {
		start := time.Now()
		got := problems(text)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: it took %s", name, took)
		}
		if name == "comments" && got != nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// numbered gives many lines of keys.
func numbered(n int) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, "k%d = 1\n", i)
	}
	return out.String()
}
