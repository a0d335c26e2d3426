// Package store keeps what must survive a crash: one JSON document for each
// name, with its serial number and a checksum, and the generation before it.
//
// What senders may believe is known from these documents alone, so a damaged
// one is never taken for a missing one: the previous generation is used and
// that is reported, and where both are damaged the answer is an error.
package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Errors that callers tell apart.
var (
	ErrBusy    = errors.New("in use by another process") // somebody else holds the lock
	ErrDamaged = errors.New("damaged")                   // neither generation can be used
	ErrStale   = errors.New("state has changed since")   // Save would overwrite something newer
)

// The modes of what is written. The folder can be passed through but not
// listed, because the files of a mail server with a user of its own may lie
// below it.
const (
	dirMode  fs.FileMode = 0o711
	fileMode fs.FileMode = 0o600
)

// Store is a folder of state documents.
type Store struct {
	dir  string
	root *os.Root
}

// Open opens the folder, and makes it where it is missing. A folder that
// belongs to somebody else, or that others can write to, is refused with a
// hint: who can change the state can make mail fail.
func Open(dir string) (*Store, error) {
	if dir == "" {
		return nil, errors.New("state folder: no path is given")
	}
	if err := makeFolder(dir); err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	s := &Store{dir: dir, root: root}
	if err := s.trust(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return s, nil
}

// makeFolder makes the folder where it is missing, with its mode whatever the
// umask says. One that is there keeps the mode that somebody gave it.
func makeFolder(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	err := os.Mkdir(dir, dirMode)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	return os.Chmod(dir, dirMode)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Close gives the folder's descriptor back. Locks are not released by it.
func (s *Store) Close() error { return s.root.Close() }

// trust holds that nobody else can change what is in the folder.
func (s *Store) trust() error {
	info, err := s.root.Stat(".")
	if err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return &hintError{fmt.Errorf("state folder %s: others can write to it (mode %04o)", s.dir, mode), "chmod go-w " + s.dir}
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if ok && int(owner.Uid) != os.Geteuid() {
		return &hintError{fmt.Errorf("state folder %s: it belongs to user %d, and this is user %d", s.dir, owner.Uid, os.Geteuid()),
			fmt.Sprintf("run tlsamgr as user %d, or give it another state_dir", owner.Uid)}
	}
	return nil
}

// checkName holds that a name is fit for a file: letters, digits, hyphens and
// underscores, at most 63 of them, none of them a hyphen in front.
func checkName(name string) error {
	allowed := func(r rune) bool {
		return r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	if name == "" || len(name) > 63 || name[0] == '-' || strings.TrimFunc(name, allowed) != "" {
		return fmt.Errorf("%q cannot be the name of a state: use letters, digits, hyphens and underscores", name)
	}
	return nil
}

// hintError is an error that knows what to do about it.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }
func (e *hintError) Hint() string  { return e.hint }
