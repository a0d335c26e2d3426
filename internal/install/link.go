package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Switch lets the live link lead to a generation: one rename, after which
// whoever opens a file below the link gets the new key and the new chain. The
// generation is verified first, and its files get the owner and modes that are
// configured now. Switching to what is live already changes nothing. Errors
// match ErrForeign or ErrDamaged; the link is then what it was.
func (d Directory) Switch(id string) error {
	o, err := d.owner()
	if err != nil {
		return err
	}
	root, err := d.open(toChange)
	if err != nil {
		return err
	}
	defer root.Close()
	old, err := d.liveID()
	if err != nil {
		return err
	}
	g, err := d.read(root.Root, id)
	if err != nil {
		return err
	}
	if err := permitAll(root.Root, id, o); err != nil {
		return fmt.Errorf("switch to generation %s: %w", id, err)
	}
	if old == id {
		return nil
	}
	if err := d.relink(g.Path); err != nil {
		return fmt.Errorf("switch %s to generation %s: %w", d.Live, id, err)
	}
	return nil
}

// permitAll gives a verified generation its owner and modes.
func permitAll(root *os.Root, id string, o owner) error {
	dir, err := root.OpenRoot(id)
	if err != nil {
		return err
	}
	defer dir.Close()
	bundles, err := readLayout(dir)
	if err != nil {
		return err
	}
	return permit(dir, layout(bundles), o)
}

// relink replaces the live link. The link holds the absolute path, so that it
// can be understood and moved by people.
func (d Directory) relink(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	parent, err := os.OpenRoot(filepath.Dir(d.Live))
	if err != nil {
		return err
	}
	defer parent.Close()
	temporary := d.temporaryLink()
	if err := ignoreMissing(parent.Remove(temporary)); err != nil {
		return err
	}
	if err := parent.Symlink(path, temporary); err != nil {
		return err
	}
	if err := parent.Rename(temporary, filepath.Base(d.Live)); err != nil {
		return errors.Join(err, parent.Remove(temporary))
	}
	return syncFolder(parent)
}

// temporaryLink is the name of the new link before it takes its place.
func (d Directory) temporaryLink() string { return "." + filepath.Base(d.Live) + ".tlsamgr-new" }

// liveID gives the generation that the live link names, "" when there is no link.
func (d Directory) liveID() (string, error) {
	target, err := os.Readlink(d.Live)
	if errors.Is(err, fs.ErrNotExist) {
		return "", d.checkParent()
	}
	foreign := func(what string) error {
		return hinted(fmt.Errorf("live_dir %s: %w: %s", d.Live, ErrForeign, what), "move it away, or choose another live_dir; the mail server is to read the files below it")
	}
	if err != nil {
		if info, failed := os.Lstat(d.Live); failed == nil && info.Mode()&fs.ModeSymlink == 0 {
			return "", foreign("it is no symbolic link")
		}
		return "", fmt.Errorf("live_dir: %w", err)
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(d.Live), target)
	}
	if id := filepath.Base(target); isID(id) && d.isRoot(filepath.Dir(target)) {
		return id, nil
	}
	return "", foreign("it leads to " + target)
}

// checkParent holds that the folder of the live link is there.
func (d Directory) checkParent() error {
	parent := filepath.Dir(d.Live)
	info, err := os.Stat(parent)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return hinted(fmt.Errorf("live_dir %s: the folder %s does not exist", d.Live, parent), "mkdir -p "+parent)
	case err != nil:
		return fmt.Errorf("live_dir: %w", err)
	case !info.IsDir():
		return fmt.Errorf("live_dir %s: %s is not a folder", d.Live, parent)
	}
	return nil
}

// isRoot says whether a path is that of the root, however it is written.
func (d Directory) isRoot(path string) bool {
	if root, err := filepath.Abs(d.Root); err == nil && filepath.Clean(path) == root {
		return true
	}
	a, err := os.Stat(path)
	if err != nil {
		return false
	}
	b, err := os.Stat(d.Root)
	return err == nil && os.SameFile(a, b)
}

// Unstage takes the staged link away; the generation stays until Prune. Where
// nothing is staged it does nothing.
func (d Directory) Unstage() error {
	root, err := d.open(toChange)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	err = ignoreMissing(root.Remove(staged))
	if err == nil {
		err = syncFolder(root.Root)
	}
	if err != nil {
		return fmt.Errorf("unstage in %s: %w", d.Root, err)
	}
	return nil
}

// Prune deletes every generation but those to keep, and what an interrupted
// run left behind. What is live or staged is kept in any case.
func (d Directory) Prune(keep ...string) error {
	root, err := d.open(toChange)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	live, err := d.liveID()
	if err != nil {
		return err // what is served is not known, so nothing may go
	}
	waiting, err := stagedID(root.Root)
	if err != nil {
		return err
	}
	if err := prune(root.Root, append(slices.Clone(keep), live, waiting)); err != nil {
		return fmt.Errorf("clean up %s: %w", d.Root, err)
	}
	return ignoreMissing(os.Remove(filepath.Join(filepath.Dir(d.Live), d.temporaryLink())))
}

// prune deletes generations. Each loses its name first: what is half deleted
// must not look like a damaged generation.
func prune(root *os.Root, keep []string) error {
	names, err := readNames(root)
	if err != nil {
		return err
	}
	for _, name := range names {
		switch {
		case strings.HasPrefix(name, building):
			err = root.RemoveAll(name)
		case isID(name) && !slices.Contains(keep, name):
			err = errors.Join(root.Rename(name, building+name), root.RemoveAll(building+name))
		}
		if err != nil {
			return err
		}
	}
	return syncFolder(root)
}
