//go:build unix && !linux

package generate

import (
	"io/fs"
	"os"
)

// list gives the names in the folder, in no order.
func (f *folder) list() (members []member, err error) {
	entries, err := os.ReadDir(f.path)
	for _, e := range entries {
		m := member{name: e.Name()}
		switch e.Type() {
		case 0:
			m.kind = fileMember
		case fs.ModeDir:
			m.kind = folderMember
		}
		members = append(members, m)
	}
	return members, err
}
