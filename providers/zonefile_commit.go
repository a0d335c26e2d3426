package providers

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// commit writes an edition, has it checked, and has the server load it. If
// either fails the old files come back.
//
// A copy of the zone file beside it marks the edit as unfinished, from before
// the first write until the server has loaded the last: a process that dies in
// between leaves the mark, and the next one finishes the edit. Once begun, an
// edit is not given up when the caller loses patience; it takes no longer than
// its commands may.
//
// The included file comes before the file with the serial: a server that
// reloads by itself in between then has new records under the old serial, and
// corrects that when the serial follows. The other way round its secondaries
// would take the old records for the new ones.
func (f *zoneFile) commit(e *edition, held *lock) error {
	if err := f.keepCopies(e); err != nil {
		return err
	}
	for i, w := range e.after {
		if err := w.replace(e.before[i].text, w.text); err != nil {
			return f.takeBack(e, i, err)
		}
	}
	err := f.runAll(f.check)
	if err != nil {
		err = f.takeBack(e, len(e.after), fmt.Errorf("check %s: %w", f.main.path, err))
	} else if err = f.runAll(f.reload); err != nil {
		err = f.takeBack(e, len(e.after), temporary(fmt.Errorf("reload %s: %w", f.zone, err)))
		err = also(err, f.again())
	}
	if err != nil {
		// The server may have loaded it all the same, and told its secondaries.
		return also(err, held.note(e.serial))
	}
	return also(held.note(0), f.dropCopies())
}

// also adds what went wrong on top of an error, on one line.
func also(err, more error) error {
	if err == nil || more == nil {
		return errors.Join(err, more)
	}
	return fmt.Errorf("%w; %w", err, more)
}

// keepCopies leaves a copy of each file beside it, the zone file's last. Those
// of an unfinished edit stay: they are what the server has.
func (f *zoneFile) keepCopies(e *edition) error {
	if e.unfinished {
		return nil
	}
	for _, w := range e.before {
		if err := w.keepCopy(f.main); err != nil {
			return err
		}
	}
	return nil
}

// dropCopies ends an edit; the zone file's copy, which is the mark, goes first.
func (f *zoneFile) dropCopies() error {
	err := f.main.dropCopy()
	if err == nil && f.own.path != "" {
		err = f.own.dropCopy()
	}
	return err
}

// takeBack puts the old texts of the first n files back, in reverse order, and
// gives the error that says why.
func (f *zoneFile) takeBack(e *edition, n int, why error) error {
	for i := range slices.Backward(e.before[:n]) {
		old, current := e.before[i], e.after[i]
		if err := old.replace(current.text, old.text); err != nil {
			return also(why, hinted(fmt.Errorf("%s could not be put back: %w", old.path, err), "its old content is in "+old.copyPath()))
		}
	}
	if e.unfinished {
		return why
	}
	return also(why, f.dropCopies())
}

// again has the server load the old files that are back in place.
func (f *zoneFile) again() error {
	if err := f.runAll(f.reload); err != nil {
		return fmt.Errorf("the old zone file is back, but: reload %s: %w", f.zone, err)
	}
	return nil
}

// runAll runs commands one after the other, each with its own deadline.
func (f *zoneFile) runAll(commands [][]string) error {
	for _, argv := range commands {
		ctx, cancel := context.WithTimeout(context.Background(), f.account.timeout)
		err := f.account.run(ctx, argv)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}
