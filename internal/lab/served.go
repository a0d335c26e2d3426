//go:build lab

package lab

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/smtp"
	"testing"
	"time"
)

// Served gives the chain that the mail server at an address presents after
// STARTTLS, leaf first, to a client that can verify keys of one algorithm only
// (empty: of any). It connects anew each time and verifies nothing.
func Served(t testing.TB, ip string, algorithm Algorithm) []*x509.Certificate {
	t.Helper()
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(ip, "25"), toolTime)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(toolTime))
	client, err := smtp.NewClient(conn, ip)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.StartTLS(only(algorithm)); err != nil {
		t.Fatal(err)
	}
	state, _ := client.TLSConnectionState()
	_ = client.Quit()
	return state.PeerCertificates
}

// only is a client's configuration that a server can meet with a key of one
// algorithm. It takes TLS 1.2, where the cipher suite says which.
func only(algorithm Algorithm) *tls.Config {
	c := &tls.Config{InsecureSkipVerify: true}
	switch algorithm {
	case RSA:
		c.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	case ECDSA:
		c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	default:
		return c
	}
	c.MaxVersion = tls.VersionTLS12
	return c
}
