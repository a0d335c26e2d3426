package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tlsamgr/tlsamgr/rollover"
)

// unit is small with a key of [certificate.mx1] set; the key stands in line 8.
func unit(key, value string) string {
	lines := strings.SplitAfter(small, "\n")
	var out strings.Builder
	for i, line := range lines[:len(lines)-1] {
		if strings.HasPrefix(line, key+" =") {
			line = "\n"
		}
		if i == 3 {
			line = "[certificate.mx1]\n"
		}
		out.WriteString(line)
	}
	fmt.Fprintf(&out, "%s = %s\n", key, value)
	return out.String()
}

// TestKeysOfACertificate: good values, and for bad ones the sentence.
func TestKeysOfACertificate(t *testing.T) {
	good := func(key string, values ...string) {
		t.Helper()
		for _, v := range values {
			if got := problems(unit(key, v)); len(got) > 0 {
				t.Errorf("%s = %s: %q", key, v, got)
			}
		}
	}
	bad := func(key, want string, values ...string) {
		t.Helper()
		for _, v := range values {
			if got := problems(unit(key, v)); len(got) != 1 || !strings.HasPrefix(got[0], "8: certificate.mx1."+key+": ") || !strings.Contains(got[0], want) {
				t.Errorf("%s = %s: got %q, want %q", key, v, got, want)
			}
		}
	}
	good("ttl", `"1s"`, `"5m"`, `"1h30m"`, `"7d"`, `"1d12h"`, `"90s"`)
	bad("ttl", "must be from 1s to 7d", `"0s"`, `"8d"`, `"7d1s"`, `"500ms"`)
	bad("ttl", "whole number of seconds", `"1500ms"`, `"90.5s"`)
	bad("ttl", "is not a length of time", `""`, `"1"`, `"x"`, `"-1h"`, `"+1h"`, `"1w"`, `"1.5d"`, `"h"`, `"1d-1h"`, `"99999999d"`)
	bad("ttl", "must be a string such as", `3600`, `1.5`, `true`, `["1h"]`, `{ a = 1 }`, `1979-05-27`)

	good("margin", `"0s"`, `"0"`, `"1ms"`, `"30d"`)
	good("floor", `"0s"`, `"1h"`)
	good("settle", `"0s"`, `"1h"`)
	bad("margin", "must be from 0s to 30d", `"31d"`)
	bad("settle", "is not a length of time", `"-5m"`)

	good("wait", `"1x"`, `"1.0x"`, `"2x"`, `"2.5x"`, `"100x"`)
	bad("wait", `must be from "1x"`, `"0x"`, `"0.99x"`, `"101x"`, `"99999999999999999999x"`)
	bad("wait", "must be a multiple", `"2"`, `"x"`, `""`, `2`, `2.0`, `"NaNx"`, `"Infx"`, `"0x10x"`, `"1e1x"`, `"-2x"`, `"1_0x"`, `"2xx"`, `" 2x"`)

	good("records", `["3 1 1"]`, `["311", "2 1 1"]`, `["DANE-EE SPKI SHA2-256"]`, `["3 0 2"]`, `["2 0 1"]`)
	bad("records", "treat usages 0 and 1 as unusable", `["0 1 1"]`, `["1 0 1"]`, `["PKIX-EE SPKI SHA2-256"]`)
	bad("records", "without a meaning", `["4 1 1"]`, `["3 2 1"]`, `["3 1 3"]`, `["255 255 255"]`)
	bad("records", "not a TLSA record", `["3 1"]`, `["x"]`, `["3 1 1 aabb"]`, `["-1 1 1"]`, `["256 1 1"]`)
	bad("records", "is there twice", `["3 1 1", "311"]`)
	bad("records", "must be a list", `"3 1 1"`)
	bad("records", "is an empty list", `[]`)
	bad("records", "must be a string", `[311]`)

	good("names", `["mx1.example.com"]`, `["*.example.com", "mail.example.org."]`, `["mx1"]`)
	bad("names", "is not a domain name", `["mx1..example"]`, `["."]`, `["-a.example"]`, `["a-.example"]`, `["a b"]`, `["`+strings.Repeat("x", 64)+`.example"]`, `["`+strings.Repeat("abcdefg.", 32)+`example"]`, `["*.*.example"]`, `["mx1.*.example"]`)
	bad("names", "is an address", `["192.0.2.1"]`, `["2001:db8::1"]`, `["[::1]"]`)
	bad("names", "holds an underscore", `["_mx.example.com"]`)
	bad("names", "is empty", `[""]`)

	good("endpoints", `["mx1.example.com:25"]`, `["MX1.EXAMPLE.COM.:25/smtp"]`, `["a.example.com:25", "a.example.com:587"]`)
	bad("endpoints", "is not host:port", `["mx1.example.com"]`, `["a:b:c.example.com"]`)
	bad("endpoints", "the port must be a number", `["mx1.example.com:0"]`, `["mx1.example.com:65536"]`, `["mx1.example.com:smtp"]`, `["mx1.example.com:-1"]`, `["mx1.example.com:"]`)
	bad("endpoints", "is not in this version", `["mx1.example.com:143/imap"]`, `["mx1.example.com:25/"]`, `["mx1.example.com:25/SMTP"]`)
	bad("endpoints", "is an address", `["192.0.2.1:25"]`, `["[::1]:25"]`)
	bad("endpoints", "is not a domain name", `[":25"]`, `["*.example.com:25"]`)
	bad("endpoints", "no [dns.NAME] has a zone", `["mx1.example.org:25"]`, `["mx1.notexample.com:25"]`)
	bad("endpoints", "is there twice", `["mx1.example.com:25", "MX1.example.com.:25/smtp"]`)

	good("live_dir", `"/a"`, `"/a/b/../c/"`)
	bad("live_dir", "must be an absolute path", `"a"`, `"./a"`, `"~/a"`)
	bad("live_dir", "root of the file system", `"/"`, `"/.."`)
	bad("live_dir", "is empty", `""`)
	bad("live_dir", "control characters", `"/a\u0000b"`, `"/a\nb"`)
	bad("live_dir", "must be a string", `1`)
	bad("live_dir", "is used for the state", `"/var/lib/tlsamgr"`, `"/var/lib"`, `"/var/lib/tlsamgr/certs"`, `"/var/lib/tlsamgr/certs/mx1"`)

	good("reload", `[]`, `[["/usr/sbin/postfix", "reload"]]`, `[["a", ""], ["b"]]`)
	bad("reload", "list of lists", `["systemctl", "reload"]`)
	bad("reload", "must be a list", `"systemctl reload postfix"`)
	bad("reload", "is an empty list", `[[]]`)
	bad("reload", "must be absolute", `[["./reload"]]`, `[["bin/reload"]]`)
	bad("reload", "is one word", `[["systemctl reload postfix"]]`)
	bad("reload", "must be a string", `[["sleep", 1]]`)
	bad("reload", "is empty", `[["", "x"]]`)

	good("reload_timeout", `"1s"`, `"10m"`)
	bad("reload_timeout", "must be from 1s to 10m", `"0s"`, `"11m"`)
	good("owner", `"exim"`, `"0"`, `0`, `1000`)
	bad("owner", "is not the name of a user or group", `"root:mail"`, `"a b"`, `"../x"`)
	bad("owner", "must be a string", `-1`, `4294967296`, `1.5`)
	good("group", `"mail"`, `8`)
	good("source", `"hook"`)
	bad("source", "is not in this version", `"acme"`)
	bad("source", `must be "hook"`, `"Hook"`, `"manual"`)

	for _, later := range []string{"keys", "standby"} {
		bad(later, "not in this version", `true`)
	}
	bad("liv_dir", "did you mean live_dir?", `"/x"`)
	bad("zzzzzz", "there is no such key", `1`)
}

