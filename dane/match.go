package dane

import (
	"fmt"
	"slices"
	"time"
)

// Options say who the sender is and when it looks. They matter to DANE-TA only.
type Options struct {
	Names []string  // reference identifiers for DANE-TA: the TLSA base domain first, then the next-hop domain (RFC 7672, Section 3.2.2)
	Now   time.Time // the time at which certificates under DANE-TA must be valid
}

// Verdict is what a sender does with a chain.
type Verdict int

// The verdicts (RFC 7672, Section 2.2).
const (
	NotUsable        Verdict = iota // no usable record: TLS is a must, without authentication
	Authenticated                   // a record matches: deliver
	NotAuthenticated                // no record matches: do not deliver
)

// String gives the verdict in words.
func (v Verdict) String() string {
	switch v {
	case NotUsable:
		return "not usable"
	case Authenticated:
		return "authenticated"
	case NotAuthenticated:
		return "not authenticated"
	}
	return fmt.Sprintf("Verdict(%d)", int(v))
}

// Status is what became of one record.
type Status int

// What can become of a record.
const (
	Unmatched Status = iota // usable, and does not match
	Matched                 // authenticates the chain
	Unusable                // has no meaning, or none on port 25: passed over
	Outranked               // passed over because of a stronger digest
)

// String gives the status in one word.
func (s Status) String() string {
	switch s {
	case Unmatched:
		return "unmatched"
	case Matched:
		return "matched"
	case Unusable:
		return "unusable"
	case Outranked:
		return "outranked"
	}
	return fmt.Sprintf("Status(%d)", int(s))
}

// RecordResult says what became of one record, and why. Its String and its
// JSON are those of the Record in it.
type RecordResult struct {
	Record
	Status Status
	Depth  int    // of the certificate that matched, or was signed by a bare key that did: 0 for the leaf, 1 for its issuer; -1: none
	Reason string // why the record does not count; empty when it matched
}

// Result is the answer to whether an RRset authenticates a chain.
type Result struct {
	Verdict Verdict
	Records []RecordResult // one for each record, in the order given
}

// Match plays a sender: it judges a chain by the TLSA records of the server, as
// RFC 7671 and RFC 7672 tell SMTP clients to. Where they leave a choice it does
// what OpenSSL, and so Postfix, does; where other senders are known to be
// stricter than OpenSSL (dates and basic constraints of a trust anchor), it is
// as strict. That the records came with DNSSEC is for the caller to know.
func Match(records []Record, c *Chain, o Options) Result {
	j := judge{records: records, chain: c, options: o}
	out := Result{Records: make([]RecordResult, len(records))}
	best := strongest(records)
	for i, r := range records {
		out.Records[i] = j.result(r, best)
		switch out.Records[i].Status {
		case Matched:
			out.Verdict = Authenticated // RFC 6698, Section 4.1: one is enough
		case Unmatched:
			if out.Verdict == NotUsable {
				out.Verdict = NotAuthenticated
			}
		}
	}
	return out
}

// Rejects is the strict test for publishers: every usage, selector and matching
// type combination must match on its own, since a sender may know only one of
// them (RFC 7671, Section 8). It gives one entry, of the first such record, for
// each usable combination that has no matching record. No entry means that
// every combination matches, or that no record is usable.
func Rejects(records []Record, c *Chain, o Options) []RecordResult {
	j := judge{records: records, chain: c, options: o}
	var out []RecordResult
	for i, r := range records {
		if unusable(r) != "" || slices.ContainsFunc(records[:i], r.sibling) {
			continue
		}
		if first := j.judge(r); first.Status != Matched && !j.matchesAny(records[i+1:], r.Params) {
			out = append(out, first)
		}
	}
	return out
}

// sibling says whether another usable record is of the same combination.
func (r Record) sibling(s Record) bool { return r.Params == s.Params && unusable(s) == "" }

// unusable says why a record cannot be used on port 25; empty: it can. Such
// records are left out before anything else is looked at (RFC 7671, Section 9).
func unusable(r Record) string {
	switch {
	case !r.Assigned():
		return "its parameters are not known" // RFC 6698, Section 4.1
	case r.Usage == PKIXTA || r.Usage == PKIXEE:
		return "usages PKIX-TA and PKIX-EE are not for SMTP (RFC 7672, Section 3.1.3)"
	}
	switch size := len(r.data); {
	case r.Matching == SHA256 && size != 32, r.Matching == SHA512 && size != 64:
		return fmt.Sprintf("%d octets are not a %s digest", size, matchingWords.word(uint8(r.Matching)))
	case r.Matching == Full && r.Selector == SPKI && !isSPKI([]byte(r.data)):
		return "its data are not a SubjectPublicKeyInfo"
	case r.Matching == Full && r.Selector == Cert && !isCertificate([]byte(r.data)):
		return "its data are not a certificate"
	}
	return ""
}

