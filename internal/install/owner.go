package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
)

// owner is who gets the files: numbers, -1 for "as it is".
type owner struct{ uid, gid int }

// owner looks up Owner and Group.
func (d Directory) owner() (owner, error) {
	uid, err := number("owner", d.Owner, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
	if err != nil {
		return owner{}, err
	}
	gid, err := number("group", d.Group, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
	return owner{uid: uid, gid: gid}, err
}

// number turns a name into its number; what no user or group is called may be
// the number itself, as with chown.
func number(what, name string, lookup func(string) (string, error)) (int, error) {
	if name == "" {
		return -1, nil
	}
	text, err := lookup(name)
	if err != nil {
		text = name
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%s %q: there is no such name on this machine", what, name)
	}
	return int(n), nil
}

// file gives a new file its owner and mode. The mode comes last: chown may
// take bits away, and nobody else shall read the key before it has its group.
func (o owner) file(f *os.File, secret bool) error {
	if err := o.chown(f, o.uid); err != nil {
		return err
	}
	return f.Chmod(o.mode(secret))
}

// folder gives a folder its group and mode. It stays ours: who may read the
// files need not be able to replace them.
func (o owner) folder(dir *os.Root) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	mode := dirMode
	if o.gid >= 0 {
		mode = groupDir
	}
	err = o.chown(f, -1)
	if err == nil {
		err = f.Chmod(mode)
	}
	return errors.Join(err, f.Close())
}

func (o owner) chown(f *os.File, uid int) error {
	if uid < 0 && o.gid < 0 {
		return nil
	}
	err := f.Chown(uid, o.gid)
	if errors.Is(err, fs.ErrPermission) {
		return hinted(fmt.Errorf("give the files to owner and group: %w", err), "run as root, or leave out owner and group")
	}
	return err
}

// mode is the mode of a file.
func (o owner) mode(secret bool) fs.FileMode {
	switch {
	case !secret:
		return certMode
	case o.gid >= 0:
		return groupMode
	}
	return keyMode
}
