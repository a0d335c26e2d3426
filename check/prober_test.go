package check

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func target(address string) Target {
	return Target{Host: "mx.example.test.", Port: 25, Protocol: "smtp", Address: address}
}

func TestProberChain(t *testing.T) {
	t.Parallel()
	leaf, issuer := certificate(t, "ecdsa"), certificate(t, "ecdsa")
	leaf.Certificate = append(leaf.Certificate, issuer.Certificate[0])
	s := &mailServer{tls: &tls.Config{Certificates: []tls.Certificate{leaf}}}
	p := &Prober{Hello: "client.example.test"}
	got, err := p.Chain(t.Context(), target(s.start(t)), "")
	if err != nil {
		t.Fatal(err)
	}
	if got.Algorithm != "ecdsa" || got.Version != "TLS 1.3" || !slices.EqualFunc(got.Chain.Certificates(), leaf.Certificate, bytes.Equal) {
		t.Errorf("presented %s over %s, %d certificates", got.Algorithm, got.Version, len(got.Chain.Certificates()))
	}
	heard, sni := s.log()
	if diff := cmp.Diff([]string{"EHLO client.example.test", "STARTTLS", "TLS", "QUIT"}, heard); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"mx.example.test"}, sni); diff != "" {
		t.Error(diff)
	}
}

func TestProberIntroducesItself(t *testing.T) {
	t.Parallel()
	s := &mailServer{tls: &tls.Config{Certificates: []tls.Certificate{certificate(t, "ecdsa")}}}
	if _, err := (&Prober{}).Chain(t.Context(), target(s.start(t)), ""); err != nil {
		t.Fatal(err)
	}
	if heard, _ := s.log(); heard[0] != "EHLO [127.0.0.1]" {
		t.Errorf("heard %q", heard[0])
	}
	six := &net.TCPAddr{IP: net.ParseIP("2001:db8::1")}
	if got := literal(six); got != "[IPv6:2001:db8::1]" {
		t.Errorf("literal %q", got)
	}
}

// Each kind of key is seen, whichever the server prefers.
func TestProberAlgorithms(t *testing.T) {
	t.Parallel()
	rsa, ecdsa, ed25519 := certificate(t, "rsa"), certificate(t, "ecdsa"), certificate(t, "ed25519")
	only := func(version uint16, certificates ...tls.Certificate) *tls.Config {
		c := &tls.Config{Certificates: certificates}
		if version == tls.VersionTLS13 {
			c.MinVersion = version
		}
		if version == tls.VersionTLS12 {
			c.MaxVersion = version
		}
		return c
	}
	for _, tc := range []struct {
		name   string
		config *tls.Config
		ask    string
		want   string // key that is shown, and how; or the error
		err    error
	}{
		{"both, any", only(0, ecdsa, rsa), "", "ecdsa TLS 1.3", nil},
		{"both, rsa", only(0, ecdsa, rsa), "rsa", "rsa TLS 1.2", nil},
		{"both, ecdsa", only(0, rsa, ecdsa), "ecdsa", "ecdsa TLS 1.2", nil},
		{"rsa, ecdsa", only(0, rsa), "ecdsa", `it has one of kind "rsa"`, ErrNoCommonKey},
		{"ecdsa, rsa", only(0, ecdsa), "rsa", `it has one of kind "ecdsa"`, ErrNoCommonKey},
		{"1.2 only, any", only(tls.VersionTLS12, rsa), "", "rsa TLS 1.2", nil},
		{"1.2 only, ecdsa", only(tls.VersionTLS12, rsa), "ecdsa", `it has one of kind "rsa"`, ErrNoCommonKey},
		{"ed25519, ecdsa", only(0, ed25519), "ecdsa", "ed25519 TLS 1.2", nil},
		{"1.3 only, rsa", only(tls.VersionTLS13, rsa), "rsa", "rsa TLS 1.3", nil},
		{"1.3 only, cannot be forced", only(tls.VersionTLS13, ecdsa, rsa), "rsa", "ecdsa TLS 1.3", nil},
		{"RSA key exchange only, any", &tls.Config{Certificates: []tls.Certificate{rsa}, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}, "", "rsa TLS 1.2", nil},
		{"old", &tls.Config{Certificates: []tls.Certificate{rsa}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "", "protocol version", ErrNoTLS},
		{"old, rsa", &tls.Config{Certificates: []tls.Certificate{rsa}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "rsa", "protocol version", ErrNoTLS},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := &mailServer{tls: tc.config}
			got, err := (&Prober{}).Chain(t.Context(), target(s.start(t)), tc.ask)
			if tc.err != nil {
				if !errors.Is(err, tc.err) || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("error %v, want %v: %s", err, tc.err, tc.want)
				}
				return
			}
			if err != nil || got.Algorithm+" "+got.Version != tc.want || got.Chain.Algorithm() != got.Algorithm {
				t.Errorf("%s %s, %v; want %s", got.Algorithm, got.Version, err, tc.want)
			}
		})
	}
}

