package providers

import (
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/dane"
)

// FuzzView reads whatever a server may answer.
func FuzzView(f *testing.F) {
	const owner, zone = "_25._tcp.mx.example.test.", "example.test."
	question := new(dns.Msg).SetQuestion(owner, dns.TypeTLSA)
	for _, text := range []string{owner + " 60 TLSA 3 1 1 00ff", owner + " 60 CNAME a.", "mx.example.test. 60 NS a.", "example.test. 60 SOA a. b. 1 2 3 4 5"} {
		rr, err := dns.NewRR(text)
		if err != nil {
			f.Fatal(err)
		}
		answer := new(dns.Msg).SetReply(question)
		answer.Authoritative = !strings.Contains(text, " NS ")
		answer.Answer, answer.Ns = []dns.RR{rr}, []dns.RR{rr}
		packed, err := answer.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		answer := new(dns.Msg)
		if answer.Unpack(packed) != nil || fits(question, answer) != nil {
			return
		}
		v, err := viewOf(answer, zone, owner)
		if err != nil {
			return
		}
		if v.set.Owner != owner || len(v.set.Records) > 0 && v.obstacle != "" {
			t.Errorf("got %+v", v)
		}
		for _, r := range v.set.Records {
			if again, err := dane.Parse(r.String()); len(r.Data()) > 0 && (err != nil || again != r) {
				t.Errorf("%s: %v", r, err)
			}
		}
	})
}
