package providers_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsamgr/tlsamgr/providers"
)

// problems opens an account and gives what is wrong with it, one line each,
// with the hint behind an arrow.
func problems(t *testing.T, s providers.Settings) (lines []string) {
	t.Helper()
	_, err := providers.Open(s)
	if err == nil {
		return nil
	}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, err := range all {
		var h interface{ Hint() string }
		if text := err.Error(); errors.As(err, &h) && h.Hint() != "" {
			lines = append(lines, text+" -> "+h.Hint())
		} else {
			lines = append(lines, text)
		}
	}
	return lines
}

func TestOpen(t *testing.T) {
	zones := []string{"example.test"}
	const rfc2136, file = "rfc2136", "zonefile"
	good := map[string]any{"server": "192.0.2.1", "tsig_name": "k", "tsig_secret": "c2VjcmV0"}
	with := func(options map[string]any, pairs ...any) map[string]any {
		out := map[string]any{}
		for key, value := range options {
			out[key] = value
		}
		for i := 0; i < len(pairs); i += 2 {
			out[pairs[i].(string)] = pairs[i+1]
		}
		return out
	}
	quiet := map[string]any{"file": "/z", "reload": []any{}}
	tests := map[string]struct {
		settings providers.Settings
		want     []string
	}{
		"provider": {providers.Settings{Provider: "bind"}, []string{`there is no provider "bind" -> the providers are: ` + strings.Join(providers.Names(), ", ")}},
		"no zone":  {providers.Settings{Provider: file}, []string{`no zone is named -> say which zones the account holds: zones = ["example.com"]`}},
		"bad zone": {providers.Settings{Provider: file, Zones: []string{"a..b"}}, []string{`zone "a..b": a label has 0 characters, not 1 to 63`}},
		"IDN":      {providers.Settings{Provider: file, Zones: []string{"bücher.example"}}, []string{`zone "bücher.example": the label "bücher" has other characters than letters, digits, hyphens and underscores -> write internationalised names in their A-label form, xn--…`}},
		"twice":    {providers.Settings{Provider: file, Zones: []string{"a.test", "A.Test."}}, []string{`zone "A.Test." is named twice`}},
		"nothing": {providers.Settings{Provider: rfc2136, Zones: zones}, []string{
			`setting server: it is missing -> the address of the primary name server: "192.0.2.1", "192.0.2.1:53" or "[2001:db8::1]:53"`,
			`setting tsig_name: it is missing -> the name of the TSIG key, as in BIND's key statement`,
			`setting tsig_secret: it is missing -> write { file = "…" }, { credential = "…" }, { env = "…" } or the secret itself`,
		}},
		"good": {providers.Settings{Provider: rfc2136, Zones: zones, Options: with(good, "timeout", "5s", "confirm_timeout", "1m", "tsig_algorithm", "HMAC-SHA512.")}, nil},
		"unknown": {providers.Settings{Provider: rfc2136, Zones: zones, Options: with(good, "key", "k", "zonee", 1)}, []string{
			"setting key: the provider rfc2136 has no such setting -> its settings are: server, tsig_name, tsig_algorithm, tsig_secret, timeout, confirm_timeout",
			"setting zonee: the provider rfc2136 has no such setting -> its settings are: server, tsig_name, tsig_algorithm, tsig_secret, timeout, confirm_timeout",
		}},
		"host name":  {providers.Settings{Provider: rfc2136, Zones: zones, Options: with(good, "server", "ns1.example.test:53")}, []string{`setting server: "ns1.example.test:53" is not an IP address with or without a port -> names are not looked up here; write the address`}},
		"key name":   {providers.Settings{Provider: rfc2136, Zones: zones, Options: with(good, "tsig_name", "a b")}, []string{`setting tsig_name: "a b": the label "a b" has other characters than letters, digits, hyphens and underscores -> write internationalised names in their A-label form, xn--…`}},
		"algorithm":  {providers.Settings{Provider: rfc2136, Zones: zones, Options: with(good, "tsig_algorithm", "hmac-md5")}, []string{`setting tsig_algorithm: there is no algorithm "hmac-md5" -> the algorithms are: hmac-sha1, hmac-sha224, hmac-sha256, hmac-sha384, hmac-sha512`}},
		"not base64": {providers.Settings{Provider: rfc2136, Zones: zones, Options: with(good, "tsig_secret", "pass word")}, []string{"setting tsig_secret: it is not base64 -> give the value of secret in BIND's key statement alone"}},
		"types": {providers.Settings{Provider: rfc2136, Zones: zones, Options: map[string]any{"server": 53, "tsig_name": "", "tsig_secret": true, "timeout": int64(5), "confirm_timeout": "0s"}}, []string{
			"setting server: it must be a string that is not empty -> the address of the primary name server: \"192.0.2.1\", \"192.0.2.1:53\" or \"[2001:db8::1]:53\"",
			"setting tsig_name: it must be a string that is not empty -> the name of the TSIG key, as in BIND's key statement",
			`setting tsig_secret: it is neither a string nor a table with one key -> write { file = "…" }, { credential = "…" }, { env = "…" } or the secret itself`,
			`setting timeout: 5 is not a time span above zero -> write "30s", "2m" or "1h"`,
			`setting confirm_timeout: 0s is not a time span above zero -> write "30s", "2m" or "1h"`,
		}},
		"zone file":    {providers.Settings{Provider: file, Zones: zones, Options: quiet}, nil},
		"no zone file": {providers.Settings{Provider: file, Zones: zones}, []string{`setting file: it is missing -> the absolute path of the zone file: "/etc/bind/db.{zone}"`, `setting reload: it is missing -> ["rndc", "reload", "{zone}"], ["nsd-control", "reload", "{zone}"] or ["knotc", "zone-reload", "{zone}"]; [] if the server looks for itself`}},
		"several":      {providers.Settings{Provider: file, Zones: []string{"a.test", "b.test"}, Options: quiet}, []string{"setting file: the account has several zones -> put {zone} where the name of the zone belongs"}},
		"several good": {providers.Settings{Provider: file, Zones: []string{"a.test", "b.test"}, Options: with(quiet, "file", "/zones/{zone}/db", "include", "/zones/{zone}/inc")}, nil},
		"relative":     {providers.Settings{Provider: file, Zones: zones, Options: with(quiet, "file", "db", "include", "/a/../b")}, []string{"setting file: db is not a clean absolute path", "setting include: /a/../b is not a clean absolute path"}},
		"no runner":    {providers.Settings{Provider: file, Zones: zones, Options: with(quiet, "reload", []any{"true"})}, []string{"setting reload: commands cannot be run here"}},
		"commands": {providers.Settings{Provider: file, Zones: zones, Options: with(quiet, "check", "true", "reload", []any{[]any{"a"}, []any{}})}, []string{
			`setting check: it must be a list -> write ["program", "argument"], or a list of such lists`,
			`setting reload: it must hold strings only, the first of them a program -> write ["program", "argument"], or a list of such lists`,
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, problems(t, test.settings)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOptionError(t *testing.T) {
	_, err := providers.Open(providers.Settings{Provider: "rfc2136", Zones: []string{"a.test"}, Options: map[string]any{"key": 1}})
	var o *providers.OptionError
	if !errors.As(err, &o) || o.Provider != "rfc2136" || o.Key != "server" {
		t.Errorf("got %#v", o)
	}
}

// TestRegistry: whatever is listed can be opened or says why not, once each.
func TestRegistry(t *testing.T) {
	var known []string
	for _, d := range providers.All() {
		_, err := providers.Open(providers.Settings{Provider: d.Name, Zones: []string{"a.test"}})
		if d.Refused == "" {
			known = append(known, d.Name)
			if d.Strategy == "" || d.Limits == "" || d.Tested == "" {
				t.Errorf("%s: not all is told: %+v", d.Name, d)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), d.Refused) || d.Instead == "" {
			t.Errorf("%s is refused with %v, want the reason %q and what to do instead (%q)", d.Name, err, d.Refused, d.Instead)
		}
	}
	if names := providers.Names(); !slices.Equal(names, known) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("names %q, described are %q", names, known)
	}
}

// secretOf opens an account with a secret and says what is wrong with that.
func secretOf(t *testing.T, secret any, env map[string]string) string {
	t.Helper()
	return strings.Join(problems(t, providers.Settings{Provider: "rfc2136", Zones: []string{"a.test"}, Getenv: func(name string) string { return env[name] },
		Options: map[string]any{"server": "127.0.0.1", "tsig_name": "k", "tsig_secret": secret}}), "; ")
}

func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	from := func(kind string, value any) map[string]any { return map[string]any{kind: value} }
	env := map[string]string{"KEY": "c2VjcmV0", "CREDENTIALS_DIRECTORY": dir}
	good, shared, empty := write("good", "c2VjcmV0\r\n", 0o400), write("shared", "c2VjcmV0", 0o640), write("empty", "\n", 0o600)
	write("credential", "c2VjcmV0", 0o440)
	long := write("long", strings.Repeat("a", 1<<17), 0o600)
	tests := map[string]struct {
		secret any
		want   string
	}{
		"text":               {"c2VjcmV0", ""},
		"file":               {from("file", good), ""},
		"env":                {from("env", "KEY"), ""},
		"credential":         {from("credential", "credential"), ""},
		"shared file":        {from("file", shared), "setting tsig_secret: " + shared + ": group or others have access to it (mode 0640) -> chmod 600 " + shared},
		"empty file":         {from("file", empty), "setting tsig_secret: " + empty + " is empty or not set"},
		"long file":          {from("file", long), "setting tsig_secret: " + long + " is larger than 65536 bytes"},
		"folder":             {from("file", dir), "setting tsig_secret: " + dir + " is not a regular file"},
		"missing file":       {from("file", dir+"/none"), "setting tsig_secret: open " + dir + "/none: no such file or directory"},
		"relative file":      {from("file", "good"), "setting tsig_secret: the path good of the file is not absolute"},
		"no variable":        {from("env", "NONE"), "setting tsig_secret: the environment variable NONE is empty or not set"},
		"credential outside": {from("credential", "../x"), `setting tsig_secret: "../x" is not the name of a credential`},
		"empty":              {"", "setting tsig_secret: the string is empty or not set"},
		"empty name":         {from("env", ""), `setting tsig_secret: env must be a string that is not empty -> write { file = "…" }, { credential = "…" }, { env = "…" } or the secret itself`},
		"unknown":            {from("vault", "x"), `setting tsig_secret: a secret cannot come from "vault" -> write { file = "…" }, { credential = "…" }, { env = "…" } or the secret itself`},
		"two sources":        {map[string]any{"env": "KEY", "file": good}, `setting tsig_secret: it is neither a string nor a table with one key -> write { file = "…" }, { credential = "…" }, { env = "…" } or the secret itself`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := secretOf(t, test.secret, env); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
	want := `setting tsig_secret: the credential "x": $CREDENTIALS_DIRECTORY is not set -> it is set in services that have LoadCredential= or SetCredential=`
	if got := secretOf(t, from("credential", "x"), nil); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestSecretIsNeverShown prints a Zone that holds a secret in every way there is.
func TestSecretIsNeverShown(t *testing.T) {
	const secret = "VmVyeVNlY3JldA=="
	z, err := providers.Open(providers.Settings{Provider: "rfc2136", Zones: []string{"a.test"},
		Options: map[string]any{"server": "127.0.0.1", "tsig_name": "k", "tsig_secret": secret}})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T"} {
		fmt.Fprintf(&out, verb+"\n", z)
	}
	text, err := json.Marshal(z)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	slog.New(slog.NewTextHandler(&out, nil)).Info("zone", "zone", z)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("zone", "zone", z)
	for _, spelling := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprintf("%d", []byte(secret))} {
		if strings.Contains(out.String(), spelling) {
			t.Errorf("the secret is shown: %s", out.String())
		}
	}
}
