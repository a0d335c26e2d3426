package providers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tlsamgr/tlsamgr/dane"
)

// backend is what differs between providers. All names are canonical, every
// owner lies in the zone, and no owner comes twice.
type backend interface {
	list(ctx context.Context, zone string, owners []string) ([]dane.RRset, error)
	apply(ctx context.Context, zone string, changes []dane.Change) error
}

// account is the Zone over a backend: it sorts names into zones, so that each
// zone is read once and written once.
type account struct {
	zones   []string
	backend backend
}

// List implements Zone.
func (a *account) List(ctx context.Context, owners []string) ([]dane.RRset, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	byZone := map[string][]string{}
	names := make([]string, len(owners))
	found := map[string]dane.RRset{}
	for i, owner := range owners {
		name, zone, err := a.place(owner)
		if err != nil {
			return nil, err
		}
		names[i] = name
		if _, twice := found[name]; !twice {
			found[name] = dane.RRset{}
			byZone[zone] = append(byZone[zone], name)
		}
	}
	for _, zone := range slices.Sorted(maps.Keys(byZone)) {
		sets, err := a.backend.list(ctx, zone, byZone[zone])
		if err != nil {
			return nil, fmt.Errorf("zone %s: %w", zone, err)
		}
		for _, set := range sets {
			found[set.Owner] = set
		}
	}
	out := make([]dane.RRset, len(names))
	for i, name := range names {
		out[i] = found[name]
		out[i].Owner, out[i].Records = name, slices.Clone(found[name].Records)
	}
	return out, nil
}

// Apply implements Zone. A zone that fails does not keep the others from
// their changes.
func (a *account) Apply(ctx context.Context, changes []dane.Change) error {
	byZone := map[string][]dane.Change{}
	for _, c := range changes {
		name, zone, err := a.place(c.Owner)
		if err != nil {
			return err
		}
		c.Owner = name
		if err := sound(c); err != nil {
			return err
		}
		byZone[zone] = merge(byZone[zone], c)
	}
	var errs []error
	for _, zone := range slices.Sorted(maps.Keys(byZone)) {
		err := ctx.Err()
		if err == nil {
			err = a.backend.apply(ctx, zone, byZone[zone])
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("zone %s: %w", zone, err))
		}
	}
	return errors.Join(errs...)
}

func (a *account) place(owner string) (name, zone string, err error) {
	name, err = canonical(owner)
	if err != nil {
		return "", "", fmt.Errorf("owner %q: %w", owner, err)
	}
	zone, err = zoneOf(name, a.zones)
	return name, zone, err
}

// sound refuses what no zone should hold.
func sound(c dane.Change) error {
	for _, r := range c.Add {
		if len(r.Data()) == 0 {
			return fmt.Errorf("%s: the record %q has no data", c.Owner, r)
		}
	}
	if c.TTL > 1<<31-1 {
		return fmt.Errorf("%s: the TTL %d is above 2147483647", c.Owner, c.TTL) // RFC 2181, Section 8
	}
	return nil
}

// merge adds a change to those of its zone; changes of one owner become one.
func merge(changes []dane.Change, c dane.Change) []dane.Change {
	for i := range changes {
		if changes[i].Owner == c.Owner {
			changes[i].Add = append(slices.Clone(changes[i].Add), c.Add...)
			changes[i].Remove = append(slices.Clone(changes[i].Remove), c.Remove...)
			return changes
		}
	}
	return append(changes, c)
}

// effect is what a change comes down to in front of the RRset as it is.
type effect struct {
	owner  string
	ttl    uint32
	before []dane.Record // the whole RRset before it
	add    []dane.Record // not there yet, in the order of the change
	remove []dane.Record // there
	after  []dane.Record // the whole RRset after it
}

// effectOf works out the effect of a change. It refuses to leave nothing
// behind: a sender that finds no record stops checking, and a domain whose
// policy asks for DANE gets no mail.
func effectOf(c dane.Change, before dane.RRset) (effect, error) {
	e := effect{owner: c.Owner, ttl: before.TTL, before: before.Records, after: c.Apply(before.Records)}
	for _, r := range c.Add {
		if !slices.Contains(before.Records, r) && !slices.Contains(e.add, r) {
			e.add = append(e.add, r)
		}
	}
	for _, r := range before.Records {
		if !slices.Contains(e.after, r) {
			e.remove = append(e.remove, r)
		}
	}
	if len(e.after) == 0 && len(before.Records) > 0 {
		return effect{}, hinted(fmt.Errorf("%s: %w", c.Owner, ErrLast), "to give up DANE for a name, remove its records by hand")
	}
	if len(before.Records) == 0 {
		e.ttl = c.TTL
		if len(e.add) > 0 && e.ttl == 0 {
			return effect{}, fmt.Errorf("%s: a new RRset needs a TTL above 0", c.Owner)
		}
	}
	return e, nil
}

func (e effect) nothing() bool { return len(e.add) == 0 && len(e.remove) == 0 }

// inTheWay is the error for a name at which no record can stand.
func inTheWay(owner, obstacle string) error {
	return hinted(fmt.Errorf("%s: %w: %s", owner, ErrObstacle, obstacle), "publish at the name that an alias leads to, or add the zone that the name belongs to to an account")
}
