// Package config reads tlsamgr.toml. It knows every key there is, and tells
// everything that is wrong with a file at once, each with its line: nobody
// should have to find the next mistake when a certificate is about to expire.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tlsamgr/tlsamgr/rollover"
)

// The defaults of what can be left out.
const (
	DefaultPath          = "/etc/tlsamgr/tlsamgr.toml"
	DefaultStateDir      = "/var/lib/tlsamgr"
	DefaultDNSSEC        = "resolver"
	DefaultReloadTimeout = time.Minute
)

// Config is a configuration that was found to be sound.
type Config struct {
	Path         string // of the file
	StateDir     string // absolute
	Resolver     string // "127.0.0.1:53"; empty: the system's
	DNSSEC       string // "resolver": believe the AD bit of a resolver on this machine
	DNS          map[string]*DNS
	Certificates []*Certificate // sorted by name

	lines    map[string]int
	warnings []Problem
}

// DNS is an account at a DNS provider.
type DNS struct {
	Name        string
	Provider    string
	Zones       []string       // absolute and lower case: "example.com."
	Nameservers []string       // "192.0.2.1:53", to be watched instead of the zone's own; usually empty
	Settings    map[string]any // the provider's own keys; secrets are of type Secret
}

// Certificate is one certificate unit: what is rolled together.
type Certificate struct {
	Name          string
	Names         []string // of the certificate, as A-labels; the hosts of the endpoints unless given
	Endpoints     []Endpoint
	Policy        rollover.Policy
	LiveDir       string     // absolute; the symbolic link that the mail server reads
	Owner, Group  string     // of the files, by name or number; empty: unchanged
	Reload        [][]string // argument lists, run one after the other
	ReloadTimeout time.Duration
}

// Load reads a configuration. When it is not sound the error is a *Problems
// that names everything that is wrong; when the file cannot be read it is not.
func Load(path string) (*Config, error) {
	s, err := readSource(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return parse(s)
}

// parse turns a file's text into a configuration.
func parse(s source) (*Config, error) {
	root := s.parse()
	c := &Config{Path: s.file, StateDir: DefaultStateDir, DNSSEC: DefaultDNSSEC, DNS: map[string]*DNS{}}
	if root.value != nil {
		assign(c, root, rootFields())
		c.finish(root)
	}
	c.lines, c.warnings = root.lines, byLine(root.warnings)
	if len(root.problems) > 0 {
		return nil, &Problems{List: byLine(root.problems)}
	}
	return c, nil
}

// Warnings gives what is allowed but may not be what was meant, by line.
func (c *Config) Warnings() []Problem { return slices.Clone(c.warnings) }

// Line gives the line of a key, or of the nearest table around it, for those
// who find out later that its value is of no use: Line("dns", "main", "server").
func (c *Config) Line(path ...string) int {
	return node{reader: &reader{lines: c.lines}, path: path}.line()
}

// Certificate gives the unit of that name, nil when there is none.
func (c *Config) Certificate(name string) *Certificate {
	i := slices.IndexFunc(c.Certificates, func(u *Certificate) bool { return u.Name == name })
	if i < 0 {
		return nil
	}
	return c.Certificates[i]
}

// Account gives the DNS account that holds an owner name, and the zone: the
// longest that the name lies in. Without one the account is nil.
func (c *Config) Account(owner string) (account *DNS, zone string) {
	for _, d := range c.DNS {
		for _, z := range d.Zones {
			if len(z) > len(zone) && strings.HasSuffix("."+owner, "."+z) {
				account, zone = d, z
			}
		}
	}
	return account, zone
}

// maxSource bounds the file.
const maxSource = 1 << 20

// readSource reads the file and what matters about it.
func readSource(path string) (source, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return source{}, &hintError{err, "write one; tlsamgr.toml.example shows every key; --config or TLSAMGR_CONFIG name another file"}
	}
	if err != nil {
		return source{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return source{}, err
	}
	if !info.Mode().IsRegular() {
		return source{}, fmt.Errorf("%s is not a regular file", path)
	}
	if info.Mode().Perm()&0o002 != 0 {
		return source{}, &hintError{fmt.Errorf("%s: everybody can write to it, and it names commands to run", path), "chmod o-w " + path}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	if err == nil && len(text) > maxSource {
		err = fmt.Errorf("%s is larger than %d octets", path, maxSource)
	}
	return source{file: path, text: text, open: info.Mode().Perm()&0o004 != 0}, err
}

// hintError is an error that knows what to do about it.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }
func (e *hintError) Hint() string  { return e.hint }
