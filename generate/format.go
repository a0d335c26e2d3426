package generate

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/tlsamgr/tlsamgr/dane"
)

// Format is a text form of records.
type Format string

// The text forms.
const (
	Zone     Format = "zone"     // _25._tcp.mx1.example.com. 3600 IN TLSA 3 1 1 0b9f…
	RData    Format = "rdata"    // 3 1 1 0b9f…
	Generic  Format = "rfc3597"  // _25._tcp.mx1.example.com. 3600 IN TYPE52 \# 35 0301010b9f…
	Nsupdate Format = "nsupdate" // update add _25._tcp.mx1.example.com. 3600 IN TLSA 3 1 1 0b9f…
	JSON     Format = "json"     // one object for each owner
	OpenSSL  Format = "openssl"  // -dane_tlsa_domain "mx1.example.com" -dane_tlsa_rrdata "3 1 1 0b9f…", for xargs openssl s_client
	Dig      Format = "dig"      // 3 1 1 0B9F… 4D6E, as dig +short prints it
)

// Formats lists all of them.
func Formats() []Format { return []Format{Zone, RData, Generic, Nsupdate, JSON, OpenSSL, Dig} }

// ParseFormat reads the name of a form.
func ParseFormat(name string) (Format, error) {
	var names []string
	for _, f := range Formats() {
		if string(f) == name {
			return f, nil
		}
		names = append(names, string(f))
	}
	return "", fmt.Errorf("there is no form %q, only %s", name, strings.Join(names, ", "))
}

// Append appends the text of a set; ttl is in seconds. A set without an owner
// gives the records' data alone. An unknown form is Zone.
func (f Format) Append(dst []byte, set Set, ttl uint32) []byte {
	return f.append(dst, set, ttl, "", func([]byte) {})
}

// append is Append that reports, after each piece that makes sense alone, what
// has been appended so far: mostly lines. JSON says which file the set is from.
func (f Format) append(dst []byte, set Set, ttl uint32, file string, piece func(dst []byte)) []byte {
	switch f {
	case JSON:
		dst = appendJSON(dst, file, set, ttl)
		piece(dst)
		return dst
	case OpenSSL:
		dst = appendOpenSSL(dst, set)
		piece(dst)
		return dst
	}
	for _, r := range set.Records {
		dst = f.appendLine(dst, set.Owner, ttl, r)
		piece(dst)
	}
	return dst
}

// appendLine appends one record as one line.
func (f Format) appendLine(dst []byte, owner string, ttl uint32, r dane.Record) []byte {
	switch {
	case f == RData, owner == "" && f != Generic && f != Dig:
		dst = appendRData(dst, r)
	case f == Dig:
		dst = appendDig(dst, r)
	case f == Generic:
		dst = appendGeneric(appendOwner(dst, owner, ttl, "TYPE52"), r)
	case f == Nsupdate:
		dst = appendRData(appendOwner(append(dst, "update add "...), owner, ttl, "TLSA"), r)
	default:
		dst = appendRData(appendOwner(dst, owner, ttl, "TLSA"), r)
	}
	return append(dst, '\n')
}

// appendOwner appends all that comes before the data of a record in a zone
// file (RFC 1035, Section 5.1), as far as there is an owner.
func appendOwner(dst []byte, owner string, ttl uint32, kind string) []byte {
	if owner == "" {
		return dst
	}
	dst = append(append(dst, owner...), ' ')
	dst = strconv.AppendUint(dst, uint64(ttl), 10)
	dst = append(dst, " IN "...)
	return append(append(dst, kind...), ' ')
}

// appendRData appends the presentation form: dane.Record.String without its
// allocations.
func appendRData(dst []byte, r dane.Record) []byte {
	return hex.AppendEncode(appendParams(dst, r.Params), r.Data())
}

func appendParams(dst []byte, p dane.Params) []byte {
	for _, n := range [...]uint8{uint8(p.Usage), uint8(p.Selector), uint8(p.Matching)} {
		dst = append(strconv.AppendUint(dst, uint64(n), 10), ' ')
	}
	return dst
}

// appendGeneric appends the form for software that does not know TLSA records
// (RFC 3597, Section 5).
func appendGeneric(dst []byte, r dane.Record) []byte {
	data := r.Data()
	dst = append(dst, `\# `...)
	dst = strconv.AppendInt(dst, int64(3+len(data)), 10)
	dst = append(dst, ' ')
	dst = hex.AppendEncode(dst, []byte{byte(r.Usage), byte(r.Selector), byte(r.Matching)})
	return hex.AppendEncode(dst, data)
}

// digGroup is how many hex digits dig writes in one group.
const digGroup = 56

func appendDig(dst []byte, r dane.Record) []byte {
	dst = appendParams(dst, r.Params)
	digits := strings.ToUpper(hex.EncodeToString(r.Data()))
	for len(digits) > digGroup {
		dst = append(append(dst, digits[:digGroup]...), ' ')
		digits = digits[digGroup:]
	}
	return append(dst, digits...)
}

// appendOpenSSL appends the options of `openssl s_client` for one owner, in
// one line that xargs or a shell takes apart.
func appendOpenSSL(dst []byte, set Set) []byte {
	if host := hostOf(set.Owner); host != "" {
		dst = append(append(append(dst, `-dane_tlsa_domain "`...), host...), `" `...)
	}
	for i, r := range set.Records {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(appendRData(append(dst, `-dane_tlsa_rrdata "`...), r), '"')
	}
	return append(dst, '\n')
}

// hostOf takes the labels of port and protocol off an owner name.
func hostOf(owner string) string {
	_, rest, _ := strings.Cut(owner, ".")
	_, host, _ := strings.Cut(rest, ".")
	return strings.TrimSuffix(host, ".")
}

// setJSON is a set as JSON.
type setJSON struct {
	File    string       `json:"file,omitempty"`
	Owner   string       `json:"owner,omitempty"`
	TTL     uint32       `json:"ttl"`
	Records []recordJSON `json:"records"`
}

type recordJSON struct {
	Usage    dane.Usage    `json:"usage"`
	Selector dane.Selector `json:"selector"`
	Matching dane.Matching `json:"matching_type"`
	Data     string        `json:"data"`
	RData    dane.Record   `json:"rdata"`
}

func appendJSON(dst []byte, file string, set Set, ttl uint32) []byte {
	out := setJSON{File: file, Owner: set.Owner, TTL: ttl, Records: make([]recordJSON, 0, len(set.Records))}
	for _, r := range set.Records {
		out.Records = append(out.Records, recordJSON{r.Usage, r.Selector, r.Matching, hex.EncodeToString(r.Data()), r})
	}
	text, err := json.Marshal(out)
	if err != nil {
		return append(dst, "null"...) // cannot happen: numbers and text
	}
	return append(dst, text...)
}
