package check

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// forever writes the same bytes until the connection is gone.
func forever(conn net.Conn, text string, pause time.Duration) {
	for b := []byte(text); ; {
		if _, err := conn.Write(b); err != nil {
			return
		}
		time.Sleep(pause)
	}
}

// hear reads one line, so that an answer comes after its question.
func hear(conn net.Conn) {
	for b := make([]byte, 1); b[0] != '\n'; {
		if _, err := conn.Read(b); err != nil {
			return
		}
	}
}

// upToTLS is an honest server until the handshake begins.
func upToTLS(then func(conn net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		io.WriteString(conn, "220 mx\r\n")
		hear(conn)
		io.WriteString(conn, "250-mx\r\n250 STARTTLS\r\n")
		hear(conn)
		io.WriteString(conn, "220 go\r\n")
		first := make([]byte, 1)
		conn.Read(first) // the handshake begins: what comes now is no injection
		then(&peeked{conn, first})
	}
}

// peeked is a connection of which the first byte was read already.
type peeked struct {
	net.Conn
	first []byte
}

func (p *peeked) Read(b []byte) (int, error) {
	if len(p.first) > 0 {
		n := copy(b, p.first)
		p.first = p.first[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// Whatever a server does, looking at it ends in time and takes little memory.
func TestHostileServers(t *testing.T) { // not parallel: it measures memory
	const memory = 4 << 20 // for all of them
	long := strings.Repeat("x", 64<<10)
	lines := strings.Repeat("220-no end in sight\r\n", 1<<10)
	drip := func(conn net.Conn) { forever(conn, "2", 20*time.Millisecond) }
	silence := func(conn net.Conn) { io.Copy(io.Discard, conn) }
	cases := []struct {
		name  string
		serve func(conn net.Conn)
		want  error
		words string
	}{
		{"silent", silence, ErrUnreachable, "no answer in time"},
		{"drip", drip, ErrUnreachable, "no answer in time"},
		{"endless line", func(c net.Conn) { forever(c, long, 0) }, ErrUnreachable, "does not speak SMTP|sends a line without end"},
		{"endless good line", func(c net.Conn) { io.WriteString(c, "220 "); forever(c, long, 0) }, ErrUnreachable, "sends a line without end"},
		{"endless greeting", func(c net.Conn) { forever(c, lines, 0) }, ErrUnreachable, "sends a reply of more than 100 lines"},
		{"endless slow greeting", func(c net.Conn) { forever(c, "220-wait\r\n", 20*time.Millisecond) }, ErrUnreachable, "no answer in time"},
		{"zeros", func(c net.Conn) { forever(c, "\x00\x00\x00\x00\n", 0) }, ErrUnreachable, "does not speak SMTP"},
		{"empty greeting", func(c net.Conn) { io.WriteString(c, "\r\n"); silence(c) }, ErrUnreachable, `does not speak SMTP: ""`},
		{"short greeting", func(c net.Conn) { io.WriteString(c, "22\r\n"); silence(c) }, ErrUnreachable, `does not speak SMTP: "22"`},
		{"bare greeting, then silence", func(c net.Conn) { io.WriteString(c, "220\r\n"); silence(c) }, ErrUnreachable, "no answer in time"},
		{"closes", func(net.Conn) {}, ErrUnreachable, "connection closed early"},
		{"reset", func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) }, ErrUnreachable, "connection reset by peer"},
		{"endless EHLO answer", func(c net.Conn) {
			io.WriteString(c, "220 mx\r\n")
			hear(c)
			forever(c, strings.ReplaceAll(lines, "220", "250"), 0)
		}, ErrUnreachable, "sends a reply of more than 100 lines"},
		{"silence instead of TLS", upToTLS(silence), ErrNoTLS, "no answer in time"},
		{"hangs up instead of TLS", upToTLS(func(c net.Conn) { io.ReadFull(c, make([]byte, 64)) }), ErrNoTLS, "connection closed early|connection reset"},
		{"garbage instead of TLS", upToTLS(func(c net.Conn) { forever(c, long, 0) }), ErrNoTLS, "does not look like a TLS handshake"},
		{"drip instead of TLS", upToTLS(func(c net.Conn) { forever(c, "\x16", 20*time.Millisecond) }), ErrNoTLS, "does not look like a TLS handshake|no answer in time"},
		{"endless handshake message", upToTLS(func(c net.Conn) {
			io.WriteString(c, "\x16\x03\x03\x40\x00\x02\xff\xff\xff")
			forever(c, long, 0)
		}), ErrNoTLS, "handshake message of length"},
		{"endless empty records", upToTLS(func(c net.Conn) { forever(c, strings.Repeat("\x16\x03\x03\x00\x00", 1000), 0) }), ErrNoTLS, "too many ignored records|unexpected message"},
		{"endless warnings", upToTLS(func(c net.Conn) { forever(c, strings.Repeat("\x15\x03\x03\x00\x02\x01\x5a", 1000), 0) }), ErrNoTLS, "too many ignored records|alert"},
	}
	before := allocated()
	t.Run("all", func(t *testing.T) {
		for _, tc := range cases {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				at, start := target(listen(t, tc.serve)), time.Now()
				timeout := DefaultProbeTimeout // these must end by what is wrong with them
				if strings.Contains(tc.words, "no answer in time") {
					timeout = 500 * time.Millisecond
				}
				_, err := (&Prober{Timeout: timeout}).Chain(t.Context(), at, "")
				if !errors.Is(err, tc.want) || !containsAny(err.Error(), tc.words) {
					t.Errorf("error %v, want %v: %s", err, tc.want, tc.words)
				}
				if took := time.Since(start); took > slack {
					t.Errorf("took %v", took)
				}
			})
		}
	})
	if used := allocated() - before; used > memory {
		t.Errorf("took %d KiB of memory", used>>10)
	}
}

