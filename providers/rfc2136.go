package providers

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/libdns/libdns"
	"github.com/libdns/rfc2136"
	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/dane"
)

// The defaults of the provider rfc2136.
const (
	updateTimeout = 10 * time.Second // one question
	updateConfirm = 30 * time.Second // until the server shows what it accepted
)

// maxUpdate bounds the records of one UPDATE message, estimated in octets. A
// message holds 65,535 (RFC 1035, Section 4.2.2); names and the signature
// need room as well.
const maxUpdate = 40000

// updater changes zones by dynamic update (RFC 2136) with TSIG (RFC 8945).
// Writing goes through libdns, one message for each call. Reading asks the
// same server, with the same key so that the same view answers, for the very
// RRset; zone transfers need not be allowed. libdns gives a server two seconds
// to answer an update; a later answer counts as lost, and reading tells.
//
// libdns sends no prerequisites, so a change by somebody else between our
// reading and our writing is not refused by the server. Every update names
// single records, so nothing of theirs is lost; only two writers that each
// remove one of the last two records could together empty an RRset.
type updater struct {
	reader  questioner
	writer  *rfc2136.Provider
	confirm time.Duration
}

// dynamicUpdates describes the provider rfc2136.
func dynamicUpdates() entry {
	return entry{
		name: "rfc2136", open: openRFC2136,
		strategy: "adds and removes single records, all names of a zone in one signed message",
		limits:   "one message holds some 500 records; more take several messages",
		tested:   "BIND 9.18, Knot DNS 3.2",
	}
}

// openRFC2136 reads the settings server, tsig_name, tsig_algorithm,
// tsig_secret, timeout and confirm_timeout.
func openRFC2136(_ Settings, _ []string, o *options) backend {
	server := o.text("server", "", `the address of the primary name server: "192.0.2.1", "192.0.2.1:53" or "[2001:db8::1]:53"`)
	address, err := serverAddress(server)
	if server != "" && err != nil {
		o.fail("server", err, "names are not looked up here; write the address")
	}
	name := o.text("tsig_name", "", "the name of the TSIG key, as in BIND's key statement")
	key, err := canonical(name)
	if name != "" && err != nil {
		o.fail("tsig_name", fmt.Errorf("%q: %w", name, err), "")
	}
	algorithm := strings.ToLower(strings.TrimSuffix(o.text("tsig_algorithm", "hmac-sha256", ""), "."))
	if known := []string{"hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"}; !slices.Contains(known, algorithm) {
		o.fail("tsig_algorithm", fmt.Errorf("there is no algorithm %q", algorithm), "the algorithms are: "+strings.Join(known, ", "))
	}
	secret := o.secret("tsig_secret")
	if _, err := base64.StdEncoding.DecodeString(secret.Reveal()); err != nil {
		o.fail("tsig_secret", errors.New("it is not base64"), "give the value of secret in BIND's key statement alone")
	}
	return &updater{
		reader: questioner{server: address, key: key, algorithm: dns.Fqdn(algorithm), secret: secret, timeout: o.duration("timeout", updateTimeout)},
		writer: &rfc2136.Provider{KeyName: key, KeyAlg: algorithm, Key: secret.Reveal(), Server: address},

		confirm: o.duration("confirm_timeout", updateConfirm),
	}
}

// serverAddress makes "ip:port" of an address with or without a port.
func serverAddress(text string) (string, error) {
	if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return netip.AddrPortFrom(ip, 53).String(), nil
	}
	address, err := netip.ParseAddrPort(text)
	if err != nil || address.Port() == 0 {
		return "", fmt.Errorf("%q is not an IP address with or without a port", text)
	}
	return address.String(), nil
}

// list implements backend.
func (u *updater) list(ctx context.Context, zone string, owners []string) ([]dane.RRset, error) {
	views, err := u.reader.look(ctx, zone, owners)
	if err != nil {
		return nil, err
	}
	sets := make([]dane.RRset, len(views))
	for i, v := range views {
		sets[i] = v.set
	}
	return sets, nil
}

// apply implements backend: it adds, waits until the server shows it, removes,
// and waits again.
func (u *updater) apply(ctx context.Context, zone string, changes []dane.Change) error {
	effects, err := u.effects(ctx, zone, changes)
	if err != nil {
		return err
	}
	var additions, removals []update
	for _, e := range effects {
		// The records that are there go along: if the server made them from a
		// wildcard, the new ones would take their place (RFC 1034, Section 4.3.3).
		// For a record that does exist nothing happens (RFC 2136, Section 3.4.2.2).
		if whole := slices.Concat(e.before, e.add); len(e.add) > 0 {
			additions = append(additions, update{owner: e.owner, ttl: e.ttl, send: whole, shown: whole})
		}
		if len(e.remove) > 0 {
			removals = append(removals, update{owner: e.owner, ttl: e.ttl, send: e.remove, shown: e.after, gone: e.remove})
		}
	}
	if err := u.write(ctx, zone, additions, u.writer.AppendRecords); err != nil {
		return fmt.Errorf("add records: %w", err)
	}
	if err := u.write(ctx, zone, removals, u.writer.DeleteRecords); err != nil {
		return fmt.Errorf("remove records: %w", err)
	}
	return nil
}

