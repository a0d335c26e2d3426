package providers

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/providers/zonefile"
)

// edition is an edit of a zone that has been worked out and verified, but not
// written yet.
type edition struct {
	before, after []written // the included file first: see commit
	serial        uint32
	unfinished    bool // an edit before this one never got to its end
}

// written is the text of one file.
type written struct {
	disk
	text []byte
}

// prepare works out the new texts and makes sure that they change what they
// should and nothing else. It gives nil if there is nothing to do.
func (f *zoneFile) prepare(changes []dane.Change, floor uint32) (*edition, error) {
	before, err := f.read()
	if err != nil {
		return nil, err
	}
	main, own, err := f.cut(before)
	if err != nil {
		return nil, err
	}
	loaded, err := f.parse(before)
	if err != nil {
		return nil, err
	}
	if err := f.main.noJournal(main.Serial()); err != nil {
		return nil, err
	}
	edit, err := f.edit(changes, loaded, own)
	if err != nil {
		return nil, err
	}
	e := &edition{before: before, unfinished: f.main.hasCopy()}
	if len(edit.Add)+len(edit.Remove) == 0 && !e.unfinished {
		return nil, nil
	}
	e.serial = nextSerial(main.Serial(), floor, f.account.now())
	edit.Serial = &e.serial
	e.after = f.rewrite(before, main, own, edit)
	return e, f.verify(e, loaded, edit)
}

// nextSerial gives the serial of an edit. It also follows the serial of an
// edit that was taken back: a secondary may have got that one.
func nextSerial(current, floor uint32, now time.Time) uint32 {
	base := current
	if floor != 0 && zonefile.Newer(floor, current) {
		base = floor
	}
	next := zonefile.NextSerial(base, now)
	if !zonefile.Newer(next, current) {
		return zonefile.NextSerial(current, now)
	}
	return next
}

// read reads the files as they are. An included file that is not there yet
// counts as empty.
func (f *zoneFile) read() ([]written, error) {
	text, err := f.main.text()
	if err != nil {
		return nil, err
	}
	main := written{f.main, text}
	if f.own.path == "" {
		return []written{main}, nil
	}
	text, err = f.own.text()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return []written{{f.own, text}, main}, nil
}

// parse loads the zone with the given texts in the place of their files.
func (f *zoneFile) parse(texts []written) (*zonefile.Zone, error) {
	included := 0
	loaded, err := zonefile.Load(f.main.path, f.zone, func(path string) ([]byte, error) {
		if path == f.own.path {
			included++
		}
		for _, w := range texts {
			if w.path == path {
				return w.text, nil
			}
		}
		return readFile(path, 0)
	})
	if err == nil && f.own.path != "" && included != 1 {
		return nil, hinted(fmt.Errorf("%s: it includes %s %d times, not once", f.main.path, f.own.path, included),
			"add this line at its end: $INCLUDE "+f.own.path)
	}
	return loaded, err
}

// cut gives the zone file and the file that holds our records, which may be
// the same.
func (f *zoneFile) cut(texts []written) (main, own *zonefile.File, err error) {
	last := texts[len(texts)-1]
	main, err = zonefile.Parse(last.path, f.zone, last.text)
	if err != nil || len(texts) == 1 {
		return main, main, err
	}
	if main.Marked() {
		return nil, nil, hinted(fmt.Errorf("%s: there are marks of tlsamgr in it, but the setting include names %s", f.main.path, f.own.path),
			"move the records between the marks to that file, and remove the marks")
	}
	own, err = zonefile.ParseIncluded(texts[0].path, texts[0].text)
	return main, own, err
}

// edit turns changes into lines to add and to remove.
func (f *zoneFile) edit(changes []dane.Change, loaded *zonefile.Zone, own *zonefile.File) (edit zonefile.Edit, err error) {
	for _, c := range changes {
		if obstacle := loaded.Obstacle(c.Owner); obstacle != "" {
			return edit, fmt.Errorf("%s: %w", f.main.path, inTheWay(c.Owner, obstacle))
		}
		e, err := effectOf(c, loaded.RRset(c.Owner))
		if err != nil {
			return edit, fmt.Errorf("%s: %w", f.main.path, err)
		}
		if e.nothing() {
			continue
		}
		// What a wildcard shows at the name must stand there itself from now on:
		// the new record takes the wildcard's place (RFC 1034, Section 4.3.3).
		for _, r := range slices.Concat(e.before, e.add) {
			if slices.Contains(e.after, r) && !loaded.Holds(c.Owner, r) {
				edit.Add = append(edit.Add, zonefile.Line{Owner: c.Owner, TTL: e.ttl, Record: r})
			}
		}
		for _, r := range e.remove {
			lines := own.Owned(c.Owner, r)
			if len(lines) == 0 {
				return edit, f.foreign(c.Owner, r, own)
			}
			edit.Remove = append(edit.Remove, lines...)
		}
	}
	return edit, nil
}

// foreign is the error of a removal that is not ours to do.
func (f *zoneFile) foreign(owner string, r dane.Record, own *zonefile.File) error {
	where := f.main.path
	if line := own.Foreign(owner, r); line > 0 && f.own.path == "" {
		where = fmt.Sprintf("%s:%d", where, line)
	}
	return hinted(fmt.Errorf("%s: %s at %s: %w", where, r.Short(), owner, ErrForeign), "move its line between the marks of tlsamgr, or remove it by hand")
}

// rewrite gives the new texts, in the order of the old ones.
func (f *zoneFile) rewrite(before []written, main, own *zonefile.File, edit zonefile.Edit) []written {
	if len(before) == 1 {
		return []written{{f.main, main.Edit(edit)}}
	}
	return []written{{f.own, own.Edit(edit)}, {f.main, main.Edit(zonefile.Edit{Serial: edit.Serial})}}
}

// verify parses the new texts and compares them with the old ones.
func (f *zoneFile) verify(e *edition, before *zonefile.Zone, edit zonefile.Edit) error {
	after, err := f.parse(e.after)
	if err != nil {
		return fmt.Errorf("after the edit: %w", err)
	}
	if err := after.Differs(before, edit); err != nil {
		return err
	}
	for _, l := range edit.Remove {
		if slices.Contains(after.RRset(l.Owner).Records, l.Record) {
			return hinted(fmt.Errorf("%s: %s stands at %s once more outside of the lines of tlsamgr: %w", f.main.path, l.Record.Short(), l.Owner, ErrForeign), "remove it there by hand")
		}
	}
	return nil
}
