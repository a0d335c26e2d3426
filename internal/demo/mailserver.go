package demo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A session may take this long and send this much.
const (
	sessionTime  = 10 * time.Second
	sessionBytes = 64 << 10
)

// mailServer receives mail by SMTP with STARTTLS on several addresses. Like
// the real ones it reads key and certificate from a directory when it starts
// and when it is told to reload, and serves what it has read until then.
type mailServer struct {
	host string
	live string // the directory with fullchain.pem and key.pem

	certificate atomic.Pointer[tls.Certificate]
	accepted    atomic.Int64 // mails

	listeners []net.Listener
	sessions  sync.WaitGroup
}

// newMailServer starts a server on one port of all the addresses.
func newMailServer(host, live string, port int, ips ...string) (*mailServer, error) {
	m := &mailServer{host: host, live: live}
	for _, ip := range ips {
		l, err := net.Listen("tcp", net.JoinHostPort(ip, strconv.Itoa(port)))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("mail server: %w", err), m.close())
		}
		port = l.Addr().(*net.TCPAddr).Port
		m.listeners = append(m.listeners, l)
	}
	for _, l := range m.listeners {
		m.sessions.Go(func() { m.accept(l) })
	}
	return m, nil
}

// port is the port of all its addresses.
func (m *mailServer) port() int { return m.listeners[0].Addr().(*net.TCPAddr).Port }

// addresses are what clients connect to.
func (m *mailServer) addresses() []string {
	var out []string
	for _, l := range m.listeners {
		out = append(out, l.Addr().String())
	}
	return out
}

// reload reads key and certificate again. What cannot be read is not served:
// the server goes on with what it has.
func (m *mailServer) reload(context.Context) error {
	pair, err := tls.LoadX509KeyPair(filepath.Join(m.live, "fullchain.pem"), filepath.Join(m.live, "key.pem"))
	if err != nil {
		return fmt.Errorf("mail server: reload: %w", err)
	}
	m.certificate.Store(&pair)
	return nil
}

// serves is the certificate that clients get now.
func (m *mailServer) serves() []byte {
	if c := m.certificate.Load(); c != nil {
		return c.Certificate[0]
	}
	return nil
}

// close ends the server when the sessions under way have ended.
func (m *mailServer) close() error {
	var errs []error
	for _, l := range m.listeners {
		errs = append(errs, l.Close())
	}
	m.sessions.Wait()
	return errors.Join(errs...)
}

// accept takes connections until the listener is closed.
func (m *mailServer) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of file descriptors, for one
			continue
		}
		m.sessions.Go(func() { m.serve(conn) })
	}
}

// serve holds one SMTP session (RFC 5321, and RFC 3207 for STARTTLS).
func (m *mailServer) serve(conn net.Conn) {
	defer conn.Close()
	if conn.SetDeadline(time.Now().Add(sessionTime)) != nil {
		return
	}
	s := &session{server: m, conn: conn}
	s.use(conn)
	if s.say("220 " + m.host + " ESMTP") {
		for s.next() {
		}
	}
}

// session is one client's dialogue.
type session struct {
	server *mailServer
	conn   net.Conn
	text   *textproto.Conn
	secure bool
}

// use makes the dialogue go through a connection. What was read ahead from
// the one before is dropped: it came without the protection of TLS.
func (s *session) use(conn net.Conn) {
	s.text = textproto.NewConn(struct {
		io.Reader
		io.WriteCloser
	}{io.LimitReader(conn, sessionBytes), conn})
}

// say sends a reply, and says whether that worked.
func (s *session) say(lines ...string) bool {
	return s.text.PrintfLine("%s", strings.Join(lines, "\r\n")) == nil
}

// next takes one command, and says whether there may be another.
func (s *session) next() bool {
	line, err := s.text.ReadLine()
	if err != nil {
		return false
	}
	verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
	switch verb {
	case "EHLO":
		return s.greet()
	case "HELO", "MAIL", "RCPT", "RSET", "NOOP":
		return s.say("250 ok")
	case "STARTTLS":
		return s.startTLS()
	case "DATA":
		return s.receive()
	case "QUIT":
		s.say("221 bye")
		return false
	}
	return s.say("502 not known here")
}

// greet offers STARTTLS where there is a certificate to offer it with.
func (s *session) greet() bool {
	if s.secure || s.server.certificate.Load() == nil {
		return s.say("250 " + s.server.host)
	}
	return s.say("250-"+s.server.host, "250 STARTTLS")
}

// startTLS goes on under TLS, with the certificate of this moment.
func (s *session) startTLS() bool {
	certificate := s.server.certificate.Load()
	if s.secure || certificate == nil {
		return s.say("502 not offered")
	}
	if !s.say("220 go ahead") {
		return false
	}
	conn := tls.Server(s.conn, &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12})
	if conn.Handshake() != nil {
		return false
	}
	s.secure = true
	s.use(conn)
	return true
}

// receive takes one mail, and loses it: this server is here to be connected to.
func (s *session) receive() bool {
	if !s.say("354 end with a dot") {
		return false
	}
	if _, err := s.text.ReadDotBytes(); err != nil {
		return false
	}
	s.server.accepted.Add(1)
	return s.say("250 accepted")
}
