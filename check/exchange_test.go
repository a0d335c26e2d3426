package check

import (
	"encoding/binary"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// A guess at a reply is skipped; the true one behind it counts.
func TestForgedReplies(t *testing.T) {
	t.Parallel()
	z, _, _ := signedExample(t)
	forge := func(q *dns.Msg, change func(m *dns.Msg)) *dns.Msg {
		m := z.answer(q).Copy()
		m.AuthenticatedData, m.Answer = true, m.Answer[1:]
		change(m)
		return m
	}
	for _, tc := range []struct {
		name   string
		change func(m *dns.Msg)
	}{
		{"id", func(m *dns.Msg) { m.Id++ }},
		{"name", func(m *dns.Msg) { m.Question[0].Name = "_25._tcp.my.example.test." }},
		{"type", func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeA }},
		{"class", func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }},
		{"no question", func(m *dns.Msg) { m.Question = nil }},
		{"not a reply", func(m *dns.Msg) { m.Response = false }},
		{"opcode", func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
				w.WriteMsg(forge(q, tc.change))
				send(w, q, z.answer(q))
			})
			if a := r.Lookup(t.Context(), owner, dns.TypeTLSA); len(a.Records) != 2 || a.Status != Insecure {
				t.Errorf("%s with %d records: %s", a.Status, len(a.Records), a.Why)
			}
		})
	}
}

// Only forged replies: no answer, soon, however many there are.
func TestForgedRepliesOnly(t *testing.T) {
	t.Parallel()
	z, _, _ := signedExample(t)
	r := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := z.answer(q)
		m.Id++
		for range 2 * maxStrays {
			w.WriteMsg(m)
		}
	})
	a := r.Lookup(t.Context(), owner, dns.TypeTLSA)
	if a.Status != Failed || !strings.Contains(a.Why, "replies that belong to other questions over UDP, a reply to another question over TCP") {
		t.Errorf("%s: %s", a.Status, a.Why)
	}
}

func TestLostDatagramsAreAskedAgain(t *testing.T) {
	t.Parallel()
	z, _, _ := signedExample(t)
	var asked atomic.Int32
	r := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if over(w) == "udp" && asked.Add(1) >= 2 {
			send(w, q, z.answer(q))
		}
	})
	r.Timeout = 3 * time.Second
	if a := r.Lookup(t.Context(), owner, dns.TypeTLSA); len(a.Records) != 2 {
		t.Errorf("%s: %s after %d datagrams", a.Status, a.Why, asked.Load())
	}
}

func TestFallsBackToTCP(t *testing.T) {
	t.Parallel()
	z, _, _ := signedExample(t)
	for name, udp := range map[string]func(w dns.ResponseWriter, q *dns.Msg){
		"silent": func(dns.ResponseWriter, *dns.Msg) {},
		"truncated": func(w dns.ResponseWriter, q *dns.Msg) {
			m := z.answer(q)
			m.Truncated, m.Answer = true, m.Answer[:1] // what is left must not be used
			w.WriteMsg(m)
		},
		"garbage": func(w dns.ResponseWriter, q *dns.Msg) {
			w.Write(append(header(q.Id, 1, 5), "\x04test\x00\x00\x34\x00\x01garbage"...))
		},
		"cut between records": func(w dns.ResponseWriter, q *dns.Msg) {
			m := z.answer(q)
			m.Answer = m.Answer[:1]
			wire, _ := m.Pack()
			binary.BigEndian.PutUint16(wire[6:], 2)
			w.Write(wire)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
				if over(w) == "udp" {
					udp(w, q)
					return
				}
				recursive(z)(w, q)
			})
			r.Timeout = 2 * time.Second
			if a := r.Lookup(t.Context(), owner, dns.TypeTLSA); len(a.Records) != 2 || a.Status != Secure {
				t.Errorf("%s with %d records: %s", a.Status, len(a.Records), a.Why)
			}
		})
	}
}

// header makes the header of a reply that announces questions and answers.
func header(id uint16, questions, answers uint16) []byte {
	wire := make([]byte, 12)
	for i, v := range []uint16{id, 0x8000, questions, answers} {
		binary.BigEndian.PutUint16(wire[2*i:], v)
	}
	return wire
}

// Over TCP a server has all the ways of a stream to be a nuisance.
func TestHostileTCP(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		serve func(conn net.Conn)
		want  string
	}{
		"closes":         {func(net.Conn) {}, "connection closed early"},
		"half a length":  {func(c net.Conn) { c.Write([]byte{0}) }, "connection closed early"},
		"half a message": {func(c net.Conn) { c.Write([]byte{255, 255, 1, 2, 3}) }, "connection closed early"},
		"empty message":  {func(c net.Conn) { c.Write([]byte{0, 0}) }, "a reply to another question"},
		"drip": {func(c net.Conn) {
			c.Write([]byte{255, 255})
			for {
				if _, err := c.Write([]byte{0}); err != nil {
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
		}, "no answer in time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := listen(t, func(c net.Conn) {
				readTCP(c) // the question; what is left unread would make a reset of the close
				tc.serve(c)
			})
			q, err := newQuery(owner, dns.TypeTLSA)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := timeout(t, impatient)
			defer cancel()
			start := time.Now()
			if _, err := askTCP(ctx, address, q); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if took := time.Since(start); took > impatient+slack {
				t.Errorf("took %v", took)
			}
		})
	}
}
