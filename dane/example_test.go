package dane_test

import (
	"encoding/pem"
	"fmt"
	"os"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// load reads a chain; the leaf comes first in the file.
func load(path string) (*dane.Chain, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var der [][]byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		der = append(der, block.Bytes)
	}
	return dane.NewChain(der...)
}

func ExampleParse() {
	r, err := dane.Parse("DANE-EE SPKI SHA2-256 ( 38C0FA6E82B510A32A0B3A360B47B2EC 7527F9F41B40AB7C1044A58CD2AB9C40 )")
	fmt.Println(r, err)
	// Output: 3 1 1 38c0fa6e82b510a32a0b3a360b47b2ec7527f9f41b40ab7c1044a58cd2ab9c40 <nil>
}

func ExampleParseParams() {
	p, err := dane.ParseParams("311")
	fmt.Println(p, "is", p.Words(), err)
	// Output: 3 1 1 is DANE-EE SPKI SHA2-256 <nil>
}

// The records of a chain: of the server's own key, and of the CA that issued
// its certificate.
func ExampleChain_Records() {
	chain, err := load("testdata/verify/V14b-ta-root-in-chain/chain.pem")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range []dane.Params{{Usage: dane.DANEEE, Selector: dane.SPKI, Matching: dane.SHA256}, {Usage: dane.DANETA, Selector: dane.SPKI, Matching: dane.SHA256}} {
		records, err := chain.Records(p)
		fmt.Println(records, err)
	}
	// Output:
	// [3 1 1 8f6a1e34de6f8ae02df1a0e69d76ea39a7c844d73d09054add443f537e5a74de] <nil>
	// [2 1 1 220fe24be50debaf0dded6ccc00d96630c12dbbcb0f22e92ee0562d6e9ac636b] <nil>
}

// A server with the records of its present and its next key: a sender is
// content with either.
func ExampleMatch() {
	chain, err := load("testdata/verify/V31a-current-and-next/chain.pem")
	if err != nil {
		fmt.Println(err)
		return
	}
	var records []dane.Record
	for _, text := range []string{
		"3 1 1 38c0fa6e82b510a32a0b3a360b47b2ec7527f9f41b40ab7c1044a58cd2ab9c40",
		"3 1 1 0b12c2c87e7debf47e4ca02c2921759af36de210e010d52af973335c6ce29ab1",
	} {
		r, err := dane.Parse(text)
		if err != nil {
			fmt.Println(err)
			return
		}
		records = append(records, r)
	}
	result := dane.Match(records, chain, dane.Options{Names: []string{"mx1.example.org"}, Now: time.Now()})
	fmt.Println(result.Verdict)
	for _, r := range result.Records {
		fmt.Printf("%s %s %q\n", r.Short(), r.Status, r.Reason)
	}
	// Output:
	// authenticated
	// 3 1 1 38c0fa6e… matched ""
	// 3 1 1 0b12c2c8… unmatched "it describes another key than the leaf's"
}

// The same server with a record left behind by a CA that it no longer uses:
// mail flows, but senders that know only this combination would not deliver.
func ExampleRejects() {
	chain, err := load("testdata/verify/V31a-current-and-next/chain.pem")
	if err != nil {
		fmt.Println(err)
		return
	}
	old, err := dane.Parse("2 1 1 bbcc411f192538af713c1ea1ae5f7cd174c1eb3651ff5c74d8e852547218e501")
	if err != nil {
		fmt.Println(err)
		return
	}
	own, err := chain.Records(dane.Params{Usage: dane.DANEEE, Selector: dane.SPKI, Matching: dane.SHA256})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range dane.Rejects(append(own, old), chain, dane.Options{Names: []string{"mx1.example.org"}, Now: time.Now()}) {
		fmt.Println(r.Params, r.Reason)
	}
	// Output: 2 1 1 none of the 3 certificates sent is the one it describes
}
