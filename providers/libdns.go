package providers

import (
	"context"
	"strings"
	"time"

	"github.com/libdns/libdns"
)

// module is what the libdns modules have in common.
type module interface {
	libdns.RecordGetter
	libdns.RecordAppender
	libdns.RecordDeleter
}

// libdnsClient makes a client of a libdns module that adds and deletes single
// records right. It never calls SetRecords, which most modules get wrong.
type libdnsClient struct {
	module
	undotted bool // the module wants zones without the final dot
}

// read implements client. The record as it was listed is the handle: modules
// that compare text delete only what looks exactly as they gave it.
func (l libdnsClient) read(ctx context.Context, zone string, _ []string) (items []item, err error) {
	err = troubled(ctx, func(ctx context.Context) error {
		records, err := l.GetRecords(ctx, l.zone(zone))
		for _, r := range records {
			rr := r.RR()
			items = append(items, item{owner: absolute(rr.Name, zone), kind: rr.Type, ttl: uint32(min(rr.TTL/time.Second, 1<<31-1)), data: rr.Data, handle: r})
		}
		return err
	})
	return items, err
}

// add implements pieces.
func (l libdnsClient) add(ctx context.Context, zone string, records []held) error {
	return troubled(ctx, func(ctx context.Context) error {
		_, err := l.AppendRecords(ctx, l.zone(zone), asLibdns(zone, records))
		return err
	})
}

// remove implements pieces.
func (l libdnsClient) remove(ctx context.Context, zone string, records []held) error {
	return troubled(ctx, func(ctx context.Context) error {
		_, err := l.DeleteRecords(ctx, l.zone(zone), asLibdns(zone, records))
		return err
	})
}

func (l libdnsClient) zone(name string) string {
	if l.undotted {
		return strings.TrimSuffix(name, ".")
	}
	return name
}

// asLibdns gives records as libdns knows them, those that were read as they
// were read.
func asLibdns(zone string, records []held) []libdns.Record {
	out := make([]libdns.Record, len(records))
	for i, h := range records {
		if r, ok := h.handle.(libdns.Record); ok {
			out[i] = r
			continue
		}
		out[i] = libdns.RR{Name: relative(h.owner, zone), TTL: time.Duration(h.ttl) * time.Second, Type: "TLSA", Data: h.record.String()}
	}
	return out
}

// absolute gives the name that a provider writes relative to its zone, "@" or
// "" for the zone itself. Names that are absolute already stay.
func absolute(name, zone string) string {
	lower := strings.ToLower(name)
	switch {
	case name == "@" || name == "":
		return zone
	case strings.HasSuffix(lower, "."+zone) || lower == zone:
		return lower
	case strings.HasSuffix(lower+".", "."+zone) || lower+"." == zone:
		return lower + "."
	}
	return lower + "." + zone
}
