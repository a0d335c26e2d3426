package generate

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sys/unix"
)

// DefaultMaxSize is the size above which a file is refused: 16 MiB.
const DefaultMaxSize = 16 << 20

var errFolder = errors.New("a folder")

func tooLarge(limit int64) error {
	return hinted(fmt.Errorf("larger than %d bytes", limit), "--max-size sets another limit")
}

// Read reads and parses one file of at most DefaultMaxSize bytes. Devices,
// FIFOs, sockets and folders are refused. Errors are those of Parse and of the
// system, and do not name the file.
func Read(path string) (*Source, error) {
	r := fileReader{limit: DefaultMaxSize}
	data, err := r.read(entry{name: path})
	if err != nil {
		return nil, err
	}
	return Parse(data)
}

// entry is one file to read.
type entry struct {
	folder  *folder // that it was found in; nil: it was named
	err     error   // why there is nothing to read
	name    string  // relative to the folder
	regular bool    // a regular file, as its folder says
}

// path names the file for people.
func (e entry) path() string {
	switch {
	case e.folder != nil:
		return join(e.folder.path, e.name)
	case e.name == Stdin:
		return "standard input"
	}
	return e.name
}

// dir is the descriptor that the name is relative to.
func (e entry) dir() int {
	if e.folder != nil {
		return e.folder.fd
	}
	return unix.AT_FDCWD
}

// fileReader reads files, one after the other, into one buffer: with os.File a
// small file takes nearly twice the time.
type fileReader struct {
	limit  int64
	buffer []byte
}

// firstRead is more than nearly every certificate file has.
const firstRead = 64 << 10

// read gives the content of a file; it is good until the next call.
func (r *fileReader) read(e entry) ([]byte, error) {
	if !e.regular {
		// Before it is opened: that alone can rewind a tape or wake a writer.
		var st unix.Stat_t
		if err := retry(func() error { return unix.Fstatat(e.dir(), e.name, &st, 0) }); err != nil {
			return nil, err
		}
		if err := r.acceptable(&st); err != nil {
			return nil, err
		}
	}
	fd := -1
	err := retry(func() (err error) {
		// Non-blocking, in case the file was replaced by a FIFO meanwhile.
		fd, err = unix.Openat(e.dir(), e.name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	data, err := r.readAll(fd)
	if errClose := unix.Close(fd); err == nil {
		err = errClose
	}
	return data, err
}

// acceptable refuses what is no regular file of a sane size.
func (r *fileReader) acceptable(st *unix.Stat_t) error {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		if st.Size > r.limit {
			return tooLarge(r.limit)
		}
		return nil
	case unix.S_IFDIR:
		return hinted(errFolder, "-r reads all files in it")
	}
	return hinted(errors.New("not a regular file"), "what a pipe gives is read as -, from standard input")
}

// readAll reads to the end. A regular file gives less than was asked for only
// at its end, so that most take one call.
func (r *fileReader) readAll(fd int) ([]byte, error) {
	if r.buffer == nil {
		r.buffer = make([]byte, firstRead)
	}
	buffer := r.buffer
	for size := 0; ; {
		var n int
		if err := retry(func() (err error) { n, err = unix.Read(fd, buffer[size:]); return err }); err != nil {
			return nil, err
		}
		size += n
		if int64(size) > r.limit {
			return nil, tooLarge(r.limit)
		}
		if size < len(buffer) {
			return buffer[:size], nil
		}
		var err error
		if buffer, err = r.grow(fd, buffer); err != nil {
			return nil, err
		}
	}
}

// grow makes room for the rest of a large file. The buffer is not kept: the
// next file will be small again.
func (r *fileReader) grow(fd int, buffer []byte) ([]byte, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if err := r.acceptable(&st); err != nil {
		return nil, err
	}
	size := max(int(st.Size)+1, 2*len(buffer)) // one more, to see the end
	return slices.Grow(slices.Clip(buffer), size-len(buffer))[:size], nil
}

// readStream reads what comes through a pipe.
func (r *fileReader) readStream(in io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(in, r.limit+1))
	if err == nil && int64(len(data)) > r.limit {
		err = tooLarge(r.limit)
	}
	return data, err
}

// retry repeats a system call that a signal interrupted.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
