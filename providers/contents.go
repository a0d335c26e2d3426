package providers

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// item is one record of a zone as a provider's API lists it. Clients give all
// records that they are told of, of whatever type: the others say where no
// TLSA record can stand.
type item struct {
	owner  string // with or without the final dot, in any case
	kind   string // "TLSA", "CNAME"
	ttl    uint32 // seconds
	data   string // presentation form; of TLSA records and targets only
	handle any    // what the client needs to find this record again: an id, or the record as it was listed
}

// held is one TLSA record that a provider holds, or is to hold.
type held struct {
	owner  string // canonical
	ttl    uint32 // seconds, above 0
	record dane.Record
	handle any // of the item it was read from; nil in records to be added
}

// contents is a zone as a provider listed it.
type contents struct {
	zone  string
	held  map[string][]held   // TLSA records by owner
	kinds map[string][]string // types by owner; owners of nothing that have names below them are there too
	to    map[string]string   // targets of aliases
	odd   map[string]error    // owners of a TLSA record that cannot be read
	taken time.Time
}

// newContents sorts what a client listed. Names outside of the zone do not
// count: some APIs list what is below a name.
func newContents(zone string, items []item, now time.Time) *contents {
	c := &contents{zone: zone, held: map[string][]held{}, kinds: map[string][]string{}, to: map[string]string{}, odd: map[string]error{}, taken: now}
	for _, it := range items {
		owner := strings.ToLower(strings.TrimSuffix(it.owner, ".")) + "."
		if owner != zone && !strings.HasSuffix(owner, "."+zone) {
			continue
		}
		kind := strings.ToUpper(it.kind)
		c.kinds[owner] = append(c.kinds[owner], kind)
		for name := parent(owner); len(name) > len(zone) && c.kinds[name] == nil; name = parent(name) {
			c.kinds[name] = []string{}
		}
		switch kind {
		case "CNAME", "DNAME":
			c.to[owner] = strings.ToLower(it.data)
		case "TLSA":
			r, err := dane.Parse(strings.Trim(it.data, `"`))
			if err != nil {
				c.odd[owner] = err
				continue
			}
			c.held[owner] = append(c.held[owner], held{owner: owner, ttl: it.ttl, record: r, handle: it.handle})
		}
	}
	return c
}

// parent gives the name above a name.
func parent(name string) string {
	_, above, _ := strings.Cut(name, ".")
	return above
}

// set gives the RRset at an owner as servers show it. made: servers make it
// from a wildcard, and the provider holds nothing at the owner itself.
func (c *contents) set(owner string) (set dane.RRset, made bool) {
	set.Owner = owner
	records := c.held[owner]
	if _, exists := c.kinds[owner]; !exists {
		records, made = c.held[c.wildcard(owner)], true
	}
	for _, h := range records {
		set.Records = append(set.Records, h.record)
		set.TTL = max(set.TTL, h.ttl)
	}
	set.Records = dane.SortRecords(set.Records)
	return set, made && len(set.Records) > 0
}

// wildcard gives the wildcard that servers answer from at a name that does not
// exist: the one right below its closest encloser (RFC 4592, Section 3.3.1).
func (c *contents) wildcard(owner string) string {
	for name := parent(owner); len(name) >= len(c.zone); name = parent(name) {
		if _, exists := c.kinds[name]; exists || name == c.zone {
			return "*." + name
		}
	}
	return ""
}

// obstacle says why no TLSA record can stand at an owner, "" if one can.
func (c *contents) obstacle(owner string) string {
	if slices.Contains(c.kinds[owner], "CNAME") {
		return "it is a CNAME to " + c.to[owner]
	}
	for name := owner; len(name) > len(c.zone); name = parent(name) {
		if slices.Contains(c.kinds[name], "NS") {
			return "it belongs to the zone " + name + ", which has name servers of its own"
		}
	}
	for name := parent(owner); len(name) >= len(c.zone); name = parent(name) {
		if slices.Contains(c.kinds[name], "DNAME") {
			return "it lies below " + name + ", which is a DNAME to " + c.to[name]
		}
	}
	if _, exists := c.kinds[owner]; !exists && slices.Contains(c.kinds[c.wildcard(owner)], "CNAME") {
		return "the wildcard " + c.wildcard(owner) + " makes it a CNAME"
	}
	return ""
}

// sets gives the RRsets of owners as package dane knows them, without records
// where none can stand.
func (c *contents) sets(owners []string) ([]dane.RRset, error) {
	out := make([]dane.RRset, len(owners))
	for i, owner := range owners {
		out[i].Owner = owner
		if c.obstacle(owner) != "" {
			continue
		}
		if err := c.odd[owner]; err != nil {
			return nil, fmt.Errorf("%s: the provider lists a TLSA record that cannot be read: %w", owner, err)
		}
		out[i], _ = c.set(owner)
	}
	return out, nil
}
