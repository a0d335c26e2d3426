// Package install keeps the files that a mail server reads. A mail server
// opens them whenever it likes, so replacing them is the swap: key and chain
// change together, by one rename of one symbolic link, and never in place.
//
// Every certificate that is handed over becomes a generation: a folder below
// Directory.Root that is complete before it gets its name. A link named
// "staged" beside the generations names the one that waits; the link
// Directory.Live, wherever the mail server looks for it, names the one in service.
package install

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// ErrForeign says that something which is not our symbolic link stands where
// the live link belongs. Nothing is done then.
var ErrForeign = errors.New("not a link that tlsamgr made")

// ErrDamaged says that a generation is incomplete or that its files do not
// belong together. It is never switched to.
var ErrDamaged = errors.New("damaged")

// Directory is where the files of one certificate unit lie. Several processes
// may use it at once: what one of them changes is locked against the others.
type Directory struct {
	Root  string // folder of the generations; made when it is missing
	Live  string // the link that the mail server reads; its folder must exist
	Owner string // user that owns the files, by name or number; empty: unchanged
	Group string // group that may read the keys, by name or number; empty: none
}

// Generation is one state of the served files.
type Generation struct {
	ID       string        // short hex over the certificates
	Path     string        // folder: key.pem, cert.pem, chain.pem, fullchain.pem, combined.pem
	Chains   []*dane.Chain // one for each key algorithm, in the order of combined.pem
	StagedAt time.Time     // when it was staged last, UTC
}

// staged is the name of the link to the generation that waits.
const staged = "staged"

// Staged gives the generation that waits to be served, nil when there is none.
// When it is damaged the error matches ErrDamaged and the generation has only
// its ID and Path.
func (d Directory) Staged() (*Generation, error) {
	root, err := d.open(toRead)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	id, err := stagedID(root.Root)
	if err != nil || id == "" {
		return nil, err
	}
	return d.linked(root, id)
}

// Current gives the generation that the live link names, nil when there is no
// such link yet. Errors match ErrForeign when something else stands there, and
// ErrDamaged as with Staged.
func (d Directory) Current() (*Generation, error) {
	root, err := d.open(toRead)
	if errors.Is(err, os.ErrNotExist) {
		return d.homeless()
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	id, err := d.liveID()
	if err != nil || id == "" {
		return nil, err
	}
	return d.linked(root, id)
}

// homeless is the answer of Current where there are no generations at all: a
// live link that leads to one is damage.
func (d Directory) homeless() (*Generation, error) {
	id, err := d.liveID()
	if err != nil || id == "" {
		return nil, err
	}
	return d.damaged(id, fmt.Errorf("generation %s in %s is %w: the folder is gone", id, d.Root, ErrDamaged))
}

// linked reads a generation that a link names.
func (d Directory) linked(root folder, id string) (*Generation, error) {
	g, err := d.read(root.Root, id)
	if err != nil {
		return d.damaged(id, err)
	}
	return &g, nil
}

func (d Directory) damaged(id string, err error) (*Generation, error) {
	return &Generation{ID: id, Path: filepath.Join(d.Root, id)}, hinted(err, "hand the certificate over again with tlsamgr stage: that writes its files anew")
}

// All gives every intact generation, the one staged longest ago first. Damaged
// ones are left out: nothing can be done with them, and Prune removes them.
func (d Directory) All() ([]Generation, error) {
	root, err := d.open(toRead)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	ids, err := generationIDs(root.Root)
	if err != nil {
		return nil, err
	}
	var all []Generation
	for _, id := range ids {
		g, err := d.read(root.Root, id)
		if errors.Is(err, ErrDamaged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	sortGenerations(all)
	return all, nil
}

// Probe reads a generation and verifies that every file of it is there, parses
// and belongs to the others. Errors match ErrDamaged when it is not so.
func (d Directory) Probe(id string) (Generation, error) {
	root, err := d.open(toRead)
	if err != nil {
		return Generation{}, err
	}
	defer root.Close()
	return d.read(root.Root, id)
}
