// Package check is the sender's eyes: what the DNS says about a mail server,
// asked of a validating resolver and of every authoritative name server, and
// the certificate chain that each address of the server presents.
//
// It only looks. Nothing here decides what a rollover may do next; but what
// could not be seen is always told apart from what was seen to be absent,
// because a caller that mixes the two up breaks mail. Every exchange ends by
// an absolute deadline that the other side cannot move, and reads a bounded
// number of bytes: the servers asked belong to strangers.
package check

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// dial opens a connection, within the time of ctx.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := dialable(address); err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// dialable refuses everything but IP:port: host names go through the
// configured resolver and through nothing else.
func dialable(address string) error {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return fmt.Errorf("%q is not an IP address with a port", address)
	}
	return nil
}

// closeWhenDone closes the connection as soon as ctx ends, so that a read in
// progress returns. The function it gives back takes that order back.
func closeWhenDone(ctx context.Context, conn net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { conn.Close() })
}