func isCertificate(der []byte) bool {
	_, err := outlineOf(der)
	return err == nil
}

// digests holds the strongest digest for each usage, DANE-TA and DANE-EE, and
// selector.
type digests [2][2]Matching

// strongest finds the strongest digests among the usable records.
func strongest(records []Record) (d digests) {
	for _, r := range records {
		if unusable(r) == "" {
			best := &d[r.Usage-DANETA][r.Selector]
			*best = max(*best, r.Matching)
		}
	}
	return d
}

// outrank says whether a usable record is to be left alone because the same
// usage and selector has a stronger digest; Full is always looked at (RFC 7671,
// Section 9).
func (d digests) outrank(r Record) bool {
	return r.Matching != Full && r.Matching < d[r.Usage-DANETA][r.Selector]
}

// judge judges the records of an RRset one by one.
type judge struct {
	records []Record
	chain   *Chain
	options Options
	up      *route // from the leaf; nil until DANE-TA needs it
}

// result judges one record of an RRset with these strongest digests.
func (j *judge) result(r Record, best digests) RecordResult {
	if why := unusable(r); why != "" {
		return RecordResult{Record: r, Status: Unusable, Depth: -1, Reason: why}
	}
	if best.outrank(r) {
		return RecordResult{Record: r, Status: Outranked, Depth: -1, Reason: "a SHA2-512 record of the same usage and selector takes its place"}
	}
	return j.judge(r)
}

// judge judges a usable record on its own.
func (j *judge) judge(r Record) RecordResult {
	depth, why := 0, ""
	if r.Usage == DANETA {
		depth, why = j.anchor(r)
	} else if !j.chain.certs[0].has(r) {
		// RFC 7671, Section 5.1: names, dates and issuers play no part.
		why = r.Selector.other()
	}
	if why != "" {
		return RecordResult{Record: r, Status: Unmatched, Depth: -1, Reason: why}
	}
	return RecordResult{Record: r, Status: Matched, Depth: depth}
}

// other says of what the leaf has another one. The words are ready made:
// most records of a rollover do not match, and millions are asked about.
func (s Selector) other() string {
	if s == SPKI {
		return "it describes another key than the leaf's"
	}
	return "it describes another certificate than the leaf"
}

// matchesAny says whether a record of a combination matches.
func (j *judge) matchesAny(records []Record, p Params) bool {
	return slices.ContainsFunc(records, func(r Record) bool {
		return r.Params == p && unusable(r) == "" && j.judge(r).Status == Matched
	})
}

// anchor looks for the trust anchor that a DANE-TA record describes on the way
// up from the leaf, and says at which depth it vouches for the leaf, or why
// nothing does. The leaf itself is not looked at: an anchor is an issuer.
func (j *judge) anchor(r Record) (depth int, why string) {
	if j.up == nil {
		j.up = j.route()
	}
	up := j.up
	for depth := 1; depth < len(up.certs); depth++ {
		if up.certs[depth].has(r) {
			return depth, up.distrust(depth, j.chain, j.options)
		}
	}
	// RFC 7671, Section 5.2.3: a bare key need not be sent if the topmost
	// certificate is signed with it.
	if top := len(up.certs) - 1; r.Matching == Full && r.Selector == SPKI && up.signedByKey(r.data) {
		return top, up.distrust(top, j.chain, j.options)
	}
	return 0, j.astray(r)
}

// route gives the way up from the leaf. Trust anchors that the DNS holds as
// whole certificates need not be sent (RFC 7671, Section 5.2.2). OpenSSL puts
// them before those sent, whichever record it looks at.
func (j *judge) route() *route {
	var anchors []*certificate
	for _, r := range j.records {
		if r.Params == (Params{DANETA, Cert, Full}) {
			if cert, err := newCertificate([]byte(r.data)); err == nil {
				anchors = append(anchors, cert)
			}
		}
	}
	if anchors == nil {
		return j.chain.route(j.options.Now)
	}
	pool := slices.Insert(slices.Clone(j.chain.certs), 1, anchors...)
	return newRoute(pool, climb(pool, j.options.Now))
}

// astray says where the thing that a record describes is, if not on the way up
// from the leaf.
func (j *judge) astray(r Record) string {
	for i, cert := range j.chain.certs {
		if !cert.has(r) {
			continue
		}
		if i == 0 {
			return "it describes the leaf itself, and a trust anchor is an issuer"
		}
		return fmt.Sprintf("it describes certificate %d of those sent, which is no issuer of the leaf", i+1)
	}
	if len(j.chain.certs) == 1 {
		return "only the leaf was sent, and no issuer of it"
	}
	return fmt.Sprintf("none of the %d certificates sent is the one it describes", len(j.chain.certs))
}