// Some servers hang up where others send an alert.
func TestProberHangUp(t *testing.T) {
	t.Parallel()
	rsa := certificate(t, "rsa")
	for _, tc := range []struct {
		name string
		hang func(h *tls.ClientHelloInfo, handshakes int32) bool
		want error
	}{
		{"on every offer without RSA", func(h *tls.ClientHelloInfo, _ int32) bool {
			return !slices.Contains(h.CipherSuites, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)
		}, ErrNoCommonKey},
		{"by accident", func(_ *tls.ClientHelloInfo, n int32) bool { return n == 1 }, nil},
		{"on everything", func(*tls.ClientHelloInfo, int32) bool { return true }, ErrNoTLS},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ask := "ecdsa"
			if tc.want == nil {
				ask = "rsa"
			}
			var handshakes atomic.Int32
			s := &mailServer{tls: &tls.Config{Certificates: []tls.Certificate{rsa}}}
			s.tls.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
				if tc.hang(h, handshakes.Add(1)) {
					h.Conn.(*net.TCPConn).SetLinger(0)
					h.Conn.Close()
				}
				return nil, nil
			}
			_, err := (&Prober{}).Chain(t.Context(), target(s.start(t)), ask)
			if !errors.Is(err, tc.want) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
		})
	}
}

func TestProberTLSOnly(t *testing.T) {
	t.Parallel()
	config := &tls.Config{Certificates: []tls.Certificate{certificate(t, "ecdsa")}}
	address := listen(t, func(conn net.Conn) {
		secure := tls.Server(conn, config)
		if secure.Handshake() == nil {
			secure.Read(make([]byte, 1))
		}
	})
	for _, protocol := range []string{"tls", "none"} {
		got, err := (&Prober{}).Chain(t.Context(), Target{Host: "mx.example.test", Port: 465, Protocol: protocol, Address: address}, "")
		if err != nil || got.Algorithm != "ecdsa" {
			t.Errorf("%s: %+v, %v", protocol, got, err)
		}
	}
}

