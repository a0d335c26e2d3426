//go:build lab

package lab

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// queryTime is long because a resolver may have to ask several times itself. A
// port that nobody listens on refuses at once.
const queryTime = 5 * time.Second

// Ask sends a question to port 53 of a server and gives the answer, with
// signatures where there are any. It is here so that tests need not trust the
// code they test.
func Ask(t testing.TB, ip, name string, qtype uint16) *dns.Msg {
	t.Helper()
	m, err := ask(ip, name, qtype)
	if err != nil {
		t.Fatalf("ask %s for %s %s: %v", ip, name, dns.TypeToString[qtype], err)
	}
	return m
}

// TLSA gives the data of the TLSA records that a server has at a name
// ("3 1 1 0123…", lower case, sorted) and their TTL in seconds.
func TLSA(t testing.TB, ip, owner string) (records []string, ttl uint32) {
	t.Helper()
	for _, rr := range Ask(t, ip, owner, dns.TypeTLSA).Answer {
		if _, ok := rr.(*dns.TLSA); ok {
			records = append(records, rr.String()[len(rr.Header().String()):])
			ttl = rr.Header().Ttl
		}
	}
	slices.Sort(records)
	return records, ttl
}

// ask sends a question by UDP, and by TCP when the answer does not fit.
func ask(ip, name string, qtype uint16) (*dns.Msg, error) {
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	q.AuthenticatedData = true
	q.SetEdns0(1232, true)
	address := net.JoinHostPort(ip, "53")
	m, _, err := (&dns.Client{Timeout: queryTime}).Exchange(q, address)
	if err == nil && m.Truncated {
		m, _, err = (&dns.Client{Net: "tcp", Timeout: queryTime}).Exchange(q, address)
	}
	return m, err
}

// serial gives the serial number of a zone on a server; 0: it has no such zone yet.
func serial(ip, zone string) uint32 {
	m, err := ask(ip, zone, dns.TypeSOA)
	if err != nil {
		return 0
	}
	for _, rr := range m.Answer {
		if soa, ok := rr.(*dns.SOA); ok {
			return soa.Serial
		}
	}
	return 0
}

// waitForPrimaries waits until the primaries serve their zones, and the signed
// ones with signatures on everything: a signed denial comes last.
func (l *Lab) waitForPrimaries(t testing.TB, started []*process) {
	t.Helper()
	for i, p := range started {
		if p == nil {
			continue
		}
		for _, z := range l.on(Server(i)) {
			p.waitReady(t, func() bool { return complete(z) })
		}
	}
}

// complete says whether the primary of a zone serves it, signed where it is to be.
func complete(z Zone) bool {
	if serial(z.Server.IP(), z.Name) == 0 {
		return false
	}
	m, err := ask(z.Server.IP(), "nothing-here."+z.Name, dns.TypeA)
	if err != nil || m.Rcode != dns.RcodeNameError {
		return false
	}
	denied := slices.ContainsFunc(m.Ns, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeNSEC })
	return denied || z.Security == Unsigned
}
