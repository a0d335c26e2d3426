//go:build lab

package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// programs gives the servers and tools that tests on real servers start, each
// with the Debian package that has it.
func programs() map[string]string {
	return map[string]string{
		"named": "bind9", "nsupdate": "bind9-dnsutils",
		"ip":    "iproute2",
		"knotd": "knot", "knotc": "knot",
		"ldns-keygen": "ldnsutils", "ldns-signzone": "ldnsutils",
		"nsd": "nsd", "nsd-control": "nsd", "nsd-checkzone": "nsd",
		"openssl": "openssl",
		"postfix": "postfix", "posttls-finger": "postfix",
		"strace":  "strace",
		"unbound": "unbound",
	}
}

// extendPath adds the folders of servers, which the PATH of a user or of sudo
// may lack.
func extendPath() error {
	return os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin:/usr/bin:/bin")
}

// requirePrograms says which programs are missing, and what to install.
func requirePrograms() error {
	var missing, needed []string
	for name, pkg := range programs() {
		if _, err := exec.LookPath(name); err != nil {
			missing, needed = append(missing, name), append(needed, pkg)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	slices.Sort(needed)
	return fmt.Errorf("not installed: %s (make packages, or apt-get install %s)",
		strings.Join(missing, " "), strings.Join(slices.Compact(needed), " "))
}

// confined names the servers that AppArmor profiles may keep to their own
// folders under /etc and /var.
func confined() []string { return []string{"named", "unbound", "knotd", "nsd"} }

// copyPrograms copies the confined servers: a profile belongs to the path of a
// program, and a copy is free to read the lab's files.
func copyPrograms() error {
	for _, name := range confined() {
		original, err := exec.LookPath(name)
		if err != nil {
			return err
		}
		if err := copyFile(original, filepath.Join(scratch, "bin", name)); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// program gives the path of a program, so that commands work with any PATH.
func program(name string) string {
	if own := filepath.Join(scratch, "bin", name); exists(own) {
		return own
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return name // the start of the command reports it
	}
	return path
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
