package generate

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// folder is an open folder. It is closed when nobody needs it any more: its
// files are opened relative to it, some time after it was listed.
type folder struct {
	path  string
	fd    int
	depth int
	users atomic.Int64
}

// maxDepth ends the way down through folders that somebody nested for fun.
const maxDepth = 64

// member is one name in a folder.
type member struct {
	name string
	kind memberKind
}

type memberKind uint8

const (
	otherMember memberKind = iota // or not known: to be looked at
	fileMember
	folderMember
)

// openFolder opens a folder for one user.
func openFolder(dir int, name, path string, depth int) (*folder, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("folders are nested more than %d deep", maxDepth)
	}
	f := &folder{path: path, depth: depth}
	err := retry(func() (err error) {
		f.fd, err = unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		return err
	})
	f.users.Store(1)
	return f, err
}

// release is called once by each user.
func (f *folder) release() {
	if f != nil && f.users.Add(-1) == 0 {
		_ = unix.Close(f.fd) // nothing was written to it
	}
}

// isFolder says whether a path names a folder; links are followed.
func isFolder(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// walk gives the files of the folder and of those in it, sorted by name.
// Hidden ones are left out, and links to folders are not followed. It releases
// the folder; the receiver of an entry releases the entry's.
func (f *folder) walk(each func(entry) error, failed func(path string, err error) error) error {
	defer f.release()
	members, err := f.list()
	if err != nil {
		return failed(f.path, err)
	}
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	for _, m := range members {
		if strings.HasPrefix(m.name, ".") {
			continue
		}
		if err := f.visit(m, each, failed); err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) visit(m member, each func(entry) error, failed func(path string, err error) error) error {
	if m.kind == otherMember {
		var st unix.Stat_t
		if unix.Fstatat(f.fd, m.name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			m.kind = folderMember
		}
	}
	if m.kind != folderMember {
		f.users.Add(1)
		return each(entry{folder: f, name: m.name, regular: m.kind == fileMember})
	}
	path := join(f.path, m.name)
	sub, err := openFolder(f.fd, m.name, path, f.depth+1)
	if err != nil {
		return failed(path, err)
	}
	return sub.walk(each, failed)
}

func join(folder, name string) string {
	if strings.HasSuffix(folder, "/") {
		return folder + name
	}
	return folder + "/" + name
}
