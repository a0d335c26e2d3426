package providers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/providers/zonefile"
)

// commandTimeout is how long a check or reload command may take.
const commandTimeout = 30 * time.Second

// zoneFiles changes zones in the files that a name server loads. Each zone has
// its file; what applies to all of them may hold "{zone}" and "{file}".
type zoneFiles struct {
	file    string // path of the zone file
	include string // path of the included file that holds our records; "": between marks in the zone file
	check   [][]string
	reload  [][]string
	timeout time.Duration // of one command
	run     func(ctx context.Context, argv []string) error
	now     func() time.Time
}

// zoneFileEntry describes the provider zonefile.
func zoneFileEntry() entry {
	return entry{
		name: "zonefile", open: openZoneFile,
		strategy: "edits the records between two marks of a zone file; all names of a zone in one edit",
		limits:   "none",
		tested:   "BIND 9.18, Knot DNS 3.2, NSD 4.6",
	}
}

// openZoneFile reads the settings file, include, check, reload and timeout.
func openZoneFile(s Settings, zones []string, o *options) backend {
	z := &zoneFiles{run: s.Run, now: s.Now, file: o.path("file"), include: o.path("include")}
	var reloads bool
	z.check, _ = o.commands("check")
	z.reload, reloads = o.commands("reload")
	z.timeout = o.duration("timeout", commandTimeout)
	for i, path := range []string{z.file, z.include} {
		if path != "" && len(zones) > 1 && !strings.Contains(path, "{zone}") {
			o.fail([]string{"file", "include"}[i], errors.New("the account has several zones"), "put {zone} where the name of the zone belongs")
		}
	}
	if _, given := s.Options["file"]; !given {
		o.fail("file", errors.New("it is missing"), `the absolute path of the zone file: "/etc/bind/db.{zone}"`)
	}
	if !reloads {
		o.fail("reload", errors.New("it is missing"), `["rndc", "reload", "{zone}"], ["nsd-control", "reload", "{zone}"] or ["knotc", "zone-reload", "{zone}"]; [] if the server looks for itself`)
	}
	if len(z.check)+len(z.reload) > 0 && z.run == nil {
		o.fail("reload", errors.New("commands cannot be run here"), "")
	}
	return z
}

// of gives the files of one zone.
func (z *zoneFiles) of(zone string) *zoneFile {
	bare := strings.TrimSuffix(zone, ".")
	path := strings.ReplaceAll(z.file, "{zone}", bare)
	fill := strings.NewReplacer("{zone}", bare, "{file}", path)
	f := &zoneFile{account: z, zone: zone, main: disk{path}, check: filled(z.check, fill), reload: filled(z.reload, fill)}
	if z.include != "" {
		f.own = disk{fill.Replace(z.include)}
	}
	return f
}

// filled gives commands with their placeholders replaced.
func filled(commands [][]string, fill *strings.Replacer) [][]string {
	out := make([][]string, len(commands))
	for i, argv := range commands {
		for _, word := range argv {
			out[i] = append(out[i], fill.Replace(word))
		}
	}
	return out
}

// zoneFile is the file of one zone, and the one with our records if that is
// another.
type zoneFile struct {
	account       *zoneFiles
	zone          string
	main          disk
	own           disk // no path: our records stand in main
	check, reload [][]string
}

func (z *zoneFiles) list(_ context.Context, zone string, owners []string) ([]dane.RRset, error) {
	loaded, err := z.of(zone).load()
	if err != nil {
		return nil, err
	}
	sets := make([]dane.RRset, len(owners))
	for i, owner := range owners {
		sets[i] = dane.RRset{Owner: owner}
		if loaded.Obstacle(owner) == "" {
			sets[i] = loaded.RRset(owner)
		}
	}
	return sets, nil
}

// load reads the zone as the server was last told to load it. While an edit is
// unfinished that is the state before it.
func (f *zoneFile) load() (*zonefile.Zone, error) {
	unfinished := f.main.hasCopy()
	return zonefile.Load(f.main.path, f.zone, func(path string) ([]byte, error) {
		for _, d := range []disk{f.main, f.own} {
			if path != d.path {
				continue
			}
			if unfinished {
				if text, err := readFile(d.copyPath(), syscall.O_NOFOLLOW); !errors.Is(err, os.ErrNotExist) {
					return text, err
				}
			}
			text, err := d.text()
			if path == f.own.path && errors.Is(err, os.ErrNotExist) {
				return nil, nil // it comes with the first record
			}
			return text, err
		}
		return readFile(path, 0)
	})
}

func (z *zoneFiles) apply(ctx context.Context, zone string, changes []dane.Change) error {
	f := z.of(zone)
	held, err := f.main.lock(ctx)
	if err != nil {
		return err
	}
	defer held.release()
	e, err := f.prepare(changes, held.serial)
	if err != nil || e == nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := f.commit(e, held); err != nil {
		return err
	}
	return f.readBack(changes)
}

// readBack looks at the files once more, as anybody else would find them.
func (f *zoneFile) readBack(changes []dane.Change) error {
	loaded, err := f.load()
	if err != nil {
		return err
	}
	for _, c := range changes {
		shown := loaded.RRset(c.Owner).Records
		if !slices.Equal(c.Apply(shown), shown) {
			return temporary(fmt.Errorf("%s: somebody else changed the records of %s at the same time", f.main.path, c.Owner))
		}
	}
	return nil
}
