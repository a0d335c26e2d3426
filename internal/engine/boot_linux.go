package engine

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tlsamgr/tlsamgr/rollover"
)

// bootClock reads the clock that counts from the start of the machine, sleep
// included, and that nobody can set.
func bootClock() rollover.Boot {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return rollover.Boot{}
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return rollover.Boot{}
	}
	return rollover.Boot{ID: strings.TrimSpace(string(id)), Uptime: time.Duration(ts.Nano())}
}
