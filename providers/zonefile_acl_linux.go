package providers

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// accessList is where Linux keeps the access control list of a file.
const accessList = "system.posix_acl_access"

// copyAccess gives a file the access control list of another: a server that
// may read the zone by such a list must be able to go on doing so.
func copyAccess(from, to *os.File) error {
	buffer := make([]byte, 64<<10) // the kernel's own limit
	n, err := unix.Fgetxattr(int(from.Fd()), accessList, buffer)
	if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	if err == nil {
		err = unix.Fsetxattr(int(to.Fd()), accessList, buffer[:n], 0)
	}
	if err != nil {
		return fmt.Errorf("keep the access control list: %w", err)
	}
	return nil
}
