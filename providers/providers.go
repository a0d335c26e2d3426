// Package providers makes the TLSA records of a DNS zone readable and
// changeable wherever the zone is: it turns the name of a provider and its
// settings into a Zone.
//
// What a Zone promises is more than most providers' own interfaces do: it adds
// and removes single records and keeps all others, it never empties an RRset,
// it reads back what it wrote, and it keeps the TTL of an RRset that exists.
// Where a provider cannot do that for a name, the Zone refuses.
//
// # How a provider is added
//
// One file for each: an entry (the list in registry has a line for it), an opener that
// reads its settings, and a client that does as little as possible. A client
// lists a zone (client) and either adds and deletes single records (pieces) or
// replaces whole RRsets (wholes). Everything that makes this safe is done by
// newCareful around it: what is to be done, the order, reading back, trying
// again, putting back what got lost. A client therefore gives everything or an
// error, and its errors say what is known: temporary for what may pass,
// errConflict where the zone was not as it was read. HTTP goes through a courier
// (web for JSON, libdnsClient around a libdns module), which bounds time, size
// and rate, and waits when it is told to.
//
// Beside it, in vendortest, a server that behaves like the vendor's, as strict
// as the vendor is, and a test of a dozen lines that calls providerstest.RunVendor:
// the contract and every fault of vendortest.Faults. cloudflare.go,
// vendortest/cloudflare.go and cloudflare_test.go are the example to follow.
//
// # cloudflare
//
// Through an API token with Zone:Read and DNS:Edit for the zones.
//
//	api_token  = { file = "/etc/tlsamgr/cloudflare.token" }
//	zone_token = { file = "…" }   # optional: another token to find the zone with (Zone:Read)
//	timeout         = "30s"       # of one request; all providers with an HTTP API have
//	confirm_timeout = "1m"        # these two: until it shows what it accepted, and for trying again
//
// # rfc2136
//
// Dynamic updates with TSIG, for BIND, Knot DNS, PowerDNS and whatever else
// speaks RFC 2136. The server is asked directly what it shows; it need not
// allow zone transfers.
//
//	server          = "192.0.2.1:53"  # IP address of the primary; port 53 unless given
//	tsig_name       = "tlsamgr"       # of the key, as in BIND's key statement
//	tsig_algorithm  = "hmac-sha256"   # the default; hmac-sha1 -sha224 -sha256 -sha384 -sha512
//	tsig_secret     = { file = "/etc/tlsamgr/tsig.secret" }  # base64, the secret of the key alone
//	timeout         = "10s"           # of one question
//	confirm_timeout = "30s"           # until the server shows what it accepted
//
// # zonefile
//
// Edits the file that a name server loads: between the lines "; BEGIN tlsamgr"
// and "; END tlsamgr", which are added at the end of the file if they are
// missing, or in an included file that holds nothing else. The serial of the
// SOA record follows; every other byte stays. {zone} stands for the name of
// the zone and {file} for the path of its file.
//
//	file    = "/etc/bind/db.{zone}"
//	include = "/etc/bind/tlsamgr.{zone}"                # optional; file must $INCLUDE it
//	check   = ["named-checkzone", "{zone}", "{file}"]   # optional; or a list of such lists
//	reload  = ["rndc", "reload", "{zone}"]              # [] if the server looks for itself
//	timeout = "30s"                                     # of one command
//
// Beside the zone file it keeps hidden files: FILE.tlsamgr-lock, and
// FILE.tlsamgr-old while an edit is under way. It must be able to write to the
// folder.
//
// # Secrets
//
// A secret is a string, { file = "…" } (nobody else may have access to the
// file), { env = "…" }, or { credential = "…" }, which systemd hands over.
package providers

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// Zone is the TLSA RRsets of one account at a provider: of one DNS zone or of
// several. Errors know whether trying again may help: see Temporary.
type Zone interface {
	// List gives one RRset for each owner asked for, in that order, as the
	// provider itself has it, without records where there is none.
	List(ctx context.Context, owners []string) ([]dane.RRset, error)

	// Apply adds and removes single records. Doing it twice is doing it once.
	// Additions are seen at the provider before the first removal. It refuses a
	// change that would leave an RRset empty (ErrLast), a name at which no
	// record can stand (ErrObstacle) and a name outside of its zones
	// (ErrOutside), and then changes nothing in that zone.
	Apply(ctx context.Context, changes []dane.Change) error
}

// Settings are one account at a DNS provider.
type Settings struct {
	Provider string         // a name from Names
	Zones    []string       // the zones to manage, with or without the final dot
	Options  map[string]any // what the provider needs to know, as decoded from TOML

	// Run runs a program without a shell and gives up when ctx ends. The
	// provider zonefile needs it.
	Run func(ctx context.Context, argv []string) error

	// Transport carries the requests to providers with an HTTP API. nil: one
	// with time-outs. Tests put a vendor's server here.
	Transport http.RoundTripper

	Now    func() time.Time                                 // nil: time.Now
	Pause  func(ctx context.Context, d time.Duration) error // waits, or gives the error of ctx; nil: with a timer
	Getenv func(name string) string                         // nil: os.Getenv
}

// opener makes the Zone of one kind of provider. It takes its settings from
// o, which keeps account of what is wrong with them.
type opener func(s Settings, zones []string, o *options) backend

// Open makes a Zone from its settings. It reads secrets but does not talk to
// the provider. Everything that is wrong with the settings is in the error;
// each problem with a setting is an *OptionError.
func Open(s Settings) (Zone, error) {
	found, err := lookUp(s.Provider)
	if err != nil {
		return nil, err
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Getenv == nil {
		s.Getenv = os.Getenv
	}
	if s.Pause == nil {
		s.Pause = pause
	}
	zones, err := zoneNames(s.Zones)
	if err != nil {
		return nil, err
	}
	o := newOptions(s)
	b := found.open(s, zones, o)
	if err := o.err(); err != nil {
		return nil, err
	}
	return &account{zones: zones, backend: b}, nil
}

// lookUp finds a provider by its name. One that is refused says why.
func lookUp(name string) (entry, error) {
	for _, e := range registry() {
		switch {
		case e.name != name:
		case e.open == nil:
			return entry{}, hinted(fmt.Errorf("the provider %s cannot be trusted with TLSA records: %s", name, e.refused), e.instead)
		default:
			return e, nil
		}
	}
	return entry{}, hinted(fmt.Errorf("there is no provider %q", name), "the providers are: "+strings.Join(Names(), ", "))
}

// pause waits, or gives the error of ctx when that ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
