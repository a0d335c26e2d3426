//go:build lab

package lab

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Proxy stands between a client and a DNS server, for UDP and TCP. It can lose
// replies to updates: the server has done what was asked, the client never
// hears of it.
type Proxy struct {
	Address  string // "127.0.0.1:40123": what the client is told
	upstream string
	toLose   atomic.Int64
	lost     atomic.Int64
}

// StartProxy starts a proxy in front of a server ("127.0.0.11:53").
func (l *Lab) StartProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	stream, err := net.Listen("tcp", ResolverIP+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stream.Close() })
	packets, err := net.ListenPacket("udp", stream.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packets.Close() })
	p := &Proxy{Address: stream.Addr().String(), upstream: upstream}
	go p.servePackets(packets)
	go p.serveStreams(stream)
	return p
}

// LoseReplies loses the next n replies to updates.
func (p *Proxy) LoseReplies(n int) { p.toLose.Store(int64(n)) }

// Lost counts the replies lost so far.
func (p *Proxy) Lost() int { return int(p.lost.Load()) }

// loses says whether a reply is to be lost, and counts it.
func (p *Proxy) loses(reply []byte) bool {
	const opcode = 2 // the byte of the header that has it, in bits 3 to 6
	if len(reply) <= opcode || int(reply[opcode]>>3&0xf) != dns.OpcodeUpdate {
		return false
	}
	for {
		n := p.toLose.Load()
		if n <= 0 {
			return false
		}
		if p.toLose.CompareAndSwap(n, n-1) {
			p.lost.Add(1)
			return true
		}
	}
}

// servePackets answers datagrams until the socket is closed.
func (p *Proxy) servePackets(packets net.PacketConn) {
	for {
		query := make([]byte, dns.MaxMsgSize)
		n, client, err := packets.ReadFrom(query)
		if err != nil {
			return
		}
		go func() {
			if reply, err := p.exchange(query[:n]); err == nil && !p.loses(reply) {
				_, _ = packets.WriteTo(reply, client) // a client that is gone asks again
			}
		}()
	}
}

// exchange asks the server with one datagram.
func (p *Proxy) exchange(query []byte) ([]byte, error) {
	conn, err := net.DialTimeout("udp", p.upstream, toolTime)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(toolTime))
	if _, err := conn.Write(query); err != nil {
		return nil, err
	}
	reply := make([]byte, dns.MaxMsgSize)
	n, err := conn.Read(reply)
	return reply[:n], err
}

// serveStreams relays connections until the listener is closed.
func (p *Proxy) serveStreams(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go p.relay(client)
	}
}

// relay relays one connection. Losing a reply breaks it off, like a server or
// a path that dies after the work is done.
func (p *Proxy) relay(client net.Conn) {
	defer client.Close()
	server, err := net.DialTimeout("tcp", p.upstream, toolTime)
	if err != nil {
		return
	}
	defer server.Close()
	deadline := time.Now().Add(toolTime)
	client.SetDeadline(deadline)
	server.SetDeadline(deadline)
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.(*net.TCPConn).CloseWrite()
	}()
	for {
		reply, err := readMessage(server)
		if err != nil || p.loses(reply) {
			return
		}
		if err := writeMessage(client, reply); err != nil {
			return
		}
	}
}

// readMessage reads one DNS message from a stream: its length, then itself.
func readMessage(r io.Reader) ([]byte, error) {
	var length uint16
	if err := binary.Read(r, binary.BigEndian, &length); err != nil {
		return nil, err
	}
	message := make([]byte, length)
	_, err := io.ReadFull(r, message)
	return message, err
}

func writeMessage(w io.Writer, message []byte) error {
	if len(message) > dns.MaxMsgSize {
		return errors.New("message too long")
	}
	framed := binary.BigEndian.AppendUint16(nil, uint16(len(message)))
	_, err := w.Write(append(framed, message...))
	return err
}
