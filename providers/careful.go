package providers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// client is what every provider's API can do: tell what a zone holds. Zones
// and owners are canonical. A client need not be careful: careful is.
type client interface {
	// read lists a zone: every record that can be had at no extra cost, at least
	// the TLSA records at the owners. It gives everything or an error, never a part.
	read(ctx context.Context, zone string, owners []string) ([]item, error)
}

// pieces is an API that adds and deletes single records. To add a record that
// is there, and to remove one that is not, is no error.
type pieces interface {
	client
	add(ctx context.Context, zone string, records []held) error
	remove(ctx context.Context, zone string, records []held) error // the very records that were read
}

// wholes is an API that replaces whole RRsets.
type wholes interface {
	client
	// replace exchanges each RRset as a whole, so that nobody ever sees a part.
	// A client that can have the server refuse it when the RRset is not as it was
	// read says so with errConflict.
	replace(ctx context.Context, zone string, sets []exchange) error
}

// exchange is one RRset as it was read and as it is to be.
type exchange struct {
	owner  string
	ttl    uint32 // of the RRset that is there, else of the new one
	before []held // what the provider holds at the owner itself
	after  []dane.Record
}

// traits are what is to be known about an API besides how to call it.
type traits struct {
	minTTL, maxTTL uint32        // of new RRsets; 0: no limit
	settle         time.Duration // how long its reads may lag behind its writes
	batch          int           // records (pieces) or RRsets (wholes) in one write; 0: any number
	fresh          time.Duration // how long what was read counts; writes build on it only if they are guarded
	whole          bool          // a read gives the whole zone, whatever owners are asked for
	guarded        bool          // a write that meets another RRset than was read is refused (errConflict)
}

// The patience of the strategies.
const (
	callLimit  = 5 * time.Minute // one call of a client, with all its requests
	callGrace  = time.Second     // to come back after its context has ended
	maxTries   = 6               // to bring a zone where it should be
	maxReads   = 4               // to read a zone
	firstRetry = 500 * time.Millisecond
	lastRetry  = 15 * time.Second
)

// careful makes a backend of a client that knows nothing of care: it works out
// what is to do from what the provider lists, adds before it removes, reads
// back after each, writes again what got lost, and puts back what the provider
// lost of its own accord.
type careful struct {
	client
	traits
	now     func() time.Time
	pause   func(context.Context, time.Duration) error
	confirm time.Duration // until the provider shows what it has accepted, and for trying again

	mu    sync.Mutex
	zones map[string]*zoneMemory
}

// zoneMemory is what is remembered of one zone in one process.
type zoneMemory struct {
	sync.Mutex // one writer at a time
	last       *contents
	covers     []string // the owners that were asked for
}

func (c *careful) zone(name string) *zoneMemory {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.zones == nil {
		c.zones = map[string]*zoneMemory{}
	}
	if c.zones[name] == nil {
		c.zones[name] = &zoneMemory{}
	}
	return c.zones[name]
}

// list implements backend.
func (c *careful) list(ctx context.Context, zone string, owners []string) ([]dane.RRset, error) {
	memory := c.zone(zone)
	memory.Lock()
	defer memory.Unlock()
	seen, err := c.look(ctx, zone, owners, c.fresh)
	if err != nil {
		return nil, err
	}
	return seen.sets(owners)
}

// apply implements backend. If the server refuses the very first write because
// the zone was not as it was read, nothing has been done, and all begins anew.
func (c *careful) apply(ctx context.Context, zone string, changes []dane.Change) error {
	memory := c.zone(zone)
	memory.Lock()
	defer memory.Unlock()
	age := c.fresh
	if !c.guarded {
		age = 0 // only a server that compares can tell that what was read is old
	}
	for try := 1; ; try++ {
		err := c.attempt(ctx, zone, changes, age)
		if !errors.Is(err, errConflict) || try == maxTries {
			return err
		}
		age = 0
	}
}

// attempt does what is to be done, as far as it is possible.
func (c *careful) attempt(ctx context.Context, zone string, changes []dane.Change, age time.Duration) error {
	owners := make([]string, len(changes))
	for i, one := range changes {
		owners[i] = one.Owner
	}
	seen, err := c.look(ctx, zone, owners, age)
	if err != nil {
		return err
	}
	additions, removals, err := c.aims(seen, changes)
	if err != nil {
		return err
	}
	p := &passage{careful: c, zone: zone, owners: owners, until: c.now().Add(c.confirm)}
	if seen, err = p.carry(ctx, additions, seen); err != nil {
		return fmt.Errorf("add records: %w", err)
	}
	if _, err = p.carry(ctx, removals, seen); err != nil {
		return fmt.Errorf("remove records: %w", err)
	}
	return nil
}

