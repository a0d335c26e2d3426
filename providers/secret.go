package providers

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	redacted     = "[redacted]"
	secretAdvice = `write { file = "…" }, { credential = "…" }, { env = "…" } or the secret itself`
	maxSecret    = 64 << 10
)

// Secret is a password, token or key. Whatever it is printed, logged or
// encoded with shows "[redacted]". The zero value is the empty secret.
type Secret struct {
	// Package fmt calls no methods of what unexported fields hold: it would
	// print a string, of a pointer it prints the address.
	text *string
}

// Reveal gives the secret itself, for the one place that needs it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String gives "[redacted]".
func (s Secret) String() string { return redacted }

// GoString gives "[redacted]".
func (s Secret) GoString() string { return redacted }

// Format writes "[redacted]" for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue gives "[redacted]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText gives "[redacted]".
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON gives "[redacted]".
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// readSecret reads a secret as the configuration writes it: the text itself,
// or a table that says where it is. No error holds the secret.
func readSecret(v any, getenv func(string) string) (Secret, error) {
	if text, ok := v.(string); ok {
		return newSecret(text, "the string")
	}
	table, ok := v.(map[string]any)
	if !ok || len(table) != 1 {
		return Secret{}, hinted(errors.New("it is neither a string nor a table with one key"), secretAdvice)
	}
	for kind, v := range table {
		name, isText := v.(string)
		if !isText || name == "" {
			return Secret{}, hinted(fmt.Errorf("%s must be a string that is not empty", kind), secretAdvice)
		}
		switch kind {
		case "file":
			return secretFile(name)
		case "env":
			return newSecret(getenv(name), "the environment variable "+name)
		case "credential":
			return secretCredential(name, getenv("CREDENTIALS_DIRECTORY"))
		}
		return Secret{}, hinted(fmt.Errorf("a secret cannot come from %q", kind), secretAdvice)
	}
	return Secret{}, nil
}

// newSecret takes the line end off that editors and echo leave behind.
func newSecret(text, source string) (Secret, error) {
	text = strings.TrimRight(text, "\r\n")
	if text == "" {
		return Secret{}, fmt.Errorf("%s is empty or not set", source)
	}
	return Secret{&text}, nil
}

// secretFile reads a secret from a file that nobody else can read.
func secretFile(name string) (Secret, error) {
	if !filepath.IsAbs(name) {
		return Secret{}, fmt.Errorf("the path %s of the file is not absolute", name)
	}
	return readPrivate(name, func(info fs.FileInfo) error {
		if info.Mode().Perm()&0o077 != 0 {
			return hinted(fmt.Errorf("%s: group or others have access to it (mode %04o)", name, info.Mode().Perm()), "chmod 600 "+name)
		}
		return nil
	})
}

// secretCredential reads a credential that systemd handed over. Its mode says
// nothing: systemd opens it to the service by an access control list, and the
// folder belongs to the service alone.
func secretCredential(name, dir string) (Secret, error) {
	switch {
	case name != filepath.Base(name) || name == "." || name == "..":
		return Secret{}, fmt.Errorf("%q is not the name of a credential", name)
	case dir == "":
		return Secret{}, hinted(fmt.Errorf("the credential %q: $CREDENTIALS_DIRECTORY is not set", name), "it is set in services that have LoadCredential= or SetCredential=")
	}
	return readPrivate(filepath.Join(dir, name), func(fs.FileInfo) error { return nil })
}

// readPrivate reads a regular file that passes a check.
func readPrivate(name string, check func(fs.FileInfo) error) (Secret, error) {
	// Without O_NONBLOCK a FIFO would hold the process up for ever.
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return Secret{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Secret{}, err
	}
	if !info.Mode().IsRegular() {
		return Secret{}, fmt.Errorf("%s is not a regular file", name)
	}
	if err := check(info); err != nil {
		return Secret{}, err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err != nil {
		return Secret{}, err
	}
	if len(text) > maxSecret {
		return Secret{}, fmt.Errorf("%s is larger than %d bytes", name, maxSecret)
	}
	return newSecret(string(text), name)
}
