package providers

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/tlsamgr/tlsamgr/providers/zonefile"
)

// noJournal refuses a zone that BIND changes by itself: it would write its own
// version over the file, or take the file's for a mistake. A zone that BIND
// signs on the way ("inline-signing yes", which leaves a file FILE.signed) has
// a journal too, of the differences between the files it loaded; that one
// never runs ahead of the file.
func (d disk) noJournal(serial uint32) error {
	journal := d.path + ".jnl"
	last, err := journalEnd(journal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Lstat(d.path + ".signed"); err != nil {
		return hinted(fmt.Errorf("%s: there is a journal: the zone is changed by dynamic updates", journal), "use the provider rfc2136 for this zone")
	}
	if zonefile.Newer(last, serial) {
		return hinted(fmt.Errorf("%s: the journal has got to serial %d, the zone file only to %d: the zone is changed by dynamic updates", journal, last, serial),
			"use the provider rfc2136 for this zone; if the zone is not dynamic, reload it and try again")
	}
	return nil
}

// journalEnd reads the last serial of one of BIND's journals: its header has a
// format name of 16 octets, the first serial and its offset, and the last.
func journalEnd(path string) (uint32, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	header := make([]byte, 28)
	_, err = io.ReadFull(file, header)
	if err != nil || !strings.HasPrefix(string(header), ";BIND LOG V9") {
		return 0, hinted(fmt.Errorf("%s: not a journal of a kind that is known here", path), "if no server uses it any more, remove it")
	}
	return binary.BigEndian.Uint32(header[24:]), nil
}