// aim is what one owner is to come to: must be there, must be gone. Records of
// neither list belong to others and stay.
type aim struct {
	owner string
	ttl   uint32
	live  []dane.Record // there before, and to stay
	add   []dane.Record
	gone  []dane.Record
	made  bool // the live ones were made from a wildcard
}

// aims works out what is to do and refuses what cannot be done, before
// anything is.
func (c *careful) aims(seen *contents, changes []dane.Change) (additions, removals []aim, err error) {
	for _, change := range changes {
		if why := seen.obstacle(change.Owner); why != "" {
			return nil, nil, inTheWay(change.Owner, why)
		}
		if err := seen.odd[change.Owner]; err != nil {
			return nil, nil, fmt.Errorf("%s: the provider lists a TLSA record that cannot be read: %w", change.Owner, err)
		}
		set, made := seen.set(change.Owner)
		e, err := effectOf(change, set)
		if err != nil {
			return nil, nil, err
		}
		if len(set.Records) == 0 {
			e.ttl = c.within(e.ttl)
		}
		if len(e.add) > 0 {
			additions = append(additions, aim{owner: e.owner, ttl: e.ttl, live: e.before, add: e.add, made: made})
		}
		if len(e.remove) > 0 {
			removals = append(removals, aim{owner: e.owner, ttl: e.ttl, live: e.after, gone: e.remove})
		}
	}
	return additions, removals, nil
}

// within brings the TTL of a new RRset to what the API takes, rather than to
// let it do so: what is published is what was sent.
func (c *careful) within(ttl uint32) uint32 {
	ttl = max(ttl, c.minTTL)
	if c.maxTTL > 0 {
		ttl = min(ttl, c.maxTTL)
	}
	return ttl
}

