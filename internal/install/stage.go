package install

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// idLength is the number of hex digits in the name of a generation.
const idLength = 16

// building is the beginning of the names of folders that are not complete, or
// are on their way out.
const building = ".building-"

// Stage checks the pairs, one for each key algorithm, writes a generation for
// them and lets the staged link name it. Staging what is there already changes
// nothing, but puts damaged files right. When something is wrong, nothing that
// was there before is touched.
func (d Directory) Stage(pairs []Pair) (Generation, error) {
	bundles, err := newBundles(pairs)
	if err != nil {
		return Generation{}, err
	}
	o, err := d.owner()
	if err != nil {
		return Generation{}, err
	}
	if _, err := d.liveID(); err != nil {
		return Generation{}, err // it would stand in the way of the swap: say it now, not then
	}
	if err := makeFolder(d.Root); err != nil {
		return Generation{}, fmt.Errorf("certificate folder: %w", err)
	}
	root, err := d.open(toChange)
	if err != nil {
		return Generation{}, err
	}
	defer root.Close()
	id := identify(bundles)
	if err := write(root.Root, id, layout(bundles), o); err != nil {
		return Generation{}, fmt.Errorf("write the certificate to %s: %w", filepath.Join(d.Root, id), err)
	}
	if err := point(root.Root, staged, id); err != nil {
		return Generation{}, fmt.Errorf("stage %s in %s: %w", id, d.Root, err)
	}
	return d.read(root.Root, id)
}

// newBundles checks all pairs.
func newBundles(pairs []Pair) ([]bundle, error) {
	if len(pairs) == 0 {
		return nil, errors.New("no certificate was handed over")
	}
	var bundles []bundle
	for i, p := range pairs {
		b, err := newBundle(p)
		if err != nil && len(pairs) > 1 {
			err = fmt.Errorf("pair %d: %w", i+1, err)
		}
		if err != nil {
			return nil, err
		}
		bundles = append(bundles, b)
	}
	return bundles, sortBundles(bundles)
}

// identify names a generation after everything that a server can present from it.
func identify(bundles []bundle) string {
	hash := sha256.New()
	for _, b := range bundles {
		fmt.Fprintln(hash, b.chain.ID()) // fixed length, so nothing can run together
	}
	return hex.EncodeToString(hash.Sum(nil))[:idLength]
}

// write makes the folder of a generation complete. A new one gets its name
// when every file is on the disk. In one that exists, each file can have only
// one content, so those that differ are replaced one by one.
func write(root *os.Root, id string, files []file, o owner) error {
	if _, err := root.Lstat(id); err == nil {
		return repair(root, id, files, o)
	}
	temporary := building + id
	if err := root.RemoveAll(temporary); err != nil {
		return err
	}
	err := root.Mkdir(temporary, 0o700)
	if err == nil {
		err = fill(root, temporary, files, o)
	}
	if err == nil {
		err = root.Rename(temporary, id)
	}
	if err != nil {
		return errors.Join(err, root.RemoveAll(temporary))
	}
	return syncFolder(root)
}

// fill writes all files of a folder and everything about it onto the disk.
func fill(root *os.Root, name string, files []file, o owner) error {
	dir, err := root.OpenRoot(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	for _, f := range files {
		if err := writeFile(dir, f, o); err != nil {
			return err
		}
	}
	if err := o.folder(dir); err != nil {
		return err
	}
	return syncFolder(dir)
}

// repair replaces the files that differ from what they must hold. A key that
// belongs stays, however it is written.
func repair(root *os.Root, id string, files []file, o owner) error {
	dir, err := root.OpenRoot(id)
	if err != nil {
		return err
	}
	defer dir.Close()
	if bundles, err := readLayout(dir); err == nil && identify(bundles) == id && verify(dir, layout(bundles)) == nil {
		return permit(dir, layout(bundles), o)
	}
	return fill(root, id, files, o)
}

// permit gives the files of an intact generation the owner and modes that are
// wanted now.
func permit(dir *os.Root, files []file, o owner) error {
	for _, f := range files {
		in, err := dir.Open(f.name)
		if err != nil {
			return err
		}
		if err := errors.Join(o.file(in, f.secret), in.Close()); err != nil {
			return err
		}
	}
	return o.folder(dir)
}

// point lets the link name lead to a generation, by one rename.
func point(root *os.Root, name, id string) error {
	if old, err := root.Readlink(name); err == nil && old == id {
		return nil
	}
	now := time.Now()
	if err := root.Chtimes(id, now, now); err != nil {
		return err
	}
	temporary := "." + name + ".new"
	if err := ignoreMissing(root.Remove(temporary)); err != nil {
		return err
	}
	if err := root.Symlink(id, temporary); err != nil {
		return err
	}
	if err := root.Rename(temporary, name); err != nil {
		return errors.Join(err, root.Remove(temporary))
	}
	return syncFolder(root)
}

// stagedID gives the generation that the staged link names, "" when there is none.
func stagedID(root *os.Root) (string, error) {
	id, err := root.Readlink(staged)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err == nil && !isID(id) {
		err = fmt.Errorf("it leads to %q", id)
	}
	if err != nil {
		return "", fmt.Errorf("staged link in %s: %w: %w", root.Name(), ErrForeign, err)
	}
	return id, nil
}

// isID says whether a name is that of a generation.
func isID(name string) bool {
	return len(name) == idLength && strings.Trim(name, "0123456789abcdef") == ""
}

// generationIDs lists the generations in a root.
func generationIDs(root *os.Root) ([]string, error) {
	names, err := readNames(root)
	if err != nil {
		return nil, fmt.Errorf("certificate folder %s: %w", root.Name(), err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return !isID(name) }), nil
}

// read reads and verifies a generation. Errors match ErrDamaged, unless the
// files could not be read for a reason that lies outside of them.
func (d Directory) read(root *os.Root, id string) (Generation, error) {
	if !isID(id) {
		return Generation{}, fmt.Errorf("%q is not the name of a generation", id)
	}
	fail := func(err error) (Generation, error) {
		if errors.Is(err, fs.ErrPermission) {
			return Generation{}, fmt.Errorf("read %s: %w", filepath.Join(d.Root, id), err)
		}
		return Generation{}, fmt.Errorf("generation %s in %s is %w: %w", id, d.Root, ErrDamaged, err)
	}
	dir, err := root.OpenRoot(id)
	if err != nil {
		return fail(err)
	}
	defer dir.Close()
	bundles, err := readLayout(dir)
	if err == nil {
		err = verify(dir, layout(bundles))
	}
	if err == nil && identify(bundles) != id {
		err = errors.New("its certificates are not those that it is named for")
	}
	if err != nil {
		return fail(err)
	}
	info, err := dir.Stat(".")
	if err != nil {
		return fail(err)
	}
	g := Generation{ID: id, Path: filepath.Join(d.Root, id), StagedAt: info.ModTime().UTC()}
	for _, b := range bundles {
		g.Chains = append(g.Chains, b.chain)
	}
	return g, nil
}

func sortGenerations(all []Generation) {
	slices.SortFunc(all, func(a, b Generation) int {
		return cmp.Or(a.StagedAt.Compare(b.StagedAt), cmp.Compare(a.ID, b.ID))
	})
}
