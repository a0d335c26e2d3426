package config

import (
	"context"
	"maps"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tlsamgr/tlsamgr/providers"
)

const example = "../../tlsamgr.toml.example"

// TestExample loads the example as it stands.
func TestExample(t *testing.T) {
	c, err := Load(example)
	if err != nil {
		t.Fatal(err)
	}
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("warnings: %v", w)
	}
	if len(c.DNS) != 2 || len(c.Certificates) != 1 {
		t.Errorf("it has %d accounts and %d certificates", len(c.DNS), len(c.Certificates))
	}
}

// TestExampleHoldsEveryKey fails when a key that the decoder knows is missing.
func TestExampleHoldsEveryKey(t *testing.T) {
	text := commented(t)
	var keys []string
	for _, f := range rootFields() {
		keys = append(keys, f.key)
	}
	for _, f := range dnsFields() {
		keys = append(keys, f.key)
	}
	for _, f := range certificateFields() {
		keys = append(keys, f.key)
	}
	for _, key := range keys {
		if !regexp.MustCompile(`(?m)^(` + key + `\s*=|\[` + key + `\.)`).MatchString(text) {
			t.Errorf("the example has no %s", key)
		}
	}
	if len(keys) < 20 {
		t.Errorf("only %d keys are known", len(keys))
	}
}

// TestExampleShowsDefaults: a key that is commented out says what holds
// without it. Those for which nothing holds are named here.
func TestExampleShowsDefaults(t *testing.T) {
	plain, err := Load(example)
	if err != nil {
		t.Fatal(err)
	}
	full, err := parse(source{file: example, text: []byte(commented(t))})
	if err != nil {
		t.Fatalf("with every key set:\n%v", err)
	}
	if w := full.Warnings(); len(w) > 0 {
		t.Errorf("warnings: %v", w)
	}
	for _, c := range []*Config{plain, full} {
		for _, u := range c.Certificates {
			u.Owner, u.Group = "", ""
		}
		for _, d := range c.DNS {
			d.Nameservers = nil
			delete(d.Settings, "include")
			delete(d.Settings, "timeout")
			delete(d.Settings, "confirm_timeout")
		}
	}
	secrets := cmp.Comparer(func(a, b Secret) bool { return *a.origin == *b.origin })
	if diff := cmp.Diff(plain, full, cmpopts.IgnoreUnexported(Config{}), secrets); diff != "" {
		t.Errorf("the keys that are commented out change something (-without +with):\n%s", diff)
	}
}

// TestExampleFitsTheProviders: the providers know every setting that the
// example has for them.
func TestExampleFitsTheProviders(t *testing.T) {
	c, err := parse(source{file: example, text: []byte(commented(t))})
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range c.DNS {
		options := maps.Clone(d.Settings)
		for key, v := range options {
			if _, ok := v.(Secret); ok {
				options[key] = "c2VjcmV0"
			}
		}
		run := func(context.Context, []string) error { return nil }
		if _, err := providers.Open(providers.Settings{Provider: d.Provider, Zones: d.Zones, Options: options, Run: run}); err != nil {
			t.Errorf("dns.%s: %v", name, err)
		}
	}
}

// commented gives the example with every key set that is commented out.
func commented(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^#([a-z_]+\s*=)`).ReplaceAllString(string(text), "$1")
}

// TestExampleIsReadable: no line is longer than a terminal is wide, and there
// is no key without a comment above it.
func TestExampleIsReadable(t *testing.T) {
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(text), "\n") {
		if len(line) > 80 {
			t.Errorf("line %d has %d characters", i+1, len(line))
		}
	}
	if reflect.DeepEqual(commented(t), string(text)) {
		t.Error("no key is commented out: the pattern does not fit")
	}
}
