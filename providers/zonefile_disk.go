package providers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxZoneFile bounds what is read of a zone file.
const maxZoneFile = 256 << 20

// disk is a zone file on disk, with the files that tlsamgr keeps beside it.
type disk struct{ path string }

func (d disk) beside(what string) string {
	return filepath.Join(filepath.Dir(d.path), "."+filepath.Base(d.path)+".tlsamgr-"+what)
}

// copyPath is where the text from before an unfinished edit is.
func (d disk) copyPath() string { return d.beside("old") }

// text reads the file. It must be a regular one under its own name: what a
// link leads to would not be replaced, only the link.
func (d disk) text() ([]byte, error) {
	text, err := readFile(d.path, syscall.O_NOFOLLOW)
	if errors.Is(err, syscall.ELOOP) {
		return nil, hinted(fmt.Errorf("%s is a symbolic link", d.path), "name the file that it leads to")
	}
	return text, err
}

// readFile reads a regular file of bounded size. Without O_NONBLOCK a FIFO
// would hold the process up for ever.
func readFile(path string, flags int) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|flags, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxZoneFile+1))
	if err == nil && len(text) > maxZoneFile {
		err = fmt.Errorf("%s is larger than %d MiB", path, maxZoneFile>>20)
	}
	return text, err
}

// hasCopy says whether an edit of the file is unfinished.
func (d disk) hasCopy() bool {
	_, err := os.Lstat(d.copyPath())
	return err == nil
}

// keepCopy keeps the file under a second name. A file that is not there yet is
// made, empty, with the owner and mode of model.
func (d disk) keepCopy(model disk) error {
	if _, err := os.Lstat(d.path); errors.Is(err, fs.ErrNotExist) {
		if err := d.write(model.path, nil); err != nil {
			return err
		}
	}
	if err := d.dropCopy(); err != nil {
		return err
	}
	if err := os.Link(d.path, d.copyPath()); err != nil {
		return hinted(fmt.Errorf("keep a copy: %w", err), "run as root or as the owner of the file")
	}
	return syncDir(d.path)
}

// dropCopy removes the second name.
func (d disk) dropCopy() error {
	if err := os.Remove(d.copyPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncDir(d.path)
}

// replace puts a new text in the place of the old one, if that is still there.
func (d disk) replace(old, text []byte) error {
	current, err := d.text()
	if err != nil {
		return err
	}
	if !bytes.Equal(current, old) {
		return temporary(fmt.Errorf("%s was changed by somebody else at the same time", d.path))
	}
	if bytes.Equal(old, text) {
		return nil
	}
	return d.write(d.path, text)
}

// write replaces the file as a whole: a new one with the owner, the mode and
// the access control list of model takes its place by a rename.
func (d disk) write(model string, text []byte) (err error) {
	name := d.beside("new")
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // it would be left from a process that died
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(name) // after a rename it is gone already
		}
	}()
	_, err = file.Write(text)
	if err == nil {
		err = likeModel(file, model)
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err = os.Rename(name, d.path); err != nil {
		return err
	}
	return syncDir(d.path)
}

// likeModel gives a file the owner, the mode and the access control list of
// another. All of it goes through open files: the folder may belong to a user
// who could put something else under their names.
func likeModel(file *os.File, path string) error {
	model, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer model.Close()
	wanted, err := model.Stat()
	if err != nil {
		return err
	}
	own, err := file.Stat()
	if err != nil {
		return err
	}
	want, got := wanted.Sys().(*syscall.Stat_t), own.Sys().(*syscall.Stat_t)
	if want.Uid != got.Uid || want.Gid != got.Gid {
		if err := file.Chown(int(want.Uid), int(want.Gid)); err != nil {
			return hinted(fmt.Errorf("keep the owner: %w", err), "run as root or as the owner of the file")
		}
	}
	if err := file.Chmod(wanted.Mode().Perm()); err != nil {
		return err
	}
	return copyAccess(model, file)
}

// syncDir makes the names in the folder of a file survive a crash.
func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// lock keeps other processes from editing the same zone file.
type lock struct {
	file   *os.File
	serial uint32 // of an edit that was taken back after a server may have seen it; 0: none
}

// How long lock waits for another process, and how often it looks.
const (
	lockPatience = 2 * time.Second
	lockPause    = 20 * time.Millisecond
)

// lock takes the lock of a zone file. The kernel gives it back when the
// process ends, however it ends.
func (d disk) lock(ctx context.Context) (*lock, error) {
	file, err := os.OpenFile(d.beside("lock"), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, hinted(err, "tlsamgr must be able to write to the folder of the zone file")
	}
	for deadline := time.Now().Add(lockPatience); ; {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return readLock(file)
		}
		if time.Now().After(deadline) {
			err = temporary(fmt.Errorf("%s: another process edits the zone file", d.path))
			return nil, errors.Join(err, file.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), file.Close())
		case <-time.After(lockPause):
		}
	}
}

// readLock reads the serial that is noted in the file of the lock.
func readLock(file *os.File) (*lock, error) {
	text, err := io.ReadAll(io.LimitReader(file, 16))
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	n, _ := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32) // whatever else is there means none
	return &lock{file: file, serial: uint32(n)}, nil
}

// note keeps a serial for the next edit, whichever process makes it.
func (l *lock) note(serial uint32) error {
	if serial == l.serial {
		return nil
	}
	text := []byte(strconv.FormatUint(uint64(serial), 10) + "\n")
	err := l.file.Truncate(0)
	if err == nil {
		_, err = l.file.WriteAt(text, 0)
	}
	return errors.Join(err, l.file.Sync())
}

func (l *lock) release() { _ = l.file.Close() }
