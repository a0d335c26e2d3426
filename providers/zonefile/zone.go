package zonefile

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/dane"
)

// Open gives the text of a file by its absolute path.
type Open func(path string) ([]byte, error)

// Zone is what a zone file says, with everything that it includes.
type Zone struct {
	name string
	file string
	soa  *dns.SOA

	records map[string]int  // canonical text of a record, the SOA left out, and how often it stands there
	names   map[string]bool // that exist, also those that only have names below them
	tlsa    map[string]dane.RRset
	cnames  map[string]string // owner -> target
	dnames  map[string]bool
	cuts    map[string]bool // names below the zone's own that have NS records
}

// Load reads a zone (absolute and lower case) from its file. What the file
// includes is read through open, too. Errors are *Error, or what open gave for
// the file itself.
func Load(file, zone string, open Open) (*Zone, error) {
	text, err := open(file)
	if err != nil {
		return nil, err
	}
	z := &Zone{name: zone, file: file, records: map[string]int{}, names: map[string]bool{zone: true},
		tlsa: map[string]dane.RRset{}, cnames: map[string]string{}, dnames: map[string]bool{}, cuts: map[string]bool{}}
	parser := dns.NewZoneParser(bytes.NewReader(text), zone, file)
	parser.SetIncludeAllowed(true)
	parser.SetIncludeFS(files(open))
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		if err := z.add(rr); err != nil {
			return nil, err
		}
	}
	if err := parser.Err(); err != nil {
		return nil, parseError(file, err)
	}
	if z.soa == nil {
		return nil, &Error{File: file, Problem: "there is no SOA record of " + zone + " in it", Advice: "name the file of the whole zone"}
	}
	return z, nil
}

// add takes in one record.
func (z *Zone) add(rr dns.RR) error {
	owner := strings.ToLower(rr.Header().Name)
	for name := owner; !z.names[name] && len(name) > len(z.name); name = parent(name) {
		z.names[name] = true
	}
	switch rr := rr.(type) {
	case *dns.SOA:
		if z.soa != nil || owner != z.name {
			return &Error{File: z.file, Problem: "there is more than the one SOA record of " + z.name + " in it", Advice: "have one file for each zone"}
		}
		z.soa = rr
		return nil
	case *dns.RRSIG:
		return &Error{File: z.file, Problem: "there are signatures (RRSIG) in it: a signer or a server wrote it",
			Advice: "name the file that the signer reads, or use the provider rfc2136"}
	case *dns.CNAME:
		z.cnames[owner] = strings.ToLower(rr.Target)
	case *dns.DNAME:
		z.dnames[owner] = true
	case *dns.NS:
		if owner != z.name {
			z.cuts[owner] = true
		}
	case *dns.TLSA:
		return z.addTLSA(owner, rr)
	}
	z.records[rr.String()]++
	return nil
}

func (z *Zone) addTLSA(owner string, rr *dns.TLSA) error {
	data, err := hex.DecodeString(rr.Certificate)
	if err != nil {
		return &Error{File: z.file, Problem: "the TLSA record of " + owner + ": its data are not pairs of hex digits: " + strconv.Quote(rr.Certificate)}
	}
	r := dane.NewRecord(dane.Params{Usage: dane.Usage(rr.Usage), Selector: dane.Selector(rr.Selector), Matching: dane.Matching(rr.MatchingType)}, data)
	set := z.tlsa[owner]
	set.Owner = owner
	set.Records = dane.SortRecords(append(set.Records, r))
	// RFC 2181, Section 5.2: one TTL for all. Where a file breaks that, the
	// longest may be what somebody holds.
	set.TTL = max(set.TTL, rr.Hdr.Ttl)
	z.tlsa[owner] = set
	z.records[Line{Owner: owner, TTL: rr.Hdr.Ttl, Record: r}.String()]++
	return nil
}

// RRset gives the TLSA RRset that a server shows at an owner name, without
// records if there is none.
func (z *Zone) RRset(owner string) dane.RRset {
	set := z.tlsa[z.source(owner)]
	return dane.RRset{Owner: owner, TTL: set.TTL, Records: slices.Clone(set.Records)}
}

// Holds says whether a record stands at the owner name itself.
func (z *Zone) Holds(owner string, r dane.Record) bool {
	return slices.Contains(z.tlsa[owner].Records, r)
}