// look reads a zone, or remembers what was read up to age ago. What may pass
// is tried again.
func (c *careful) look(ctx context.Context, zone string, owners []string, age time.Duration) (*contents, error) {
	memory := c.zone(zone)
	if last := memory.last; last != nil && c.now().Sub(last.taken) < age && (c.whole || !slices.ContainsFunc(owners, func(o string) bool { return !slices.Contains(memory.covers, o) })) {
		return last, nil
	}
	memory.last = nil
	var err error
	for try, wait := 1, firstRetry; ; try, wait = try+1, min(2*wait, lastRetry) {
		taken := c.now()
		var items []item
		if items, err = contained(ctx, func(ctx context.Context) ([]item, error) { return c.read(ctx, zone, owners) }); err == nil {
			memory.last, memory.covers = newContents(zone, items, taken), owners
			return memory.last, nil
		}
		wait := max(wait, RetryAfter(err))
		if !Temporary(err) || ctx.Err() != nil || try == maxReads || wait > c.confirm {
			return nil, fmt.Errorf("read the zone: %w", cmp.Or(ctx.Err(), err))
		}
		if err := c.pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// passage is one Apply under way in one zone.
type passage struct {
	*careful
	zone   string
	owners []string
	until  time.Time
}

// carry brings a zone to its aims and gives what it then holds. Whatever
// happens, live records that are missing are put back first.
func (p *passage) carry(ctx context.Context, aims []aim, seen *contents) (*contents, error) {
	var lost []string
	for try, wait := 1, firstRetry; ; try, wait = try+1, min(2*wait, lastRetry) {
		missing, extra := lacking(aims, seen)
		if len(missing)+len(extra) == 0 {
			return seen, damaged(lost)
		}
		failed := p.write(ctx, seen, missing, extra)
		if ctx.Err() != nil || try == 1 && p.guarded && errors.Is(failed, errConflict) {
			return nil, cmp.Or(ctx.Err(), failed)
		}
		shown, err := p.settled(ctx, aims, failed)
		if err != nil {
			return nil, p.unknown(failed, err)
		}
		seen = shown
		missing, extra = lacking(aims, seen)
		gone := vanished(aims, seen)
		lost = append(lost, gone...)
		switch {
		case len(missing)+len(extra) == 0:
			return seen, damaged(lost)
		case len(gone) > 0 && try < maxTries:
			continue // put them back at once
		case failed == nil:
			failed = temporary(fmt.Errorf("the provider accepted it, but after %s %s", p.settle, difference(missing, extra)))
		case !Temporary(failed):
			return nil, failed
		}
		wait := max(wait, RetryAfter(failed))
		if errors.Is(failed, errConflict) {
			wait = 0
		}
		if try >= maxTries || p.now().Add(wait).After(p.until) {
			return nil, failed
		}
		if err := p.pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// unknown is the error of a write that could not be read back.
func (p *passage) unknown(failed, err error) error {
	if failed != nil {
		return fmt.Errorf("%w (and then: %v)", failed, err)
	}
	return fmt.Errorf("the provider accepted it, but cannot be asked what it holds now: %w", err)
}

// settled reads until the zone shows the aims, or for as long as its reads may
// lag. A live record that is gone ends it at once.
func (p *passage) settled(ctx context.Context, aims []aim, failed error) (*contents, error) {
	deadline := p.now().Add(p.settle)
	for wait := firstPause; ; wait = min(2*wait, lastPause) {
		seen, err := p.look(ctx, p.zone, p.owners, 0)
		if err != nil {
			return nil, err
		}
		missing, extra := lacking(aims, seen)
		if len(missing)+len(extra) == 0 || len(vanished(aims, seen)) > 0 || failed != nil && !Temporary(failed) || p.now().After(deadline) {
			return seen, nil
		}
		if err := p.pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// write does what is missing, or, if nothing is, what is too much.
func (p *passage) write(ctx context.Context, seen *contents, missing, extra []held) error {
	p.careful.zone(p.zone).last = nil
	if api, ok := p.client.(wholes); ok {
		return inParts(exchanges(seen, missing, extra), p.batch, func(part []exchange) error {
			return p.call(ctx, func(ctx context.Context) error { return api.replace(ctx, p.zone, part) })
		})
	}
	api, ok := p.client.(pieces)
	if !ok {
		return errors.New("this provider can only be read")
	}
	do, records := api.add, missing
	if len(missing) == 0 {
		do, records = api.remove, extra
	}
	return inParts(records, p.batch, func(part []held) error {
		return p.call(ctx, func(ctx context.Context) error { return do(ctx, p.zone, part) })
	})
}

func (p *passage) call(ctx context.Context, do func(context.Context) error) error {
	_, err := contained(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, do(ctx) })
	return err
}

// inParts hands a list on in parts of at most size.
func inParts[T any](list []T, size int, do func([]T) error) error {
	if size <= 0 {
		size = max(len(list), 1)
	}
	for part := range slices.Chunk(list, size) {
		if err := do(part); err != nil {
			return err
		}
	}
	return nil
}

// lacking gives the records that are to be added, with their TTL, and, if that
// is none, those that are to be removed.
func lacking(aims []aim, seen *contents) (missing, extra []held) {
	for _, a := range aims {
		there := seen.held[a.owner]
		ttl := a.ttl
		if set, made := seen.set(a.owner); !made && set.TTL > 0 {
			ttl = set.TTL
		}
		// What servers make from a wildcard would vanish with the first record
		// of the name itself (RFC 1034, Section 4.3.3), so it comes along.
		for _, r := range slices.Concat(a.live, a.add) {
			if !slices.ContainsFunc(there, func(h held) bool { return h.record == r }) {
				missing = append(missing, held{owner: a.owner, ttl: ttl, record: r})
			}
		}
		for _, h := range there {
			if slices.Contains(a.gone, h.record) {
				extra = append(extra, h)
			}
		}
	}
	if len(missing) > 0 {
		return missing, nil
	}
	return nil, extra
}

// vanished names the live records that the provider does not show any more.
func vanished(aims []aim, seen *contents) (lost []string) {
	for _, a := range aims {
		if a.made {
			continue // they never stood there
		}
		for _, r := range a.live {
			if !slices.ContainsFunc(seen.held[a.owner], func(h held) bool { return h.record == r }) {
				lost = append(lost, r.Short()+" at "+a.owner)
			}
		}
	}
	return lost
}

// damaged is the error of a provider that lost live records.
func damaged(lost []string) error {
	if len(lost) == 0 {
		return nil
	}
	slices.Sort(lost)
	return temporary(hinted(fmt.Errorf("%w: %s; it was put back", ErrDamage, strings.Join(slices.Compact(lost), ", ")),
		"somebody else changes this zone at the same time, or the provider does not keep what it holds"))
}

// difference says what a zone does not show yet.
func difference(missing, extra []held) string {
	if len(missing) > 0 {
		return fmt.Sprintf("it does not show %s at %s", missing[0].record.Short(), missing[0].owner)
	}
	return fmt.Sprintf("it still shows %s at %s", extra[0].record.Short(), extra[0].owner)
}

// exchanges makes whole RRsets of single records.
func exchanges(seen *contents, missing, extra []held) []exchange {
	var out []exchange
	for _, h := range slices.Concat(missing, extra) {
		i := slices.IndexFunc(out, func(e exchange) bool { return e.owner == h.owner })
		if i < 0 {
			i = len(out)
			one := exchange{owner: h.owner, ttl: h.ttl, before: seen.held[h.owner]}
			for _, b := range one.before {
				one.after = append(one.after, b.record)
			}
			out = append(out, one)
		}
		if len(missing) > 0 {
			out[i].after = append(out[i].after, h.record)
		} else {
			out[i].after = slices.DeleteFunc(out[i].after, func(r dane.Record) bool { return r == h.record })
		}
	}
	for i := range out {
		out[i].after = dane.SortRecords(out[i].after)
	}
	return out
}
