package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// answer is what a command line gave.
type answer struct {
	code     int
	out, err string
}

// tlsamgr runs a command line as the program does.
func tlsamgr(t *testing.T, args ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	env := Env{In: strings.NewReader(""), Out: &out, Err: &errs, Now: time.Now, Getenv: func(string) string { return "" }}
	code := Run(ctx, env, args)
	return answer{code, out.String(), errs.String()}
}

// configFile writes a configuration whose resolver does not answer.
func configFile(t *testing.T, more string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "tlsamgr.toml")
	text := fmt.Sprintf(`state_dir = %q
resolver = "127.0.0.1:1"
[dns.a]
provider = "rfc2136"
zones = ["example.com"]
server = "127.0.0.1:1"
tsig_name = "k"
tsig_secret = "c2VjcmV0LWNhbmFyeQ=="
%s
[certificate.mx1]
endpoints = ["mx1.example.com:25"]
live_dir = %q
reload = [["true"]]
`, filepath.Join(dir, "state"), more, filepath.Join(dir, "state", "live", "mx1"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// What scripts and timers rely on: a mistake in the command line never exits 0.
func TestMistakesExitTwo(t *testing.T) {
	config := configFile(t, "")
	for _, args := range [][]string{
		{}, {"rnu"}, {"config"}, {"config", "chek"}, {"run", "--wiat"}, {"run", "-o", "xml"}, {"plan", "-o", "xml"}, {"status", "-o", "xml"},
		{"--config", config, "run", "mx9"}, {"--config", config, "stage"}, {"--config", config, "stage", "mx1"}, {"--config", config, "gate"},
		{"--config", config, "stage", "mx1", "--cert", "x"}, {"--config", filepath.Join(t.TempDir(), "none.toml"), "run"},
		{"--config", configFile(t, "bogus = 1"), "config", "check"}, {"--config", config, "--resolver", "nonsense", "run"},
	} {
		a := tlsamgr(t, args...)
		if a.code != codeUsage || !strings.HasPrefix(a.err, "tlsamgr: error: ") || a.out != "" {
			t.Errorf("%v: exit %d, stdout %q, stderr %q", args, a.code, a.out, a.err)
		}
	}
}

// An option that a provider does not know is told with its line.
func TestConfigCheckNamesTheLine(t *testing.T) {
	config := configFile(t, "bogus = 1")
	a := tlsamgr(t, "--config", config, "config", "check")
	if want := config + ":9: "; !strings.Contains(a.err, want) || !strings.Contains(a.err, "bogus") {
		t.Errorf("want %q and the key: %s", want, a.err)
	}
	if a := tlsamgr(t, "--config", configFile(t, ""), "config", "check"); a.code != codeDone || !strings.Contains(a.out, "no problems") {
		t.Errorf("exit %d: %s%s", a.code, a.out, a.err)
	}
}

// Before the first look there is nothing to tell, and no error in that.
func TestStatusBeforeTheFirstLook(t *testing.T) {
	config := configFile(t, "")
	if a := tlsamgr(t, "--config", config, "status"); a.code != codeDone || !strings.Contains(a.out, "never looked at") {
		t.Errorf("exit %d: %s%s", a.code, a.out, a.err)
	}
	a := tlsamgr(t, "--config", config, "status", "-o", "json")
	var reports []statusReport
	if err := json.Unmarshal([]byte(a.out), &reports); err != nil || len(reports) != 1 || reports[0].Certificate != "mx1" {
		t.Errorf("%v: %s", err, a.out)
	}
	if a := tlsamgr(t, "--config", config, "gate", "mx1"); a.code != codeDone {
		t.Errorf("gate with nothing staged: exit %d: %s", a.code, a.err)
	}
}

// A resolver that is down: run says so, does nothing, and exits 1; plan says
// the same and leaves no trace. No secret is shown, however much is.
func TestResolverDown(t *testing.T) {
	config := configFile(t, "")
	plan := tlsamgr(t, "--config", config, "plan", "-v")
	state := filepath.Join(filepath.Dir(config), "state", "mx1.json")
	if _, err := os.Stat(state); err == nil {
		t.Error("plan has written the state")
	}
	run := tlsamgr(t, "--config", config, "run", "-v")
	if _, err := os.Stat(state); err != nil {
		t.Errorf("run has not saved what it saw: %v", err)
	}
	for name, a := range map[string]answer{"plan": plan, "run": run} {
		if !strings.Contains(a.out, "127.0.0.1:1") {
			t.Errorf("%s does not name the resolver: %s%s", name, a.out, a.err)
		}
		if strings.Contains(a.out+a.err, "c2VjcmV0LWNhbmFyeQ") {
			t.Errorf("%s shows the secret", name)
		}
	}
}

// Every command has an example, and its help works.
func TestHelp(t *testing.T) {
	for _, c := range commands() {
		a := tlsamgr(t, c.name, "--help")
		if a.code != codeDone || !strings.Contains(a.out, "Usage:") {
			t.Errorf("%s --help: exit %d", c.name, a.code)
		}
	}
}
