package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// canary is a secret that must turn up nowhere.
const canary = "c4n4ry+s3cr3t=="

// account is a configuration whose account has these settings, from line 4 on.
func account(settings string) string {
	head, tail, _ := strings.Cut(small, "[certificate")
	return head + settings + "\n[certificate" + tail
}

// TestSecrets holds where secrets come from.
func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"TOKEN": "from the environment", "CREDENTIALS_DIRECTORY": dir}
	c, err := Load(write(t, account(`
key = "literal"
api_token = { file = "`+file+`" }
password = { env = "TOKEN" }
client-secret = { credential = "token" }
key_name = "tlsamgr"
port = 53
deep = { access_key = "inner", region = { env = "TOKEN" } }
`)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.DNS["main"].Options(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"key": "literal", "api_token": "from a file", "password": "from the environment", "client-secret": "from a file",
		"key_name": "tlsamgr", "port": int64(53), "deep": map[string]any{"access_key": "inner", "region": "from the environment"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	if _, ok := c.DNS["main"].Settings["key"].(Secret); !ok {
		t.Error("a literal secret lies about as a string")
	}
}

// TestSecretsThatCannotBeRead names the key and the place, and all of them.
func TestSecretsThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for settings, want := range map[string]string{
		`key = { file = "` + filepath.Join(dir, "none") + `" }`:                             "no such file",
		`key = { file = "` + dir + `" }`:                                                    "is not a regular file",
		`key = { file = "/dev/zero" }`:                                                      "is not a regular file",
		`key = { file = "` + file("open", canary, 0o604) + `" }`:                            "everybody on this machine can get at",
		`key = { file = "` + file("empty", " \n", 0o600) + `" }`:                            "is empty",
		`key = { file = "` + file("large", strings.Repeat("x", maxSecret+1), 0o600) + `" }`: "is larger than",
		`key = { env = "NOT_SET" }`:                                                         "the environment variable NOT_SET is not set",
		`key = { credential = "tsig" }`:                                                     "systemd gave none to this process",
	} {
		c, err := Load(write(t, account("other_secret = { env = \"NOT_SET_EITHER\" }\n"+settings)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.DNS["main"].Options(func(string) string { return "" })
		if err == nil || !strings.Contains(err.Error(), "dns.main: key: ") || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "NOT_SET_EITHER") {
			t.Errorf("%s: got %v, want %q", settings, err, want)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("the error holds the secret: %v", err)
		}
	}
}

func TestSecretsThatAreNotWritten(t *testing.T) {
	for settings, want := range map[string]string{
		`key = { file = "relative" }`:         "4: dns.main.key.file: must be an absolute path",
		`key = { file = 3 }`:                  "4: dns.main.key.file: must be a string",
		`key = { env = "A", file = "/b" }`:    "4: dns.main.key: a secret has one source, and this one has 2",
		`key = { fil = "/b" }`:                "4: dns.main.key: a secret is a string, or",
		`key = {}`:                            "4: dns.main.key: a secret is a string, or",
		`key = { env = "` + canary + `" }`:    "4: dns.main.key.env: is not a name",
		`key = { credential = "../../x" }`:    "4: dns.main.key.credential: is not a name",
		`key = { env = "" }`:                  "4: dns.main.key.env: is empty",
		`x = { env = "A", credential = "B" }`: "4: dns.main.x: a secret has one source",
		`deep = { token = { file = "x" } }`:   "4: dns.main.deep.token.file: must be an absolute path",
	} {
		got := problems(account(settings))
		if len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%s: got %q, want %q", settings, got, want)
		}
		if strings.Contains(fmt.Sprint(got), canary) {
			t.Errorf("the problem shows what may be a secret: %q", got)
		}
	}
}

// TestLiteralSecretInAnOpenFile: a secret may stand in the file if nobody else
// can read it; without one the file may be open.
func TestLiteralSecretInAnOpenFile(t *testing.T) {
	for settings, line := range map[string]int{
		"\ntsig_secret = \"" + canary + "\"":        5,
		"deep = { api-token = \"" + canary + "\" }": 4,
		"tsig_secret = { file = \"/x\" }":           0,
		"key_name = \"tlsamgr\"":                    0,
	} {
		path := write(t, account(settings))
		if _, err := Load(path); err != nil {
			t.Errorf("%s in a closed file: %v", settings, err)
		}
		for _, mode := range []os.FileMode{0o640, 0o644, 0o604} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			_, err := Load(path)
			if line == 0 || mode == 0o640 {
				if err != nil {
					t.Errorf("%s, mode %o: %v", settings, mode, err)
				}
				continue
			}
			want := fmt.Sprintf("%s:%d: dns.main.", path, line)
			if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "hint: chmod o= "+path) || strings.Contains(err.Error(), canary) {
				t.Errorf("%s, mode %o: got %v, want %q", settings, mode, err, want)
			}
		}
	}
}

// TestSecretIsNotShown: whatever prints a configuration, logs it or makes JSON
// of it.
func TestSecretIsNotShown(t *testing.T) {
	c, err := Load(write(t, account("tsig_secret = \""+canary+"\"\ndeep = { key = \""+canary+"\" }")))
	if err != nil {
		t.Fatal(err)
	}
	d := c.DNS["main"]
	secret := d.Settings["tsig_secret"]
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("read", "config", c, "secret", secret, "settings", d.Settings)
	slog.New(slog.NewTextHandler(&out, nil)).Info("read", "config", c, "secret", secret, "settings", d.Settings)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%p"} {
		for _, v := range []any{secret, &secret, d, *d, d.Settings, []any{secret}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	if err := json.NewEncoder(&out).Encode(d); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, spelled := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprint([]byte(canary))} {
		if strings.Contains(text, spelled) {
			t.Errorf("the secret is shown:\n%s", text)
		}
	}
	if !strings.Contains(text, "[redacted]") {
		t.Error("nothing was shown at all")
	}
}

// TestSyntaxErrorsShowNoSecret: the parser is unhappy about the very line.
func TestSyntaxErrorsShowNoSecret(t *testing.T) {
	for _, line := range []string{
		`key = "` + canary, `key = ` + canary, `key = "` + canary + `" x`, `key = "` + canary + `\z"`, "key = \"" + canary + "\x01\"",
		`key = "a"` + "\n" + `key = "` + canary + `"`, `key = ["` + canary + `"`, `key = { file = "` + canary + `"`, `key = '` + canary,
	} {
		got := problems(account(line))
		if len(got) == 0 || strings.Contains(strings.Join(got, "\n"), canary) {
			t.Errorf("%s: %q", line, got)
		}
	}
}

func TestWhichKeysHoldSecrets(t *testing.T) {
	for key, want := range map[string]bool{
		"key": true, "api_key": true, "apikey": true, "api_token": true, "Token": true, "tsig_secret": true, "client-secret": true, "password": true,
		"auth_pass": true, "passphrase": true, "key_name": false, "key_alg": false, "tsig_name": false, "access_key_id": false, "server": false, "": false, "_": false, "keys": false,
	} {
		if got := holdsSecret(key); got != want {
			t.Errorf("%q holds a secret: %v, want %v", key, got, want)
		}
	}
}
