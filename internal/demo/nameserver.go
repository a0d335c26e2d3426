package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// udpSize is the largest UDP answer: it fits every path without fragments.
const udpSize = 1232

// nameserver is one authoritative server of the zone.
type nameserver struct {
	*listener
	name    string
	lag     time.Duration // how long after a change it serves the new edition
	edition atomic.Pointer[edition]
}

// newNameserver starts a server on a free port of a loopback address. It
// answers once the zone has given it an edition.
func newNameserver(name, ip string, lag time.Duration) (*nameserver, error) {
	s := &nameserver{name: name, lag: lag}
	l, err := listen(ip, s)
	if err != nil {
		return nil, fmt.Errorf("name server %s: %w", name, err)
	}
	s.listener = l
	return s, nil
}

// take makes the server serve an edition after its lag. Between real servers
// that is a notification and a zone transfer; what a lag does to senders is
// the same.
func (s *nameserver) take(e *edition) {
	if s.lag == 0 {
		s.edition.Store(e)
		return
	}
	time.AfterFunc(s.lag, func() { s.edition.Store(e) })
}

// ServeDNS answers one query.
func (s *nameserver) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	reply := new(dns.Msg).SetReply(query)
	e := s.edition.Load()
	switch {
	case query.Opcode != dns.OpcodeQuery:
		reply.Rcode = dns.RcodeNotImplemented
	case len(query.Question) != 1:
		reply.Rcode = dns.RcodeFormatError
	case unanswerable(query.Question[0].Qtype):
		reply.Rcode = dns.RcodeNotImplemented
	case e == nil:
		reply.Rcode = dns.RcodeServerFailure
	default:
		e.answer(reply, query.Question[0])
	}
	send(w, query, reply)
}

// unanswerable says whether a query type asks for something other than one RRset.
func unanswerable(qtype uint16) bool {
	switch qtype {
	case dns.TypeANY, dns.TypeAXFR, dns.TypeIXFR, dns.TypeRRSIG:
		return true
	}
	return false
}

// send writes a reply as the client can take it: signatures and denials only
// where it asked for them, and cut to what fits into its datagrams.
func send(w dns.ResponseWriter, query, reply *dns.Msg) {
	size := dns.MinMsgSize
	do := false
	if opt := query.IsEdns0(); opt != nil {
		do = opt.Do()
		size = min(max(int(opt.UDPSize()), dns.MinMsgSize), udpSize)
		reply.SetEdns0(udpSize, do)
	}
	if !do {
		reply.Answer, reply.Ns = unsigned(reply.Answer), unsigned(reply.Ns)
	}
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		reply.Truncate(size)
	}
	_ = w.WriteMsg(reply) // a client that is gone asks again
}

// unsigned leaves out what only makes sense to a validator.
func unsigned(rrs []dns.RR) []dns.RR {
	var out []dns.RR
	for _, rr := range rrs {
		switch rr.(type) {
		case *dns.RRSIG, *dns.NSEC:
		default:
			out = append(out, rr)
		}
	}
	return out
}

// listener is a DNS server on one UDP and TCP port.
type listener struct {
	address string // "127.0.0.1:4711"
	servers [2]*dns.Server
}

// listen starts a DNS server on a free port of an address.
func listen(ip string, handler dns.Handler) (*listener, error) {
	stream, packets, err := listenPair(ip)
	if err != nil {
		return nil, err
	}
	l := &listener{address: stream.Addr().String()}
	l.servers = [2]*dns.Server{{Listener: stream, Handler: handler}, {PacketConn: packets, Handler: handler}}
	for _, s := range l.servers {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() { _ = s.ActivateAndServe() }() // ends with close
		<-started
	}
	return l, nil
}

// listenPair finds a port that is free for TCP and for UDP.
func listenPair(ip string) (net.Listener, net.PacketConn, error) {
	var last error
	for range 20 {
		stream, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
		if err != nil {
			return nil, nil, err
		}
		packets, err := net.ListenPacket("udp", stream.Addr().String())
		if err == nil {
			return stream, packets, nil
		}
		last = errors.Join(err, stream.Close())
	}
	return nil, nil, last
}

// close stops the server and waits for the answers under way.
func (l *listener) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return errors.Join(l.servers[0].ShutdownContext(ctx), l.servers[1].ShutdownContext(ctx))
}
