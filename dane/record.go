// Package dane holds the ground everything else stands on: the TLSA record as
// a value, the chain a server presents, and the rules by which a sender
// decides whether the one authenticates the other (RFC 6698, RFC 7671,
// RFC 7672).
//
// The package is pure: it does no I/O, reads no clock and keeps no state.
package dane

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Usage is the certificate usage field of a TLSA record (RFC 6698, Section 2.1.1).
type Usage uint8

// The certificate usages, by their RFC 7218 names.
const (
	PKIXTA Usage = 0 // PKIX-TA: CA constraint
	PKIXEE Usage = 1 // PKIX-EE: service certificate constraint
	DANETA Usage = 2 // DANE-TA: trust anchor assertion
	DANEEE Usage = 3 // DANE-EE: domain-issued certificate
)

// Selector is the selector field of a TLSA record (RFC 6698, Section 2.1.2).
type Selector uint8

// The selectors, by their RFC 7218 names.
const (
	Cert Selector = 0 // the whole certificate
	SPKI Selector = 1 // its SubjectPublicKeyInfo
)

// Matching is the matching type field of a TLSA record (RFC 6698, Section 2.1.3).
type Matching uint8

// The matching types, by their RFC 7218 names.
const (
	Full   Matching = 0 // no hash: the selected bytes themselves
	SHA256 Matching = 1 // SHA2-256
	SHA512 Matching = 2 // SHA2-512
)

// MaxRecords is the largest number of records an RRset may hold before large
// senders are known to fail on it; WarnRecords is where to start saying so.
const (
	MaxRecords  = 12
	WarnRecords = 8
)

// maxData bounds the association data of one record: a DNS message is at most
// 65,535 octets long.
const maxData = 65535 - 3

// ErrSyntax is matched by every error that Parse and ParseParams return.
var ErrSyntax = errors.New("not a TLSA record")

// Params are the three numbers in front of the data: "3 1 1". Two records with
// equal Params form what RFC 7671, Section 8 calls a parameter combination.
type Params struct {
	Usage    Usage
	Selector Selector
	Matching Matching
}

// String gives the three numbers, "3 1 1".
func (p Params) String() string {
	return fmt.Sprintf("%d %d %d", p.Usage, p.Selector, p.Matching)
}

// Words gives the RFC 7218 names, "DANE-EE SPKI SHA2-256".
func (p Params) Words() string {
	return usageWords.word(uint8(p.Usage)) + " " + selectorWords.word(uint8(p.Selector)) + " " + matchingWords.word(uint8(p.Matching))
}

// Assigned says whether all three numbers have a meaning (RFC 6698, Section 7).
func (p Params) Assigned() bool {
	return p.Usage <= DANEEE && p.Selector <= SPKI && p.Matching <= SHA512
}

// Compare orders Params by usage (DANE-EE first), selector and matching type.
func (p Params) Compare(q Params) int {
	return cmp.Or(-cmp.Compare(p.Usage, q.Usage), -cmp.Compare(p.Selector, q.Selector), cmp.Compare(p.Matching, q.Matching))
}

// MarshalText gives the three numbers.
func (p Params) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText accepts what ParseParams accepts.
func (p *Params) UnmarshalText(text []byte) (err error) {
	*p, err = ParseParams(string(text))
	return err
}

// Record is one TLSA record: its parameters and the raw association data. It
// is comparable, so records can be map keys and can be compared with ==; no
// two spellings of one record differ.
type Record struct {
	Params
	data string // raw bytes, never hex
}

// NewRecord makes a record from its parameters and raw association data. It
// accepts parameters and lengths that have no meaning, because the DNS may
// hold them; Match tells which they are.
func NewRecord(p Params, data []byte) Record {
	return Record{Params: p, data: string(data)}
}

// Data returns a copy of the raw association data.
func (r Record) Data() []byte { return []byte(r.data) }

// String gives the canonical presentation form: three numbers and the data as
// lower-case hex in one group (RFC 6698, Section 2.2; RFC 8460, Section 4.5
// wants no inner spaces). A record without data, which the DNS may hold, has
// only the generic form (RFC 3597, Section 5).
func (r Record) String() string {
	if r.data == "" {
		return fmt.Sprintf(`\# 3 %02x%02x%02x`, uint8(r.Usage), uint8(r.Selector), uint8(r.Matching))
	}
	return r.Params.String() + " " + hex.EncodeToString([]byte(r.data))
}

// Short is String with long data cut to its first eight digits, for people.
func (r Record) Short() string {
	if len(r.data) <= 6 {
		return r.String()
	}
	return r.Params.String() + " " + hex.EncodeToString([]byte(r.data[:4])) + "…"
}

// Compare orders records by parameters, then by data.
func (r Record) Compare(s Record) int {
	return cmp.Or(r.Params.Compare(s.Params), cmp.Compare(r.data, s.data))
}

// MarshalText gives String.
func (r Record) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText accepts what Parse accepts.
func (r *Record) UnmarshalText(text []byte) (err error) {
	*r, err = Parse(string(text))
	return err
}

// SortRecords sorts records into canonical order and drops duplicates (an
// RRset holds each record once: RFC 2181, Section 5). It changes its argument.
func SortRecords(records []Record) []Record {
	slices.SortFunc(records, Record.Compare)
	return slices.Compact(records)
}

// registry holds the words for the values of one field (RFC 7218, Section 2).
type registry struct {
	field   string
	words   []string // by value, from 0
	private string   // the word for 255
}

var (
	usageWords    = registry{"usage", []string{"PKIX-TA", "PKIX-EE", "DANE-TA", "DANE-EE"}, "PrivCert"}
	selectorWords = registry{"selector", []string{"Cert", "SPKI"}, "PrivSel"}
	matchingWords = registry{"matching type", []string{"Full", "SHA2-256", "SHA2-512"}, "PrivMatch"}
)

// word gives the word for a value, or the number where there is none.
func (r registry) word(n uint8) string {
	switch {
	case int(n) < len(r.words):
		return r.words[n]
	case n == 255:
		return r.private
	}
	return strconv.Itoa(int(n))
}