// TestKeysAtTheTop holds the keys outside of tables, which stand in line 1.
func TestKeysAtTheTop(t *testing.T) {
	for line, want := range map[string]string{
		`state_dir = "/srv/tlsamgr"`:    "",
		`state_dir = "srv"`:             "1: state_dir: must be an absolute path",
		`state_dir = "/"`:               "1: state_dir: cannot be the root",
		`resolver = "127.0.0.1"`:        "",
		`resolver = "127.0.0.53:5353"`:  "",
		`resolver = "[::1]"`:            "",
		`resolver = "::ffff:127.0.0.1"`: "",
		`resolver = "9.9.9.9"`:          "1: resolver: 9.9.9.9:53 is on another machine",
		`resolver = "[2620:fe::fe]:53"`: "1: resolver: [2620:fe::fe]:53 is on another machine",
		`resolver = "localhost"`:        "1: resolver: \"localhost\" is not an address",
		`resolver = "127.0.0.1:0"`:      "1: resolver: \"127.0.0.1:0\" is not an address",
		`resolver = "127.0.0.1:dns"`:    "1: resolver:",
		`resolver = "[127.0.0.1"`:       "1: resolver:",
		`resolver = 53`:                 "1: resolver: must be a string",
		`dnssec = "resolver"`:           "",
		`dnssec = "full"`:               `1: dnssec: "full" is not in this version`,
		`dnssec = "none"`:               `1: dnssec: "none" is not in this version`,
		`dnssec = "yes"`:                `1: dnssec: must be "resolver", got "yes"`,
		`dnssec = true`:                 "1: dnssec: must be a string",
		`trust_anchor = "x"`:            "1: trust_anchor: not in this version",
		`acme = { directory = "x" }`:    "1: acme: not in this version",
		`statedir = "/x"`:               "1: statedir: there is no such key; did you mean state_dir?",
		`certificates = 1`:              "1: certificates: there is no such key; did you mean certificate?",
	} {
		got := problems(line + "\n" + small)
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], want)) {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
}

