package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
)

// maxFile bounds a state file. The state of a unit with many owners is some
// dozens of kilobytes.
const maxFile = 16 << 20

// Loaded says what Load found.
type Loaded struct {
	Found     bool   // false: nothing was ever saved under this name
	Serial    uint64 // of the document that was read
	Recovered string // why the previous generation was used; empty: it was not
}

// Load reads the document of a name into what into points to, which stays
// untouched when there is none and on errors. A file that is damaged, cut off
// or of another version is not used: the previous generation is, and Recovered
// says why. When that cannot be used either the error matches ErrDamaged.
func (s *Store) Load(name string, into any) (Loaded, error) {
	if err := checkName(name); err != nil {
		return Loaded{}, err
	}
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return Loaded{}, fmt.Errorf("load the state of %s: into must be a pointer", name)
	}
	e, latest := s.load(name, current(name), target)
	if latest == nil {
		return Loaded{Found: true, Serial: e.Serial}, nil
	}
	if !unusable(latest) {
		return Loaded{}, fmt.Errorf("load the state of %s: %w", name, latest)
	}
	e, before := s.load(name, previous(name), target)
	switch {
	case before == nil:
		return Loaded{Found: true, Serial: e.Serial, Recovered: latest.Error()}, nil
	case errors.Is(latest, fs.ErrNotExist) && errors.Is(before, fs.ErrNotExist):
		return Loaded{}, nil
	}
	return Loaded{}, &hintError{fmt.Errorf("the state of %s is %w: %w; %w", name, ErrDamaged, latest, before),
		"put both files back from a backup; if there is none, move them away: tlsamgr then assumes that senders may hold anything and waits accordingly"}
}

// unusable says whether an error is about the file itself and will be the same
// the next time. Anything else, such as too many open files, is no reason to
// fall back on older knowledge.
func unusable(err error) bool {
	for _, sort := range []error{errContent, fs.ErrNotExist, syscall.EIO} {
		if errors.Is(err, sort) {
			return true
		}
	}
	return false
}

// load reads one generation; target gets its document when all is well.
func (s *Store) load(name, file string, target reflect.Value) (envelope, error) {
	e, err := s.read(name, file)
	if err != nil {
		return envelope{}, err
	}
	fresh := reflect.New(target.Type().Elem()) // so that a failure leaves nothing behind
	if err := e.open(fresh.Interface()); err != nil {
		return envelope{}, fmt.Errorf("%s: %w that this tlsamgr knows: %w", s.path(file), errContent, err)
	}
	target.Elem().Set(fresh.Elem())
	return e, nil
}

// read reads and checks the envelope of one file.
func (s *Store) read(name, file string) (envelope, error) {
	text, err := s.readText(file)
	var e envelope
	if err == nil {
		e, err = unseal(name, text)
	}
	if err != nil {
		return envelope{}, fmt.Errorf("%s: %w", s.path(file), err)
	}
	return e, nil
}

// readText reads a regular file of bounded size.
func (s *Store) readText(file string) ([]byte, error) {
	info, err := s.root.Lstat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: it is no regular file", errContent)
	}
	in, err := s.root.Open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%w: it is larger than %d octets", errContent, maxFile)
	}
	return text, err
}

// Save writes the next generation of a document; the caller holds the lock of
// the name. The serial must be higher than that of what is there: if it is
// not, somebody else has saved since, and the error matches ErrStale. At every
// instant one complete generation is on the disk.
func (s *Store) Save(name string, serial uint64, doc any) error {
	if err := s.save(name, serial, doc); err != nil {
		return fmt.Errorf("save the state of %s in %s: %w", name, s.dir, err)
	}
	return nil
}

func (s *Store) save(name string, serial uint64, doc any) error {
	if err := checkName(name); err != nil {
		return err
	}
	e, err := seal(name, serial, doc)
	if err != nil {
		return err
	}
	if len(e.text()) > maxFile {
		return fmt.Errorf("it would be larger than %d octets", maxFile)
	}
	intact, err := s.newer(name, serial)
	if err != nil {
		return err
	}
	s.sweep(name)
	if err := s.write(fresh(name), e.text()); err != nil {
		return errors.Join(err, s.remove(fresh(name)))
	}
	if intact {
		if err := s.keep(name); err != nil {
			return errors.Join(err, s.remove(fresh(name)))
		}
	}
	if err := s.root.Rename(fresh(name), current(name)); err != nil {
		return errors.Join(err, s.remove(fresh(name)))
	}
	return s.sync()
}

// newer refuses a serial that is not above what is there, and says whether the
// current generation is intact. A damaged one must not become the previous one.
func (s *Store) newer(name string, serial uint64) (intact bool, err error) {
	for _, file := range []string{previous(name), current(name)} {
		e, err := s.read(name, file)
		if err != nil && !unusable(err) {
			return false, err
		}
		intact = err == nil
		if intact && e.Serial >= serial {
			return false, fmt.Errorf("%w: serial %d is there, %d was to be saved", ErrStale, e.Serial, serial)
		}
	}
	return intact, nil
}

// keep makes the current generation the previous one as well, by a second
// name for the same file: there is no instant without a current one.
func (s *Store) keep(name string) error {
	if err := s.root.Link(current(name), kept(name)); err != nil {
		return err
	}
	if err := s.root.Rename(kept(name), previous(name)); err != nil {
		return errors.Join(err, s.remove(kept(name)))
	}
	return s.remove(kept(name)) // rename does nothing when both are one file already
}

// write writes a file and has it on the disk when it returns.
func (s *Store) write(file string, text []byte) error {
	out, err := s.root.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// sync has the names in the folder on the disk.
func (s *Store) sync() error {
	dir, err := s.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// sweep removes what an interrupted Save left behind. What it cannot remove
// stops the next Save, which says why.
func (s *Store) sweep(name string) {
	_ = s.remove(fresh(name))
	_ = s.remove(kept(name))
}

func (s *Store) remove(file string) error {
	return ignoreMissing(s.root.Remove(file))
}

func (s *Store) path(file string) string { return filepath.Join(s.dir, file) }

func current(name string) string  { return name + ".json" }
func previous(name string) string { return name + ".json.prev" }
func fresh(name string) string    { return "." + name + ".json.new" }
func kept(name string) string     { return "." + name + ".json.keep" }
