//go:build lab

package lab

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// The addresses of the machine. All but the IPv6 one are in 127.0.0.0/8; DNS
// servers listen on port 53, mail servers on port 25.
const (
	ResolverIP  = "127.0.0.1"  // Unbound
	SenderIP    = "127.0.0.9"  // takes the mail that the Postfix sender delivers
	PrimaryIP   = "127.0.0.11" // BIND
	SecondaryIP = "127.0.0.12" // Knot, of every zone
	NSDIP       = "127.0.0.13"
	KnotIP      = "127.0.0.14"
	MX1IP       = "127.0.0.21"
	MX2IP       = "127.0.0.22"
	MX3FirstIP  = "127.0.0.23"
	MX3SecondIP = "127.0.0.24"
	MX3ThirdIP  = "fd00:25::23"
)

// addresses gives what the loopback interface does not have by itself.
func addresses() []string {
	return []string{
		SenderIP + "/32", PrimaryIP + "/32", SecondaryIP + "/32", NSDIP + "/32", KnotIP + "/32",
		MX1IP + "/32", MX2IP + "/32", MX3FirstIP + "/32", MX3SecondIP + "/32", MX3ThirdIP + "/128",
	}
}

// MX3IPs gives the three addresses of the host mx3.
func MX3IPs() []string { return []string{MX3FirstIP, MX3SecondIP, MX3ThirdIP} }

// Server says which server is the primary of a zone.
type Server int

// The primaries. BIND takes dynamic updates; NSD and Knot serve a zone file.
const (
	BIND Server = iota
	NSD
	Knot
)

// IP is the address of the server, that of ns1 in its zones.
func (s Server) IP() string { return []string{PrimaryIP, NSDIP, KnotIP}[s] }

// Security says what a validating resolver finds out about a zone.
type Security int

// The kinds of zones.
const (
	Signed   Security = iota // answers are secure
	Unsigned                 // no signatures, no trust anchor
	Bogus                    // signed, but with another key than the trust anchor says
)

// Zone describes one zone of the lab. Whatever its primary, Knot is its second
// server (ns2). It has these names:
//
//	@    MX 10 mx1
//	ns1  its primary          ns2  SecondaryIP
//	mx1  MX1IP                mx2  MX2IP           mx3  MX3IPs
//
// Each host mxN is its own mail exchanger too: mail to user@mx2.example.test
// goes to mx2 and to no other host.
type Zone struct {
	Name     string        // "example.test"
	Server   Server        // zero: BIND
	Security Security      // zero: Signed
	TTL      time.Duration // of everything above; zero: one minute
	Minimum  time.Duration // TTL and MINIMUM of the SOA record, so of "no such record" too; zero: 5 s
	Records  string        // more lines of the zone file, relative to the zone
}

// text is the zone as a zone file.
func (z Zone) text() string {
	ttl := int(cmp.Or(z.TTL, time.Minute).Seconds())
	minimum := int(cmp.Or(z.Minimum, 5*time.Second).Seconds())
	var b strings.Builder
	fmt.Fprintf(&b, "$ORIGIN %s.\n$TTL %d\n", z.Name, ttl)
	// No refresh by timer: what the secondary serves depends on Hold alone.
	fmt.Fprintf(&b, "@ %d IN SOA ns1 hostmaster 1 86400 86400 864000 %d\n", minimum, minimum)
	fmt.Fprintf(&b, "@ IN NS ns1\n@ IN NS ns2\n@ IN MX 10 mx1\n")
	fmt.Fprintf(&b, "ns1 IN A %s\nns2 IN A %s\n", z.Server.IP(), SecondaryIP)
	for name, ips := range map[string][]string{"mx1": {MX1IP}, "mx2": {MX2IP}, "mx3": MX3IPs()} {
		fmt.Fprintf(&b, "%s IN MX 10 %s\n", name, name)
		for _, ip := range ips {
			fmt.Fprintf(&b, "%s IN %s %s\n", name, addressType(ip), ip)
		}
	}
	b.WriteString(z.Records)
	if !strings.HasSuffix(z.Records, "\n") {
		b.WriteByte('\n')
	}
	return b.String()
}

func addressType(ip string) string {
	if strings.Contains(ip, ":") {
		return "AAAA"
	}
	return "A"
}
