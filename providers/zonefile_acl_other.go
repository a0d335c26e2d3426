//go:build !linux

package providers

import "os"

// copyAccess does nothing: access control lists are kept on Linux only.
func copyAccess(from, to *os.File) error { return nil }
