package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Secret is a value that must not be seen. It is read when it is used, and
// prints as "[redacted]". What it holds lies behind a pointer, because fmt
// shows the fields of a value that it cannot print.
type Secret struct{ *origin }

// origin is where a secret comes from: exactly one is set.
type origin struct {
	literal    string // in the configuration itself
	file       string // absolute path of a file that holds nothing else
	env        string // name of an environment variable
	credential string // name of a systemd credential
}

// maxSecret bounds a file with a secret.
const maxSecret = 64 << 10

// Reveal gives the secret. getenv reads the environment, as os.Getenv does.
// Errors name where the secret was to come from, never what it is.
func (s Secret) Reveal(getenv func(string) string) (string, error) {
	switch {
	case s.origin == nil:
		return "", errors.New("there is no secret")
	case s.file != "":
		return readSecret(s.file)
	case s.credential != "":
		dir := getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return "", &hintError{fmt.Errorf("credential %q: systemd gave none to this process", s.credential), "put LoadCredential=" + s.credential + ":PATH into the unit, and start tlsamgr by it"}
		}
		return readSecret(filepath.Join(dir, s.credential))
	case s.env != "":
		text := getenv(s.env)
		if text == "" {
			return "", fmt.Errorf("the environment variable %s is not set", s.env)
		}
		return text, nil
	}
	return s.literal, nil
}

// readSecret reads a file that holds one secret; white space around it does not count.
func readSecret(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", fmt.Errorf("secret: %w", err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("secret: %s is not a regular file", path)
	case info.Mode().Perm()&0o007 != 0:
		return "", &hintError{fmt.Errorf("secret: everybody on this machine can get at %s", path), "chmod o= " + path}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	secret := strings.TrimSpace(string(text))
	switch {
	case err != nil:
		return "", fmt.Errorf("secret: %w", err)
	case len(text) > maxSecret:
		return "", fmt.Errorf("secret: %s is larger than %d octets", path, maxSecret)
	case secret == "":
		return "", fmt.Errorf("secret: %s is empty", path)
	}
	return secret, nil
}

// Format prints "[redacted]", whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[redacted]") }

// LogValue is what a log shows.
func (s Secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalText is what JSON and its like show.
func (s Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// Options gives the provider's settings with every secret revealed, at any
// depth of tables; nothing else is changed.
func (d *DNS) Options(getenv func(string) string) (map[string]any, error) {
	options, err := reveal(d.Settings, getenv)
	if err != nil {
		return nil, fmt.Errorf("dns.%s: %w", d.Name, err)
	}
	return options.(map[string]any), nil
}

func reveal(v any, getenv func(string) string) (any, error) {
	switch v := v.(type) {
	case Secret:
		return v.Reveal(getenv)
	case map[string]any:
		open := make(map[string]any, len(v))
		var errs []error
		for _, key := range slices.Sorted(maps.Keys(v)) {
			one, err := reveal(v[key], getenv)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", key, err))
			}
			open[key] = one
		}
		return open, errors.Join(errs...)
	}
	return v, nil
}
