//go:build !linux

package engine

import "github.com/tlsamgr/tlsamgr/rollover"

// bootClock says that there is no boot clock: a wall clock that is set while a
// rollover waits then shows only in the zone's signatures.
func bootClock() rollover.Boot { return rollover.Boot{} }
