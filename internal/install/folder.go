package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// folder is the open root of a Directory, locked. The kernel keeps the lock on
// the folder itself, and drops it when the process ends.
type folder struct {
	*os.Root
	lock *os.File
}

// purpose is what a root is opened for.
type purpose int

const (
	toRead   purpose = syscall.LOCK_SH
	toChange purpose = syscall.LOCK_EX
)

// patience is how long another process may keep the folder: nobody needs
// longer than it takes to write a few small files.
const patience = 10 * time.Second

// open opens and locks the root. Errors match fs.ErrNotExist where there is none.
func (d Directory) open(p purpose) (folder, error) {
	root, err := os.OpenRoot(d.Root)
	if err != nil {
		return folder{}, fmt.Errorf("certificate folder: %w", err)
	}
	f := folder{Root: root}
	f.lock, err = root.Open(".")
	if err == nil {
		err = f.trust(p)
	}
	if err == nil {
		err = acquire(f.lock, p)
	}
	if err != nil {
		return folder{}, errors.Join(fmt.Errorf("certificate folder %s: %w", d.Root, err), f.Close())
	}
	return f, nil
}

// Close gives the folder free.
func (f folder) Close() error {
	err := f.Root.Close()
	if f.lock != nil {
		err = errors.Join(err, f.lock.Close())
	}
	return err
}

// trust holds, before something is changed, that nobody else can: whoever can
// write here can put a key of his own into service.
func (f folder) trust(p purpose) error {
	info, err := f.lock.Stat()
	if err == nil && p == toChange && info.Mode().Perm()&0o022 != 0 {
		err = hinted(fmt.Errorf("others can write to it (mode %04o)", info.Mode().Perm()), "chmod go-w "+f.Name())
	}
	return err
}

// acquire takes the lock as soon as it is free.
func acquire(f *os.File, p purpose) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), int(p)|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("another process has kept it locked for " + patience.String())
		}
	}
}

// makeFolder makes a folder and those above it where they are missing. They
// can be passed through, whatever the umask says.
func makeFolder(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.Mkdir(path, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Chmod(path, dirMode)
}
