package generate_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/generate"
)

// The records of a server that sends its full chain.
func Example() {
	source, err := generate.Read("testdata/gen/G25a-chain-2/fullchain.pem")
	if err != nil {
		log.Fatal(err)
	}
	result, err := source.Records(generate.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, set := range result.Sets {
		fmt.Println(set.Owner)
		for _, r := range set.Records {
			fmt.Println(" ", r.Short())
		}
	}
	// Output:
	// _25._tcp.mx1.example.org.
	//   3 1 1 9f66683b…
	//   2 1 1 158f963b…
	//   2 1 1 61121c44…
	//   2 1 1 196e511c…
}

// The next key is announced before there is a certificate for it.
func ExampleParse() {
	request, err := os.ReadFile("testdata/gen/G40b-next-key/next.csr")
	if err != nil {
		log.Fatal(err)
	}
	source, err := generate.Parse(request)
	if err != nil {
		log.Fatal(err)
	}
	result, err := source.Records(generate.Options{Hosts: []string{"mx1.example.org"}})
	if err != nil {
		log.Fatal(err)
	}
	for _, set := range result.Sets {
		fmt.Printf("%s", generate.Zone.Append(nil, set, 3600))
	}
	fmt.Println(result.Warnings[0])
	// Output:
	// _25._tcp.mx1.example.org. 3600 IN TLSA 3 1 1 1c43a2f909781fd5ed9948969e0365365a681cda9bb41b079ed0dc612157332d
	// no certificate, only a certificate request: these are the records of a key that is yet to get one
}

func ExampleOwner() {
	owner, err := generate.Owner("MX1.Bücher.example", 25, "tcp")
	fmt.Println(owner, err)
	// Output: _25._tcp.mx1.xn--bcher-kva.example. <nil>
}

// Many files at once, one of them damaged.
func ExampleBatch() {
	batch := &generate.Batch{
		Options: generate.Options{Params: []dane.Params{{Usage: dane.DANEEE, Selector: dane.SPKI, Matching: dane.SHA256}}},
		Format:  generate.RData,
		Warn:    func(path, text string) { fmt.Println("warning:", path, text) },
		Fail:    func(path string, err error) { fmt.Println("error:", path, err) },
	}
	failed, err := batch.Run(context.Background(), os.Stdout, []string{
		"testdata/gen/G01a-rsa/cert.pem",
		"testdata/bad/B01a-empty/cert.pem",
		"testdata/gen/G05a-eddsa/cert.pem",
	})
	fmt.Println(failed, err)
	// Output:
	// 3 1 1 70a12652bc82480d3192ac7e30de8fa162036751c081258e1aa971423033f403
	// 3 1 1 c62efb2251b9e24e52918295e5312b035098325dd163228ea24846596acbce8a
	// error: testdata/bad/B01a-empty/cert.pem no certificate and no key: the file is empty
	// 1 <nil>
}