func containsAny(text, words string) bool {
	for _, w := range strings.Split(words, "|") {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// The chain is known before we take leave: no way to say goodbye spoils it,
// and none takes long.
func TestHostileGoodbye(t *testing.T) {
	t.Parallel()
	config := &tls.Config{Certificates: []tls.Certificate{certificate(t, "ecdsa")}}
	for name, goodbye := range map[string]func(conn net.Conn){
		"silence": func(c net.Conn) { io.Copy(io.Discard, c) },
		"drip":    func(c net.Conn) { forever(c, "2", 20*time.Millisecond) },
		"flood":   func(c net.Conn) { forever(c, strings.Repeat("x", 16<<10), 0) },
		"close":   func(net.Conn) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := target(listen(t, upToTLS(func(conn net.Conn) {
				secure := tls.Server(conn, config)
				if secure.Handshake() == nil {
					goodbye(secure)
				}
			})))
			start := time.Now()
			got, err := (&Prober{}).Chain(t.Context(), at, "")
			if err != nil || got.Algorithm != "ecdsa" {
				t.Errorf("%+v, %v", got, err)
			}
			if took := time.Since(start); took > slack {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestGuardedBudget(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	go forever(theirs, "12345678", 0)
	g, err := guard(ours, time.Now().Add(time.Minute), 20)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if _, err := got.ReadFrom(g); !errors.Is(err, errBudget) || got.String() != "12345678123456781234" {
		t.Errorf("read %q, %v", &got, err)
	}
}

func TestGuardedDeadline(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	start := time.Now()
	g, err := guard(ours, start.Add(200*time.Millisecond), 20)
	if err != nil {
		t.Fatal(err)
	}
	for _, later := range []time.Time{{}, start.Add(time.Minute)} {
		for _, move := range []func(time.Time) error{g.SetDeadline, g.SetReadDeadline, g.SetWriteDeadline} {
			if err := move(later); err != nil {
				t.Fatal(err)
			}
		}
		_, errRead := g.Read(make([]byte, 1))
		_, errWrite := g.Write(make([]byte, 1))
		if !timedOut(errRead) || !timedOut(errWrite) || time.Since(start) > slack {
			t.Errorf("read %v, write %v after %v", errRead, errWrite, time.Since(start))
		}
	}
}