// effects works out what is to do and refuses what cannot be done, before
// anything is.
func (u *updater) effects(ctx context.Context, zone string, changes []dane.Change) ([]effect, error) {
	owners := make([]string, len(changes))
	for i, c := range changes {
		owners[i] = c.Owner
	}
	views, err := u.reader.look(ctx, zone, owners)
	if err != nil {
		return nil, err
	}
	var effects []effect
	for i, v := range views {
		if v.obstacle != "" {
			return nil, inTheWay(v.set.Owner, v.obstacle)
		}
		e, err := effectOf(changes[i], v.set)
		if err != nil {
			return nil, err
		}
		if !e.nothing() {
			effects = append(effects, e)
		}
	}
	if len(effects) == 0 {
		return nil, nil
	}
	return effects, u.reader.sameZone(ctx, zone, effects)
}

// update is what one message does at one owner, and what the server must show
// and no longer show when it is done.
type update struct {
	owner       string
	ttl         uint32
	send        []dane.Record
	shown, gone []dane.Record
}

// writing is AppendRecords or DeleteRecords of libdns.
type writing func(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error)

// write sends updates, each batch as one message, which the server takes as a
// whole or not at all (RFC 2136, Section 3.7), and waits until it shows them.
func (u *updater) write(ctx context.Context, zone string, updates []update, send writing) error {
	for _, batch := range batches(updates) {
		var records []libdns.Record
		for _, one := range batch {
			for _, r := range one.send {
				records = append(records, libdns.RR{Name: relative(one.owner, zone), TTL: time.Duration(one.ttl) * time.Second, Type: "TLSA", Data: r.String()})
			}
		}
		_, err := send(ctx, zone, records)
		if definite(err) {
			return explain(u.reader.server, err)
		}
		if err := u.await(ctx, zone, batch, err); err != nil {
			return err
		}
	}
	return nil
}

// batches cuts a list of updates so that each part fits into a message. The
// records of an owner stay together.
func batches(updates []update) [][]update {
	var out [][]update
	size := maxUpdate
	for _, one := range updates {
		cost := 0
		for _, r := range one.send {
			cost += len(one.owner) + len(r.Data()) + 32
		}
		if size+cost > maxUpdate {
			out, size = append(out, nil), 0
		}
		last := len(out) - 1
		out[last], size = append(out[last], one), size+cost
	}
	return out
}

// The pauses between two looks at what a server shows.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
)

// await looks until the server shows the updates. It also settles what became
// of a message whose reply got lost (sent is why): if the server shows it, it
// was done.
func (u *updater) await(ctx context.Context, zone string, updates []update, sent error) error {
	limited, cancel := context.WithTimeout(ctx, u.confirm)
	defer cancel()
	owners := make([]string, len(updates))
	for i, one := range updates {
		owners[i] = one.owner
	}
	var lacking error
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		views, err := u.reader.look(limited, zone, owners)
		if err == nil {
			if err = unshown(views, updates); err == nil {
				return nil
			}
		}
		if limited.Err() == nil || lacking == nil {
			lacking = err // at the deadline, what was seen before says more
		}
		select {
		case <-limited.Done():
			return u.unsettled(cmp.Or(ctx.Err(), sent), lacking)
		case <-time.After(pause):
		}
	}
}

// unsettled is the error of an update that may or may not have been done.
func (u *updater) unsettled(why, lacking error) error {
	if why != nil {
		return temporary(fmt.Errorf("the update was sent to %s, its outcome is unknown: %w (%v)", u.reader.server, why, lacking))
	}
	return temporary(hinted(fmt.Errorf("%s accepted the update, but after %s: %w", u.reader.server, u.confirm, lacking),
		"if the server signs slowly, raise confirm_timeout"))
}

// unshown says what a server does not show yet, nil if it shows all.
func unshown(views []view, updates []update) error {
	for i, one := range updates {
		records := views[i].set.Records
		for _, r := range one.shown {
			if !slices.Contains(records, r) {
				return fmt.Errorf("it does not show %s at %s", r.Short(), one.owner)
			}
		}
		for _, r := range one.gone {
			if slices.Contains(records, r) {
				return fmt.Errorf("it still shows %s at %s", r.Short(), one.owner)
			}
		}
	}
	return nil
}