func TestProberErrors(t *testing.T) {
	t.Parallel()
	good := certificate(t, "ecdsa")
	odd := good
	odd.Certificate = [][]byte{good.Certificate[0], withNegativeSerial(t, good.Certificate[0])}
	config := &tls.Config{Certificates: []tls.Certificate{good}}
	for _, tc := range []struct {
		name  string
		s     *mailServer
		want  error
		words string
		heard string // last command
	}{
		{"not offered", &mailServer{hello: "250-mx\r\n250 SIZE"}, ErrNoSTARTTLS, "no STARTTLS: not offered in the answer to EHLO", "QUIT"},
		{"only as its name", &mailServer{hello: "250 STARTTLS"}, ErrNoSTARTTLS, "not offered", "QUIT"},
		{"no extensions", &mailServer{hello: "502 what?"}, ErrNoSTARTTLS, `answers EHLO with 502 "what?"`, "QUIT"},
		{"blocked", &mailServer{hello: "550 5.7.1 go\x1b[31m away"}, ErrUnreachable, `answers EHLO with 550 "5.7.1 go\x1b[31m away"`, "EHLO [127.0.0.1]"},
		{"busy", &mailServer{greeting: "421-later\r\n421 please"}, ErrUnreachable, `not reachable: greets with 421 "later / please"`, ""},
		{"key and certificate do not fit", &mailServer{ready: "454 4.7.0 TLS not available"}, ErrNoTLS, `no TLS: answers STARTTLS with 454 "4.7.0 TLS not available"`, "STARTTLS"},
		{"injection", &mailServer{ready: "220 go\r\n250 injected", tls: config}, ErrNoTLS, "sends plain text after its answer to STARTTLS", "STARTTLS"},
		{"out of turn", &mailServer{greeting: "220 mx\r\n250 mx", tls: config}, ErrUnreachable, "speaks before it is asked", ""},
		{"code changes", &mailServer{hello: "250-mx\r\n251 STARTTLS"}, ErrUnreachable, "changes the code within a reply from 250 to 251", "EHLO [127.0.0.1]"},
		{"odd certificate", &mailServer{tls: &tls.Config{Certificates: []tls.Certificate{odd}}}, ErrNoTLS, "a certificate of this chain is beyond Go's parser", "STARTTLS"},
		{"other service", &mailServer{greeting: "SSH-2.0-OpenSSH"}, ErrUnreachable, `does not speak SMTP: "SSH-2.0-OpenSSH"`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			address := tc.s.start(t)
			_, err := (&Prober{}).Chain(t.Context(), target(address), "")
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.words) || !strings.HasPrefix(err.Error(), "mx.example.test ("+address+"): ") {
				t.Errorf("error %v, want %v: %s", err, tc.want, tc.words)
			}
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("error %q is not one clean line", err)
			}
			if heard, _ := tc.s.log(); len(heard) == 0 && tc.heard != "" || len(heard) > 0 && heard[len(heard)-1] != tc.heard {
				t.Errorf("heard %q, want %q last", heard, tc.heard)
			}
		})
	}
}

// withNegativeSerial breaks what Go's parser insists on and TLS does not.
func withNegativeSerial(t *testing.T, der []byte) []byte {
	t.Helper()
	serial := []byte{0x02, 0x01, 0x01}
	if i := bytes.Index(der, serial); i < 0 || i > 20 {
		t.Fatal("no serial number where it should be")
	}
	return bytes.Replace(der, serial, []byte{0x02, 0x01, 0x81}, 1)
}

func TestProberUnreachable(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ address, words string }{
		{closedPort(t), "connection refused"},
		{"localhost:25", "is not an IP address with a port"},
		{"", "is not an IP address with a port"},
	} {
		_, err := (&Prober{}).Chain(t.Context(), target(tc.address), "")
		if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), tc.words) {
			t.Errorf("%s: error %v, want %s", tc.address, err, tc.words)
		}
	}
}

func TestProberNonsense(t *testing.T) {
	t.Parallel()
	p, at := &Prober{}, target("127.0.0.1:1")
	if _, err := p.Chain(t.Context(), at, "dsa"); err == nil || !strings.Contains(err.Error(), `cannot be restricted to "dsa" keys`) {
		t.Errorf("error %v", err)
	}
	at.Protocol = "gopher"
	if _, err := p.Chain(t.Context(), at, ""); err == nil || !strings.Contains(err.Error(), `protocol "gopher" is not known`) {
		t.Errorf("error %v", err)
	}
}

func TestProberCancelled(t *testing.T) {
	t.Parallel()
	address := listen(t, func(conn net.Conn) { conn.Read(make([]byte, 1)) })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	start := time.Now()
	_, err := (&Prober{}).Chain(ctx, target(address), "")
	if !errors.Is(err, context.Canceled) || !errors.Is(err, ErrUnreachable) || time.Since(start) > slack {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}
