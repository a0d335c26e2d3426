//go:build lab

package lab

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"
	"text/template"
	"time"
)

// Config says what a lab consists of. The zero value is a lab for most tests.
type Config struct {
	Zones       []Zone        // empty: example.test and example2.test, signed, on BIND
	CacheMinTTL time.Duration // the resolver keeps every answer at least this long (Unbound's cache-min-ttl)
}

// Lab is a set of running servers. Its methods and those of its servers end the
// test that they are given when something does not work, so they belong into
// the goroutine of that test.
type Lab struct {
	Dir       string // files of the servers, readable by every user; removed after the test
	CA        *CA
	TSIG      TSIG
	Primary   *Primary
	Secondary *Secondary
	Resolver  *Resolver

	zones []Zone
	files map[string]*FileZone
}

// TSIG is the key for updates and transfers on the primary.
type TSIG struct {
	Name       string // "lab."
	Algorithm  string // "hmac-sha256"
	SecretFile string // holds the secret in base64, mode 0600
	secret     string
}

// New starts the name servers and the resolver of a lab; the test's end stops
// them. When New returns, all of them serve every zone and the resolver
// validates it. There is one lab at a time: tests with a lab are not parallel.
func New(t testing.TB, c Config) *Lab {
	t.Helper()
	if len(c.Zones) == 0 {
		c.Zones = []Zone{{Name: "example.test"}, {Name: "example2.test"}}
	}
	l := &Lab{zones: c.Zones, files: make(map[string]*FileZone)}
	l.makeFolder(t)
	l.makeSecrets(t)
	// First, as BIND is slow to repeat a notification that nobody answered.
	l.startSecondary(t)
	primaries := []*process{l.startBIND(t), l.startNSD(t), l.startKnot(t)}
	l.waitForPrimaries(t, primaries)
	l.Secondary.catchUp(t)
	l.startResolver(t, c.CacheMinTTL)
	return l
}

// makeFolder makes the folder of the lab, which also keeps a second lab out.
func (l *Lab) makeFolder(t testing.TB) {
	t.Helper()
	if os.Getenv(testVariable) == "" {
		t.Fatal("this package's TestMain does not call lab.Main")
	}
	l.Dir = filepath.Join(scratch, "now")
	if err := os.Mkdir(l.Dir, 0o755); err != nil {
		t.Fatalf("another lab is running: %v", err)
	}
	t.Cleanup(func() {
		l.showLogs(t)
		if err := os.RemoveAll(l.Dir); err != nil {
			t.Error(err)
		}
	})
	l.makeDir(t, "logs")
}

// makeSecrets makes the CA and the TSIG key.
func (l *Lab) makeSecrets(t testing.TB) {
	t.Helper()
	ca, err := NewCA("Lab")
	if err != nil {
		t.Fatal(err)
	}
	secret := make([]byte, 32)
	rand.Read(secret) // never fails
	l.CA = ca
	l.TSIG = TSIG{Name: "lab.", Algorithm: "hmac-sha256", secret: base64.StdEncoding.EncodeToString(secret)}
	l.TSIG.SecretFile = l.write(t, "tsig.secret", l.TSIG.secret+"\n")
}

// makeDir makes a folder in the lab's and gives its path.
func (l *Lab) makeDir(t testing.TB, name string) string {
	t.Helper()
	dir := filepath.Join(l.Dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// write writes a file for servers and tools, which all run as root, and gives its path.
func (l *Lab) write(t testing.TB, name, text string) string {
	t.Helper()
	file := filepath.Join(l.Dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// render fills in the template of a configuration file and writes it.
func (l *Lab) render(t testing.TB, name, text string, data any) string {
	t.Helper()
	parsed, err := template.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := parsed.Execute(&b, data); err != nil {
		t.Fatal(err)
	}
	return l.write(t, name, b.String())
}

// on gives the zones that have a server as their primary.
func (l *Lab) on(server Server) (zones []Zone) {
	for _, z := range l.zones {
		if z.Server == server {
			zones = append(zones, z)
		}
	}
	return zones
}