// TestTables holds the tables themselves and what lies between them.
func TestTables(t *testing.T) {
	more := func(text string) string { return small + text }
	second := "[certificate.mx2]\nreload = []\nendpoints = [\"mx2.example.com:25\"]\nlive_dir = "
	for _, test := range []struct{ name, text, want string }{
		{"another table", strings.Replace(small, "[dns.main]", "dns.main = { provider = \"a\", zones = [\"example.com\"] }\n[dnsx]", 1), "2: dnsx: there is no such key; did you mean dns?"},
		{"a list of tables", strings.Replace(small, "[certificate.mx1]", "[[certificate]]", 1), "4: certificate: must be a table, not a list"},
		{"without a name", strings.Replace(small, "[certificate.mx1]", "[certificate]", 1), "4: certificate: there are keys in it that belong into a table with a name, [certificate.NAME]"},
		{"no table", "dns = 1\n" + small[strings.Index(small, "[cert"):], "1: dns: must be a table, not a number"},
		{"a name with a slash", strings.Replace(small, "certificate.mx1", `certificate."../mx1"`, 1), `4: certificate."../mx1": a name consists of`},
		{"a name with a dot", strings.Replace(small, "certificate.mx1", `certificate."mx1.example.com"`, 1), `4: certificate."mx1.example.com": a name consists of`},
		{"an empty name", strings.Replace(small, "certificate.mx1", `certificate.""`, 1), `4: certificate."": a name consists of`},
		{"no certificate", small[:strings.Index(small, "[cert")], " there is no certificate in it"},
		{"no provider", more("[dns.b]\nzones = [\"b.example\"]\n"), "8: dns.b: provider is missing"},
		{"no zones", more("[dns.b]\nprovider = \"x\"\n"), "8: dns.b: zones is missing"},
		{"bad zone", more("[dns.b]\nprovider = \"x\"\nzones = [\"a.example\", \"b..example\"]\n"), `10: dns.b.zones: "b..example" is not a domain name`},
		{"zone in two accounts", more("[dns.b]\nprovider = \"x\"\nzones = [\"Example.com.\"]\n"), "3: dns.main.zones: the zone example.com. belongs to dns.b already"},
		{"zone twice", more("[dns.b]\nprovider = \"x\"\nzones = [\n\"b.example\",\n\"b.example\"]\n"), "12: dns.b.zones: the zone b.example. is there twice"},
		{"the same live_dir", more(second + "\"/var/lib/tlsamgr/live/./mx1/\"\n"), "11: certificate.mx2.live_dir: /var/lib/tlsamgr/live/mx1 is that of certificate.mx1 already"},
		{"live_dir below another", more(second + "\"/var/lib/tlsamgr/live/mx1/two\"\n"), "11: certificate.mx2.live_dir: /var/lib/tlsamgr/live/mx1/two and that of certificate.mx1"},
		{"live_dir above another", more(second + "\"/var/lib/tlsamgr/live\"\n"), "11: certificate.mx2.live_dir: /var/lib/tlsamgr/live and that of certificate.mx1"},
		{"the same owner name", more(strings.Replace(second, "mx2.example", "MX1.example", 1) + "\"/b\"\n"), "10: certificate.mx2.endpoints: the records of _25._tcp.mx1.example.com. belong to certificate.mx1 already"},
		{"live_dir is missing", strings.Replace(small, "live_dir", "#", 1), "4: certificate.mx1: live_dir is missing"},
		{"endpoints are missing", strings.Replace(small, "endpoints", "#", 1), "4: certificate.mx1: endpoints is missing"},
	} {
		if got := problems(test.text); len(got) != 1 || !strings.HasPrefix(got[0], test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	if got := problems(more(second + "\"/var/lib/tlsamgr/live/mx12\"\n")); got != nil {
		t.Errorf("live_dir beside another: %q", got)
	}
}

func TestWarnings(t *testing.T) {
	for text, want := range map[string]string{
		unit("ttl", `"5m"`):                                          "",
		unit("ttl", `"24h"`):                                         "",
		unit("ttl", `"299s"`):                                        "8: certificate.mx1.ttl: 4m59s is short",
		unit("ttl", `"2d"`):                                          "8: certificate.mx1.ttl: 2d is long",
		unit("records", `["3 1 1", "2 1 1"]`):                        "",
		unit("records", `["3 1 1", "3 1 2"]`):                        "8: certificate.mx1.records: 3 1 2 beside another digest",
		unit("records", `["3 1 2", "3 1 1"]`):                        "8: certificate.mx1.records: 3 1 1 beside another digest",
		unit("records", `["3 1 0"]`):                                 "8: certificate.mx1.records: 3 1 0 puts the whole key",
		unit("records", `["3 0 1"]`):                                 "8: certificate.mx1.records: 3 0 1 changes with every renewal",
		strings.Replace(small, "reload", "#", 1):                     "4: certificate.mx1: reload is missing",
		unit("names", `["other.example.com"]`):                       "",
		unit("names", `["o.example"]`+"\nrecords = [\"2 1 1\"]"):     "8: certificate.mx1.names: mx1.example.com is not among them",
		unit("names", `["*.example.com"]`+"\nrecords = [\"2 1 1\"]"): "",
	} {
		got := warnings(t, text)
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], want)) {
			t.Errorf("got %q, want %q for\n%s", got, want, text)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "2d": 48 * time.Hour, "1d1h": 25 * time.Hour, "1.5h": 90 * time.Minute, "0d": 0, "65535d": 65535 * 24 * time.Hour,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: got %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "1", "-1s", "+1s", "1d-1h", "1d2", "65536d", "2540400h10m", "1dd", "1h1d", "one", "1 d"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q is read as %s", text, got)
		}
	}
}

// TestPolicyOfZero: "0s" means no time at all, not the default.
func TestPolicyOfZero(t *testing.T) {
	c, err := parse(source{file: "f", text: []byte(unit("margin", `"0s"`) + "floor = \"0m\"\nsettle = \"0\"\n")})
	if err != nil {
		t.Fatal(err)
	}
	if p := c.Certificates[0].Policy; p.Margin != rollover.None || p.Floor != rollover.None || p.Settle != rollover.None {
		t.Errorf("policy %+v", p)
	}
}
