package check

import (
	"context"
	"crypto"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// The zone that the tests ask about, signed.
const exampleZone = `
$ORIGIN example.test.
$TTL 3600
@             SOA   ns1 hostmaster 1 7200 900 604800 300
@             NS    ns1
@             NS    ns2.other.test.
@             MX    10 mx
ns1           A     127.0.0.1
ns1           AAAA  ::1
mx            A     192.0.2.7
mx            A     192.0.2.5
mx            AAAA  2001:db8::7
_25._tcp.mx   1800 TLSA 3 1 1 aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899
_25._tcp.mx   1800 TLSA 3 1 1 0011223344556677889900112233445566778899001122334455667788990011
_25._tcp.www  60   CNAME _25._tcp.mx
loop1              CNAME loop2
loop2              CNAME loop1
a.b.c              A     192.0.2.9
`

// zone is a small signed zone that answers as an authoritative server does.
type zone struct {
	origin string
	rrs    []dns.RR
}

func parseZone(t testing.TB, origin, text string) *zone {
	t.Helper()
	z := &zone{origin: origin}
	parser := dns.NewZoneParser(strings.NewReader(text), origin, "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		z.rrs = append(z.rrs, rr)
	}
	if err := parser.Err(); err != nil {
		t.Fatal(err)
	}
	return z
}

// sign adds an NSEC record and signatures over every RRset, valid from
// inception to expiration.
func (z *zone) sign(t testing.TB, inception, expiration time.Time) *zone {
	t.Helper()
	soa := rrsAt(z.rrs, z.origin, dns.TypeSOA)[0].(*dns.SOA)
	z.rrs = append(z.rrs, &dns.NSEC{
		Hdr:        dns.RR_Header{Name: z.origin, Rrtype: dns.TypeNSEC, Class: dns.ClassINET, Ttl: soa.Minttl},
		NextDomain: z.origin, TypeBitMap: []uint16{dns.TypeSOA, dns.TypeRRSIG, dns.TypeNSEC},
	})
	key := &dns.DNSKEY{
		Hdr:   dns.RR_Header{Name: z.origin, Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 3600},
		Flags: 257, Protocol: 3, Algorithm: dns.ECDSAP256SHA256,
	}
	private, err := key.Generate(256)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range z.sets() {
		sig := &dns.RRSIG{
			Hdr:       dns.RR_Header{Ttl: set[0].Header().Ttl},
			Algorithm: key.Algorithm, KeyTag: key.KeyTag(), SignerName: z.origin,
			Inception: uint32(inception.Unix()), Expiration: uint32(expiration.Unix()),
		}
		if err := sig.Sign(private.(crypto.Signer), set); err != nil {
			t.Fatal(err)
		}
		z.rrs = append(z.rrs, sig)
	}
	return z
}

// sets gives the zone's RRsets.
func (z *zone) sets() (sets [][]dns.RR) {
	type owned struct {
		name   string
		rrtype uint16
	}
	seen := map[owned]bool{}
	for _, rr := range z.rrs {
		id := owned{dns.CanonicalName(rr.Header().Name), rr.Header().Rrtype}
		if !seen[id] {
			seen[id] = true
			sets = append(sets, rrsAt(z.rrs, id.name, id.rrtype))
		}
	}
	return sets
}

// answer gives what an authoritative server replies.
func (z *zone) answer(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(q)
	m.Authoritative = true
	name, qtype := dns.CanonicalName(q.Question[0].Name), q.Question[0].Qtype
	for range 3 { // aliases in the zone
		if m.Answer = append(m.Answer, z.signedSet(name, qtype)...); len(rrsAt(m.Answer, name, qtype)) > 0 {
			return m
		}
		aliases := z.signedSet(name, dns.TypeCNAME)
		if len(aliases) == 0 {
			break
		}
		m.Answer = append(m.Answer, aliases...)
		name = dns.CanonicalName(aliases[0].(*dns.CNAME).Target)
	}
	if !z.exists(name) {
		m.Rcode = dns.RcodeNameError
	}
	m.Ns = append(z.signedSet(z.origin, dns.TypeSOA), z.signedSet(z.origin, dns.TypeNSEC)...)
	return m
}

// exists says whether there is anything at or below a name (RFC 4592, Section 2.2.2).
func (z *zone) exists(name string) bool {
	for _, rr := range z.rrs {
		if dns.IsSubDomain(name, dns.CanonicalName(rr.Header().Name)) {
			return true
		}
	}
	return false
}

func (z *zone) signedSet(name string, qtype uint16) []dns.RR {
	set := rrsAt(z.rrs, name, qtype)
	for _, rr := range z.rrs {
		if sig, ok := rr.(*dns.RRSIG); ok && sig.TypeCovered == qtype && dns.CanonicalName(sig.Hdr.Name) == name {
			set = append(set, sig)
		}
	}
	return set
}

// serve starts a DNS server on UDP and TCP of one free port of an address.
func serve(t testing.TB, host string, handler dns.HandlerFunc) (address string) {
	t.Helper()
	for range 20 { // until a port is free for both
		udp, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		tcp, err := net.Listen("tcp", udp.LocalAddr().String())
		if err != nil {
			udp.Close()
			continue
		}
		start(t, &dns.Server{PacketConn: udp, Handler: handler})
		start(t, &dns.Server{Listener: tcp, Handler: handler})
		return udp.LocalAddr().String()
	}
	t.Fatal("no port is free for UDP and TCP")
	return ""
}

func start(t testing.TB, s *dns.Server) {
	ready := make(chan struct{})
	s.ReadTimeout = 10 * time.Second // the library hangs up after two, which is little on a busy machine
	s.NotifyStartedFunc = func() { close(ready) }
	done := make(chan error, 1)
	go func() { done <- s.ActivateAndServe() }()
	<-ready
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		s.ShutdownContext(ctx)
		<-done
	})
}

// over says by which transport a question came.
func over(w dns.ResponseWriter) string { return w.RemoteAddr().Network() }

// send writes a reply, cut to size over UDP.
func send(w dns.ResponseWriter, q, m *dns.Msg) {
	if over(w) == "udp" {
		size := dns.MinMsgSize
		if opt := q.IsEdns0(); opt != nil {
			size = int(opt.UDPSize())
		}
		m.Truncate(size)
	}
	w.WriteMsg(m)
}

// slack is how much later than its timeout something may end: much, on a busy
// machine, but less than any server here waits by itself.
const slack = 5 * time.Second

// closedPort gives an address where nobody listens.
func closedPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// listen accepts TCP connections and serves each in turn with serve, which
// must return when its connection is closed.
func listen(t testing.TB, serve func(conn net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wait.Go(func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(10 * time.Second))
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wait.Wait()
	})
	return l.Addr().String()
}

func timeout(t testing.TB, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}
