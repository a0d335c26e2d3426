package dane

import "slices"

// RRset is the TLSA RRset of one owner name, as a DNS server or a provider's
// API shows it. No records means: there is no such RRset.
type RRset struct {
	Owner   string   // absolute and lower case: "_25._tcp.mx1.example.com."
	TTL     uint32   // seconds, one for all records (RFC 2181, Section 5.2)
	Records []Record // sorted, without duplicates
}

// Change adds and removes single records of one owner. Records that it does
// not name are kept. Applying a change twice is the same as applying it once.
type Change struct {
	Owner  string   // absolute and lower case
	TTL    uint32   // seconds; used when the RRset does not exist yet, else the RRset keeps its own
	Add    []Record // in the order in which they must appear, where records can only be added one by one
	Remove []Record
}

// Apply gives the records of an RRset after the change, sorted.
func (c Change) Apply(records []Record) []Record {
	var out []Record
	for _, r := range records {
		if !slices.Contains(c.Remove, r) {
			out = append(out, r)
		}
	}
	return SortRecords(append(out, c.Add...))
}
