package providers_test

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestZoneFileAccessList: who may read the file by an access control list can
// read the new one, too.
func TestZoneFileAccessList(t *testing.T) {
	t.Parallel()
	const name = "system.posix_acl_access"
	list := []byte{2, 0, 0, 0, // version 2, then tag, permissions and id of each entry
		0x01, 0, 6, 0, 255, 255, 255, 255, // owner
		0x02, 0, 4, 0, 254, 255, 0, 0, // user 65534
		0x04, 0, 0, 0, 255, 255, 255, 255, // group
		0x10, 0, 4, 0, 255, 255, 255, 255, // mask
		0x20, 0, 0, 0, 255, 255, 255, 255} // others
	w := newFileWorld(t, head)
	if err := unix.Setxattr(w.file, name, list, 0); errors.Is(err, unix.ENOTSUP) {
		t.Skip("this file system has no access control lists")
	} else if err != nil {
		t.Fatal(err)
	}
	if err := w.open().Apply(t.Context(), adding(t, "3 1 1 01")); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 1024)
	n, err := unix.Getxattr(w.file, name, buffer)
	if err != nil || !bytes.Equal(buffer[:n], list) {
		t.Errorf("got %x, %v", buffer[:max(n, 0)], err)
	}
	if info, err := os.Stat(w.file); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
