package check

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// mailServer is a real STARTTLS server, as good or bad as a test wants it.
type mailServer struct {
	greeting string // default: "220 mx ESMTP"
	hello    string // the answer to EHLO; default: with STARTTLS
	ready    string // the answer to STARTTLS; default: "220 go ahead"
	tls      *tls.Config

	mu    sync.Mutex
	heard []string // commands, in order, with "TLS" where the handshake was
	sni   []string
}

// start gives the server's address.
func (s *mailServer) start(t testing.TB) string {
	return listen(t, func(conn net.Conn) { s.serve(conn) })
}

func (s *mailServer) serve(conn net.Conn) {
	fmt.Fprintf(conn, "%s\r\n", or(s.greeting, "220 mx ESMTP"))
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		s.note(line)
		switch verb, _, _ := strings.Cut(line, " "); verb {
		case "EHLO":
			fmt.Fprintf(conn, "%s\r\n", or(s.hello, "250-mx\r\n250-SIZE 1000\r\n250-starttls\r\n250 8BITMIME"))
		case "STARTTLS":
			ready := or(s.ready, "220 go ahead")
			fmt.Fprintf(conn, "%s\r\n", ready)
			if s.tls == nil || !strings.HasPrefix(ready, "220") {
				continue
			}
			secure, ok := s.shake(conn)
			if !ok {
				return
			}
			conn, in = secure, bufio.NewReader(secure)
		case "QUIT":
			fmt.Fprintf(conn, "221 bye\r\n")
			return
		}
	}
}

func (s *mailServer) shake(conn net.Conn) (net.Conn, bool) {
	secure := tls.Server(conn, s.tls)
	if secure.Handshake() != nil {
		return nil, false
	}
	s.note("TLS")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sni = append(s.sni, secure.ConnectionState().ServerName)
	return secure, true
}

func (s *mailServer) note(command string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, command)
}

func (s *mailServer) log() (heard, sni []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(heard, s.heard...), append(sni, s.sni...)
}

func or(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}

// certificate makes a self-signed certificate with a key of that kind.
func certificate(t testing.TB, algorithm string) tls.Certificate {
	t.Helper()
	var key crypto.Signer
	var err error
	switch algorithm {
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ecdsa":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx.example.test"}, DNSNames: []string{"mx.example.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
