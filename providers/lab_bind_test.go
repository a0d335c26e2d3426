//go:build lab

package providers_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/tlsamgr/tlsamgr/providers"
	"github.com/tlsamgr/tlsamgr/providers/providerstest"
)

const bindConfig = `logging { channel err { stderr; severity notice; }; category default { err; }; category xfer-out { null; }; };
key "rollover-key" { algorithm hmac-sha256; secret "{secret}"; };
options {
  directory "{dir}"; key-directory "{dir}"; managed-keys-directory "{dir}";
  listen-on port {port} { 127.0.0.1; }; listen-on-v6 { none; };
  pid-file none; session-keyfile none; lock-file none;
  recursion no; dnssec-validation no; empty-zones-enable no; notify no;
  allow-transfer { key rollover-key; };
};
dnssec-policy "lab" { keys { csk lifetime unlimited algorithm ecdsap256sha256; }; };
zone "example.test" { type primary; file "db.example.test"; ZONE };
controls { inet 127.0.0.1 port {control} allow { 127.0.0.1; } keys { rollover-key; }; };
`

// startBIND starts BIND; zone is what the zone statement says.
func startBIND(t *testing.T, zone string) *labServer {
	t.Helper()
	s := newLabServer(t)
	s.signed = true
	s.write("named.conf", strings.Replace(bindConfig, "ZONE", zone, 1))
	s.write("rndc.conf", `key "rollover-key" { algorithm hmac-sha256; secret "{secret}"; };
options { default-key "rollover-key"; default-server 127.0.0.1; default-port {control}; };
`)
	s.write("db.example.test", head+providerstest.Content)
	s.start("named", "-f", "-n", "1", "-c", s.path("named.conf"))
	return s
}

func TestLabBINDUpdate(t *testing.T) {
	for _, inline := range []string{"no", "yes"} {
		t.Run("inline-signing "+inline, func(t *testing.T) {
			s := startBIND(t, `dnssec-policy "lab"; inline-signing `+inline+`; update-policy { grant rollover-key zonesub TLSA; };`)
			s.conformance(s.rfc2136())
			// The key may do what it must and no more, and says so.
			other := s.open(providers.Settings{Provider: "rfc2136", Options: map[string]any{"server": "127.0.0.1:{port}", "tsig_name": keyName, "tsig_secret": "b3RoZXI="}})
			outcome{err: "NOTAUTH", hint: "tsig_secret"}.check(t, other.Apply(t.Context(), adding(t, "3 1 1 01")))
		})
	}
	t.Run("not allowed", func(t *testing.T) {
		s := startBIND(t, `dnssec-policy "lab"; inline-signing no; update-policy { grant rollover-key zonesub TXT; };`)
		outcome{err: "the server answers REFUSED", hint: "update-policy"}.check(t, s.rfc2136().Apply(t.Context(), adding(t, "3 1 1 01")))
	})
}

func TestLabBINDZoneFile(t *testing.T) {
	s := startBIND(t, `dnssec-policy "lab"; inline-signing yes;`)
	s.conformance(s.zonefile(map[string]any{
		"check":  []string{"named-checkzone", "{zone}", "{file}"},
		"reload": []string{"rndc", "-c", "{dir}/rndc.conf", "reload", "{zone}"},
	}))
	t.Run("refused by the check", func(t *testing.T) {
		bad := read(t, s.zoneFile()) + "bad CNAME mx\nbad A 192.0.2.1\n"
		s.write("db.example.test", bad)
		z := s.zonefile(map[string]any{"check": []string{"named-checkzone", "{zone}", "{file}"}, "reload": []string{"false"}})
		outcome{err: "CNAME and other data"}.check(t, oneLine(z.Apply(t.Context(), adding(t, "3 1 1 0a"))))
		if read(t, s.zoneFile()) != bad {
			t.Error("the old file is not back")
		}
	})
}

// oneLine flattens the output of a command that an error holds.
func oneLine(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.ReplaceAll(err.Error(), "\n", " "))
}

// TestLabBINDJournal: a zone that BIND changes by itself is left to BIND.
func TestLabBINDJournal(t *testing.T) {
	s := startBIND(t, `dnssec-policy "lab"; inline-signing no; update-policy { grant rollover-key zonesub TLSA; };`)
	if err := s.rfc2136().Apply(t.Context(), adding(t, "3 1 1 01")); err != nil {
		t.Fatal(err)
	}
	before := read(t, s.zoneFile())
	err := s.zonefile(map[string]any{"reload": []string{"false"}}).Apply(t.Context(), adding(t, "3 1 1 02"))
	outcome{err: "there is a journal", hint: "rfc2136"}.check(t, err)
	if read(t, s.zoneFile()) != before {
		t.Error("the file was changed")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
