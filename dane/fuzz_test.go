package dane

import (
	"testing"
	"time"
)

// FuzzChain lets a server send any bytes, under any records.
func FuzzChain(f *testing.F) {
	for _, dir := range verifyVectors(f) {
		v := readVector(f, dir)
		certs := append(v.chain.Certificates(), nil, nil)
		for _, r := range v.records[:1] {
			f.Add(certs[0], certs[1], certs[2], uint8(r.Usage), uint8(r.Selector), uint8(r.Matching), r.Data(), vectorTime.Unix())
		}
	}
	f.Fuzz(func(t *testing.T, leaf, ca, root []byte, usage, selector, matching uint8, data []byte, at int64) {
		c, err := NewChain(leaf, ca, root)
		if err != nil {
			if c, err = NewChain(leaf, ca); err != nil {
				if c, err = NewChain(leaf); err != nil {
					return
				}
			}
		}
		o := Options{Names: append(c.Names(), "mx1.example.org"), Now: time.Unix(at, 0)}
		p := Params{Usage(usage), Selector(selector), Matching(matching)}
		records := []Record{NewRecord(p, data)}
		if own, err := c.Records(p); err == nil {
			records = append(records, own...)
		}
		result := Match(records, c, o)
		rejects := Rejects(records, c, o)
		switch result.Verdict {
		case Authenticated, NotUsable:
			if len(rejects) > 0 {
				t.Errorf("%s, but one combination rejects: %+v", result.Verdict, rejects)
			}
		case NotAuthenticated:
			if len(rejects) != 1 {
				t.Errorf("%s, but %d combinations reject", result.Verdict, len(rejects))
			}
		}
		own, err := c.Records(Params{DANEEE, SPKI, SHA256})
		if err != nil || Match(own, c, o).Verdict != Authenticated {
			t.Errorf("the chain does not match its own record %v, %v", own, err)
		}
	})
}