// source gives the name whose records a server shows at an owner name: itself,
// or the wildcard beside it if it does not exist (RFC 1034, Section 4.3.3).
func (z *Zone) source(owner string) string {
	name := owner
	for !z.names[name] && len(name) > len(z.name) {
		name = parent(name)
	}
	if name == owner {
		return owner
	}
	return "*." + name
}

// Obstacle says why no TLSA record can stand at an owner name, "" if nothing
// is in the way: the name is an alias (RFC 1034, Section 3.6.2), lies below a
// DNAME (RFC 6672, Section 2.4), or belongs to a zone of its own (RFC 1034,
// Section 4.2.1).
func (z *Zone) Obstacle(owner string) string {
	if target, ok := z.cnames[z.source(owner)]; ok {
		return "it is a CNAME to " + target
	}
	for name := owner; len(name) > len(z.name); name = parent(name) {
		if z.cuts[name] {
			return "it belongs to the zone " + name + ", which has name servers of its own"
		}
		if above := parent(name); z.dnames[above] {
			return "it lies below the DNAME at " + above
		}
	}
	return ""
}

func parent(name string) string {
	_, rest, _ := strings.Cut(name, ".")
	if rest == "" {
		return "."
	}
	return rest
}

// Differs says how the zone differs from what it was before in any other way
// than the edit meant; nil: in no other way.
func (z *Zone) Differs(before *Zone, e Edit) error {
	want := maps.Clone(before.records)
	for _, l := range e.Remove {
		want[l.String()]--
	}
	for _, l := range e.Add {
		want[l.String()]++
	}
	var problems []string
	for _, text := range slices.Sorted(maps.Keys(want)) {
		if n := want[text]; n > z.records[text] {
			problems = append(problems, "- "+text)
		}
	}
	for _, text := range slices.Sorted(maps.Keys(z.records)) {
		if n := z.records[text]; n > want[text] {
			problems = append(problems, "+ "+text)
		}
	}
	problems = append(problems, z.soaDiffers(before, e)...)
	if len(problems) == 0 {
		return nil
	}
	return &Error{File: z.file, Problem: "the edit would change more than it should: " + clean(problems[0]),
		Advice: "move the marks to the end of the file, so that no record depends on the one before them"}
}

// soaDiffers compares the SOA records: only the serial may have changed, and
// only as the edit says.
func (z *Zone) soaDiffers(before *Zone, e Edit) []string {
	want := dns.Copy(before.soa).(*dns.SOA)
	if e.Serial != nil {
		want.Serial = *e.Serial
		if !Newer(want.Serial, before.soa.Serial) {
			return []string{fmt.Sprintf("+ serial %d, which does not follow %d", want.Serial, before.soa.Serial)}
		}
	}
	if z.soa.String() == want.String() {
		return nil
	}
	return []string{"+ " + z.soa.String()}
}

// clean makes the text of a record fit to be shown on one line.
func clean(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 120 {
		text = strings.ToValidUTF8(text[:120], "") + "…"
	}
	return text
}

// parseError brings an error of the parser into the form of Error. The parser
// ends its messages with "at line: 3:14".
func parseError(file string, err error) *Error {
	e := &Error{File: file, Problem: err.Error(), Advice: "a name server would not read it either; see what its own check says"}
	if errors.Is(err, fs.ErrNotExist) {
		e.Advice = "relative names in $INCLUDE are looked for beside the file; write absolute ones"
	}
	text, position, found := strings.Cut(e.Problem, " at line: ")
	line, _, _ := strings.Cut(position, ":")
	n, bad := strconv.Atoi(line)
	if !found || bad != nil {
		return e
	}
	if name, rest, ok := strings.Cut(text, ": dns: "); ok {
		e.File, text = "/"+strings.TrimPrefix(name, "/"), rest
	}
	e.Line, e.Problem = n, text
	return e
}

// files lets the parser read included files through an Open. The parser asks
// for absolute paths without the first slash.
type files Open

// Open gives a text as a file.
func (open files) Open(name string) (fs.File, error) {
	name = path.Join("/", name)
	text, err := open(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return file{bytes.NewReader(text)}, nil
}

// file is a text as an fs.File, as far as the parser needs one.
type file struct{ *bytes.Reader }

func (f file) Stat() (fs.FileInfo, error) { return nil, fs.ErrInvalid }
func (f file) Close() error               { return nil }
