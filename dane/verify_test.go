package dane

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// vectorTime is when the verify vectors were made; those that must be valid
// are so from 2024 to 2044.
var vectorTime = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// vector is one of testdata/verify: a chain, an RRset, and what OpenSSL makes
// of them.
type vector struct {
	Title        string
	BaseDomain   string   `json:"base_domain"`
	ReferenceIDs []string `json:"reference_ids"`
	Expect       string
	Matched      []int
	Arbiters     map[string]struct{ Verdict, Detail string }

	chain   *Chain
	records []Record
}

func (v vector) options() Options {
	return Options{Names: append([]string{v.BaseDomain}, v.ReferenceIDs...), Now: vectorTime}
}

func readVector(t testing.TB, dir string) vector {
	t.Helper()
	var v vector
	if err := json.Unmarshal(readFile(t, filepath.Join(dir, "vector.json")), &v); err != nil {
		t.Fatal(err)
	}
	var err error
	if v.chain, err = NewChain(readPEM(t, filepath.Join(dir, "chain.pem"))...); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(readFile(t, filepath.Join(dir, "tlsa.txt")))) {
		r, err := Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		v.records = append(v.records, r)
	}
	return v
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// readPEM gives the certificates of a PEM file as DER.
func readPEM(t testing.TB, path string) (der [][]byte) {
	t.Helper()
	for rest := readFile(t, path); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return der
		}
		if block.Type == "CERTIFICATE" {
			der = append(der, block.Bytes)
		}
	}
}

func verifyVectors(t testing.TB) []string {
	t.Helper()
	dirs, err := filepath.Glob("testdata/verify/V*")
	if err != nil || len(dirs) != 51 {
		t.Fatalf("%d verify vectors, want 51 (%v)", len(dirs), err)
	}
	return dirs
}

func TestVerifyVectors(t *testing.T) {
	words := map[Verdict]string{Authenticated: "authenticated", NotAuthenticated: "not-authenticated", NotUsable: "tls-required-unauthenticated"}
	for _, dir := range verifyVectors(t) {
		v := readVector(t, dir)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			result := Match(v.records, v.chain, v.options())
			if got := words[result.Verdict]; got != v.Expect {
				t.Errorf("%s: %s, want %s", v.Title, got, v.Expect)
			}
			var matched []int
			for i, r := range result.Records {
				t.Logf("%s: %s at depth %d: %s", r.Short(), r.Status, r.Depth, r.Reason)
				if (r.Status == Matched) != (r.Reason == "") || (r.Status == Matched) != (r.Depth >= 0) {
					t.Errorf("record %d: status %s, depth %d, reason %q", i, r.Status, r.Depth, r.Reason)
				}
				if r.Status == Matched {
					matched = append(matched, i)
				}
			}
			if diff := cmp.Diff(v.Matched, matched); diff != "" {
				t.Errorf("records that match (-want +got):\n%s", diff)
			}
			checkDepth(t, v, result)
		})
	}
}

// checkDepth compares with the depth at which OpenSSL found its match.
func checkDepth(t *testing.T, v vector, result Result) {
	t.Helper()
	detail := v.Arbiters["openssl"].Detail
	var p Params
	var depth int
	if n, _ := fmt.Sscanf(detail, "match=%d %d %d depth=%d", &p.Usage, &p.Selector, &p.Matching, &depth); n != 4 {
		return
	}
	for _, r := range result.Records {
		if r.Status == Matched && r.Params == p && r.Depth == depth {
			return
		}
	}
	t.Errorf("OpenSSL says %q, got %+v", detail, result.Records)
}
