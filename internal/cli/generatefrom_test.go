package cli

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// mailServer is a mail server on loopback that gets as far as STARTTLS.
type mailServer struct {
	address string
	certs   []tls.Certificate
	plain   bool // offers no STARTTLS
	direct  bool // TLS from the first byte
}

func (s *mailServer) start(t *testing.T) *mailServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	s.address = listener.Addr().String()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s
}

func (s *mailServer) serve(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if !s.direct {
		in := bufio.NewReader(conn)
		fmt.Fprint(conn, "220 mx.example ESMTP\r\n")
		for upgraded := false; !upgraded; {
			line, err := in.ReadString('\n')
			switch {
			case err != nil:
				return
			case strings.HasPrefix(line, "EHLO") && s.plain:
				fmt.Fprint(conn, "250 mx.example\r\n")
			case strings.HasPrefix(line, "EHLO"):
				fmt.Fprint(conn, "250-mx.example\r\n250 STARTTLS\r\n")
			case strings.HasPrefix(line, "STARTTLS"):
				fmt.Fprint(conn, "220 go ahead\r\n")
				upgraded = true
			default:
				fmt.Fprint(conn, "221 bye\r\n")
				return
			}
		}
	}
	secure := tls.Server(conn, &tls.Config{Certificates: s.certs})
	if secure.Handshake() == nil {
		_, _ = bufio.NewReader(secure).ReadString('\n')
		fmt.Fprint(secure, "221 bye\r\n")
	}
}

// serverCert makes a self-signed certificate; its record is a 3 1 1.
func serverCert(t *testing.T, kind string) (cert tls.Certificate, record string) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: kind}, DNSNames: []string{kind + ".example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true}
	var key crypto.Signer
	var err error
	if kind == "rsa" {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert.PrivateKey = key
	cert.Certificate = [][]byte{der}
	r, err := dane.Params{Usage: dane.DANEEE, Selector: dane.SPKI, Matching: dane.SHA256}.Of(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, r.String()
}

// TestGenerateFrom holds that a live server's certificates, all of them, become
// records under the name and port that were asked.
func TestGenerateFrom(t *testing.T) {
	ecCert, ecRecord := serverCert(t, "ecdsa")
	rsaCert, rsaRecord := serverCert(t, "rsa")
	one := (&mailServer{certs: []tls.Certificate{ecCert}}).start(t)
	both := (&mailServer{certs: []tls.Certificate{ecCert, rsaCert}}).start(t)
	direct := (&mailServer{certs: []tls.Certificate{rsaCert}, direct: true}).start(t)
	plain := (&mailServer{plain: true}).start(t)
	owner := func(s *mailServer, host string) string {
		_, port, _ := net.SplitHostPort(s.address)
		return "_" + port + "._tcp." + host + ". 3600 IN TLSA "
	}
	keyFile := filepath.Join(t.TempDir(), "key.pem")
	key, err := x509.MarshalPKCS8PrivateKey(rsaCert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		args  []string
		code  int
		out   string
		words string
	}{
		{"one certificate", []string{"--from", one.address, "--starttls", "smtp"}, 0, owner(one, "ecdsa.example") + ecRecord + "\n", ""},
		{"one of each kind", []string{"--from", both.address, "--starttls", "smtp", "--host", "mx.example", "-o", "rdata"}, 0, ecRecord + "\n" + rsaRecord + "\n", ""},
		{"another name and port", []string{"--from", one.address, "--starttls", "smtp", "--host", "mx.example", "--port", "25"}, 0, "_25._tcp.mx.example. 3600 IN TLSA " + ecRecord + "\n", ""},
		{"TLS at once", []string{"--from", direct.address, "--starttls", "none", "--key", keyFile}, 0, owner(direct, "rsa.example") + rsaRecord + "\n", ""},
		{"another's key", []string{"--from", one.address, "--starttls", "smtp", "--key", keyFile}, 1, "", "the certificate does not belong to the private key given"},
		{"no STARTTLS", []string{"--from", plain.address, "--starttls", "smtp"}, 1, "", "no STARTTLS"},
		{"nobody there", []string{"--from", "127.0.0.1:1", "--starttls", "smtp"}, 1, "", "not reachable"},
		{"unknown way", []string{"--from", one.address, "--starttls", "imap"}, 2, "", "--starttls takes smtp"},
		{"no way known", []string{"--from", one.address}, 2, "", "comes to TLS is not known"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := tlsamgr(t, append([]string{"generate"}, test.args...)...)
			if got.code != test.code || got.out != test.out {
				t.Errorf("exit code %d, stdout:\n%swant %d:\n%s", got.code, got.out, test.code, test.out)
			}
			if (got.err == "") != (test.words == "") || !strings.Contains(got.err, test.words) {
				t.Errorf("stderr %q, want %q", got.err, test.words)
			}
		})
	}
}

func TestGenerateFlags(t *testing.T) {
	for text, want := range map[string]uint32{"0": 0, "3600": 3600, "1h": 3600, "90s": 90, "2147483647": maxTTL} {
		if got, err := parseTTL(text); got != want || err != nil {
			t.Errorf("TTL %s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "-1h", "1.5s", "2147483648", "1d", "999999h"} {
		if got, err := parseTTL(text); err == nil {
			t.Errorf("TTL %s: %d", text, got)
		}
	}
	for text, want := range map[string]int64{"1": 1, "1k": 1 << 10, "16M": 16 << 20, "2G": 2 << 30} {
		if got, err := parseSize(text); got != want || err != nil {
			t.Errorf("size %s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "M", "1T", "1.5M", "99999999999"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("size %s: %d", text, got)
		}
	}
	for _, text := range []string{"", "0", "025", "65536", "+25", "smtp"} {
		if got, err := parsePort(text); err == nil {
			t.Errorf("port %s: %d", text, got)
		}
	}
}

// TestErrors holds how errors become words and exit codes.
func TestErrors(t *testing.T) {
	plain := fmt.Errorf("read x: %w", os.ErrNotExist)
	tests := []struct {
		err   error
		code  int
		words string
	}{
		{nil, 0, ""},
		{plain, 1, "tlsamgr: error: read x: file does not exist\n"},
		{usagef("no %s", "x"), 2, "tlsamgr: error: no x\n"},
		{fmt.Errorf("a: %w", usageError{plain}), 2, "tlsamgr: error: a: read x: file does not exist\n"},
		{usageError{hinted(plain, "write it")}, 2, "tlsamgr: error: read x: file does not exist\ntlsamgr: hint: write it\n"},
		{exitWith(codeLater, nil), 75, ""},
		{fmt.Errorf("run: %w", context.Canceled), 130, "tlsamgr: error: run: context canceled\n"},
		{exitWith(codeWouldFail, errors.Join(plain, hinted(plain, "write it"))), 4, "tlsamgr: error: read x: file does not exist\ntlsamgr: error: read x: file does not exist\ntlsamgr: hint: write it\n"},
	}
	for _, test := range tests {
		var words bytes.Buffer
		printError(&words, test.err)
		if code := exitCode(test.err); code != test.code || words.String() != test.words {
			t.Errorf("%v: exit code %d, %q, want %d, %q", test.err, code, words.String(), test.code, test.words)
		}
	}
}
