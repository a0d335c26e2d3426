package dane

import (
	"strings"
	"testing"
)

// BenchmarkMatch asks again and again about one chain, as a rollover does.
func BenchmarkMatch(b *testing.B) {
	root := issue(b, "root", nil, nil)
	leaf := issueLeaf(b, root, nil)
	c := chainOf(b, leaf, root)
	next := recordOf(b, "3 1 1", root)
	for _, params := range []string{"3 1 1", "2 1 1", "3 1 1,2 1 1"} {
		records := []Record{next}
		for spec := range strings.SplitSeq(params, ",") {
			signer := map[byte]*made{'2': root, '3': leaf}[spec[0]]
			records = append(records, recordOf(b, spec, signer))
		}
		o := sender()
		b.Run("Match/"+params, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if Match(records, c, o).Verdict != Authenticated {
					b.Fatal("not authenticated")
				}
			}
		})
		if params == "2 1 1" {
			continue // the key of the next leaf alone rejects
		}
		b.Run("Rejects/"+params, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if len(Rejects(records, c, o)) > 0 {
					b.Fatal("rejected")
				}
			}
		})
	}
}

func BenchmarkNewChain(b *testing.B) {
	root := issue(b, "root", nil, nil)
	leaf := issueLeaf(b, root, nil)
	b.ReportAllocs()
	for b.Loop() {
		c, err := NewChain(leaf.Raw, root.Raw)
		if err != nil || c.KeyID() == "" {
			b.Fatal(err)
		}
	}
}
