package check

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	payload   = 1232 // octets that we ask UDP replies to keep to: never fragmented (RFC 6891, Section 6.2.5)
	maxUDP    = 4096 // octets of a UDP reply that we read; longer ones are cut and malformed
	maxStrays = 100  // datagrams that answer another question, before we give UDP up
)

// newQuery makes a question with a random id and the DNSSEC OK bit (RFC 3225,
// Section 3). Recursion is up to the caller.
func newQuery(name string, qtype uint16) (*dns.Msg, error) {
	if _, ok := dns.IsDomainName(name); !ok || name == "" {
		return nil, fmt.Errorf("%s is not a domain name", quoted(name))
	}
	q := new(dns.Msg)
	q.SetQuestion(dns.CanonicalName(name), qtype)
	q.RecursionDesired = false
	q.SetEdns0(payload, true)
	return q, nil
}

// askAny asks over UDP and, when that gives no whole reply in half of the
// time, over TCP (RFC 7766, Section 5). The context must have a deadline.
func askAny(ctx context.Context, address string, q *dns.Msg) (*dns.Msg, error) {
	if err := dialable(address); err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	half, cancel := context.WithTimeout(ctx, time.Until(deadline)/2)
	m, err := askUDP(half, address, q)
	cancel()
	if err == nil && !m.Truncated {
		return m, nil
	}
	m, errTCP := askTCP(ctx, address, q)
	if errTCP != nil && err != nil {
		return nil, fmt.Errorf("%w over UDP, %w over TCP", err, errTCP)
	}
	if errTCP != nil {
		return nil, fmt.Errorf("a truncated reply over UDP, %w over TCP", errTCP)
	}
	return m, nil
}

// askUDP asks over UDP, three times at growing intervals until ctx ends. Of a
// truncated reply only the header and the question are kept.
func askUDP(ctx context.Context, address string, q *dns.Msg) (*dns.Msg, error) {
	conn, err := dial(ctx, "udp", address)
	if err != nil {
		return nil, reason(ctx, err)
	}
	defer conn.Close()
	defer closeWhenDone(ctx, conn)()
	wire, err := q.Pack()
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	sixth := time.Until(deadline) / 6
	strays := 0
	for _, part := range []time.Duration{1, 2, 3} {
		if _, err := conn.Write(wire); err != nil {
			return nil, reason(ctx, err)
		}
		conn.SetReadDeadline(time.Now().Add(part * sixth)) // a failure shows in the read
		m, err := readUDP(conn, q, &strays)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return m, reason(ctx, err)
		}
	}
	return nil, errNoAnswer
}

// readUDP reads until the reply to q comes in. Datagrams that do not belong to
// q are skipped: they are late, or somebody guesses.
func readUDP(conn net.Conn, q *dns.Msg, strays *int) (*dns.Msg, error) {
	buf := make([]byte, maxUDP)
	for *strays < maxStrays {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		m, err := parseReply(q, buf[:n])
		if !errors.Is(err, errStray) {
			return m, err
		}
		*strays++
	}
	return nil, fmt.Errorf("%d replies that belong to other questions", *strays)
}

// askTCP asks over TCP, on a connection of its own.
func askTCP(ctx context.Context, address string, q *dns.Msg) (*dns.Msg, error) {
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil, reason(ctx, err)
	}
	defer conn.Close()
	defer closeWhenDone(ctx, conn)()
	wire, err := q.Pack()
	if err != nil {
		return nil, err
	}
	// Length and message go out together (RFC 7766, Section 8).
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...)); err != nil {
		return nil, reason(ctx, err)
	}
	reply, err := readTCP(conn)
	if err != nil {
		return nil, reason(ctx, err)
	}
	m, err := parseReply(q, reply)
	if err == nil && m.Truncated {
		err = errors.New("a truncated reply")
	}
	return m, err
}

func readTCP(conn net.Conn) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	reply := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(conn, reply)
	return reply, err
}

// errNoAnswer is said of a server that stays silent.
var errNoAnswer = errors.New("no answer in time")

// errStray marks a message that is not the reply to the question.
var errStray = errors.New("a reply to another question")

// parseReply unpacks a message and makes sure that it is the reply to q and
// is whole. Errors match errStray when it belongs to another question.
func parseReply(q *dns.Msg, wire []byte) (*dns.Msg, error) {
	const header = 12
	if len(wire) < header || binary.BigEndian.Uint16(wire) != q.Id || wire[2]&0x80 == 0 {
		return nil, errStray
	}
	if truncated := wire[2]&0x02 != 0; truncated {
		// What is left of the other sections proves nothing (RFC 2181, Section 9).
		wire = append([]byte(nil), wire...)
		clear(wire[6:header])
	}
	m := new(dns.Msg)
	if err := m.Unpack(wire); err != nil {
		return nil, fmt.Errorf("a malformed reply (%v)", err)
	}
	if !answers(q, m) {
		return nil, errStray
	}
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return m, nil // some errors come as a bare header
	}
	return m, whole(m, wire)
}

// whole refuses a reply of which something is missing. The library is content
// with a message that ends between two records, and with a record that ends
// between two fields.
func whole(m *dns.Msg, wire []byte) error {
	for i, got := range []int{len(m.Question), len(m.Answer), len(m.Ns), len(m.Extra)} {
		if int(binary.BigEndian.Uint16(wire[4+2*i:])) != got {
			return errors.New("a malformed reply (records are missing)")
		}
	}
	for _, rr := range slices.Concat(m.Answer, m.Ns) {
		least := uint16(1)
		switch rr.(type) {
		case *dns.TLSA:
			least = 3 // RFC 6698, Section 2.1
		case *dns.SOA:
			least = 22 // two root names and five numbers (RFC 1035, Section 3.3.13)
		}
		if h := rr.Header(); h.Rdlength < least {
			return fmt.Errorf("a malformed reply (%s record of %d octets)", dns.Type(h.Rrtype), h.Rdlength)
		}
	}
	return nil
}

// answers says whether the reply repeats our question. One that only carries
// an error may come without any.
func answers(q, m *dns.Msg) bool {
	if m.Opcode != dns.OpcodeQuery {
		return false
	}
	if len(m.Question) == 0 {
		return m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError
	}
	asked, got := q.Question[0], m.Question[0]
	return len(m.Question) == 1 && strings.EqualFold(asked.Name, got.Name) && asked.Qtype == got.Qtype && asked.Qclass == got.Qclass
}

// reason puts a network error into few words. When ctx has ended, that is the
// reason, whatever the connection says: closeWhenDone closed it.
func reason(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return context.Canceled
	case ctx.Err() != nil || timedOut(err):
		return errNoAnswer
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("connection closed early: %w", err)
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return op.Err // without the addresses: callers name the server
	}
	return err
}

// timedOut also knows the timeout of a connection attempt.
func timedOut(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
