package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/tlsamgr/tlsamgr/dane"
)

// offer is what our side of a handshake says it can do.
type offer int

const (
	offerAll   offer = iota // every key, TLS 1.2 and 1.3
	offerTLS12              // every key, TLS 1.2 only
	offerRSA                // servers' RSA keys only
	offerECDSA              // servers' ECDSA and EdDSA keys only
)

// config makes the TLS settings of an offer. In TLS 1.2 the cipher suite names
// the kind of the server's key (RFC 5246, Section 7.4.2); in TLS 1.3 only the
// signature algorithms do, which crypto/tls gives no say in.
func (o offer) config(host string) *tls.Config {
	c := &tls.Config{
		// The name that is sent is the TLSA base domain (RFC 7672, Section 8.1),
		// without the final dot (RFC 6066, Section 3).
		ServerName: strings.TrimSuffix(host, "."),
		// We look at what is presented; whether it is the right chain is for the
		// TLSA records to say, not for the system's CAs (RFC 7672, Section 3.1.3).
		InsecureSkipVerify: true,
		MinVersion:         tls.VersionTLS12,
		// Nothing secret is sent, so the hybrid key exchanges would cost twice
		// the time and a second packet for nothing.
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
		CipherSuites:     append(suitesECDSA(), suitesRSA()...),
	}
	switch o {
	case offerRSA:
		c.CipherSuites = suitesRSA()
	case offerECDSA:
		c.CipherSuites = suitesECDSA()
	}
	if o != offerAll {
		c.MaxVersion = tls.VersionTLS12
	}
	return c
}

// suitesRSA also offers what only old servers choose: we want to see the
// chain, not to talk in private.
func suitesRSA() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA,
	}
}

func suitesECDSA() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	}
}

// errAlert marks a handshake that the server ended by an alert, for which
// crypto/tls exports no type.
var errAlert = errors.New("the server's alert")

// shake completes a handshake, so that the server has proved that it holds the
// key of the chain. The error is a *failure of kind ErrNoTLS.
func (o offer) shake(ctx context.Context, conn net.Conn, host string) (*tls.Conn, error) {
	secure := tls.Client(conn, o.config(host))
	if err := secure.HandshakeContext(ctx); err != nil {
		if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "remote error" {
			err = fmt.Errorf("%w: %w", errAlert, op.Err)
		}
		if strings.Contains(err.Error(), "failed to parse certificate") { // crypto/tls has no type for it
			err = fmt.Errorf("a certificate of this chain is beyond Go's parser, other senders may do better: %w", err)
		}
		return nil, &failure{ErrNoTLS, err}
	}
	return secure, nil
}

// present gives what the server sent, byte for byte.
func present(secure *tls.Conn) (Presented, error) {
	state := secure.ConnectionState()
	var ders [][]byte
	for _, c := range state.PeerCertificates {
		ders = append(ders, c.Raw)
	}
	chain, err := dane.NewChain(ders...)
	if err != nil {
		return Presented{}, &failure{ErrNoTLS, err}
	}
	return Presented{Algorithm: chain.Algorithm(), Chain: chain, Version: tls.VersionName(state.Version)}, nil
}

// restricted looks for the chain with one kind of key. A server that turns the
// handshake down may lack such a key, or may not speak TLS 1.2: whether it
// takes a TLS 1.2 handshake with any key tells.
func (p *Prober) restricted(ctx context.Context, t Target, o offer) (Presented, error) {
	presented, err := p.handshake(ctx, t, o)
	if err == nil || !turnedDown(err) {
		return presented, err
	}
	other, errAny := p.handshake(ctx, t, offerTLS12)
	if errAny != nil {
		if turnedDown(errAny) {
			return p.handshake(ctx, t, offerAll)
		}
		return Presented{}, errAny
	}
	// A reset may have been an accident; it is none when it happens again.
	if !errors.Is(err, errAlert) {
		if again, err := p.handshake(ctx, t, o); err == nil || !turnedDown(err) {
			return again, err
		}
	}
	return Presented{}, fmt.Errorf("%w: it has one of kind %q", ErrNoCommonKey, other.Algorithm)
}

// turnedDown says whether the server ended the handshake for what we offered:
// by an alert, or as some do by hanging up.
func turnedDown(err error) bool {
	return errors.Is(err, ErrNoTLS) &&
		(errors.Is(err, errAlert) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET))
}
