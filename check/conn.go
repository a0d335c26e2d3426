package check

import (
	"errors"
	"net"
	"time"
)

// errBudget ends a conversation with a server that sends without end.
var errBudget = errors.New("sends more than a mail server has to say")

// guarded is a connection whose peer can neither stretch our time nor fill our
// memory: its deadline is absolute and what it gives to read is limited.
type guarded struct {
	net.Conn
	deadline time.Time
	budget   int // octets that may still be read
}

// guard takes a connection over; when that fails the connection is closed.
func guard(conn net.Conn, deadline time.Time, budget int) (*guarded, error) {
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &guarded{conn, deadline, budget}, nil
}

// Read reads within the budget.
func (g *guarded) Read(p []byte) (int, error) {
	if g.budget <= 0 {
		return 0, errBudget
	}
	n, err := g.Conn.Read(p[:min(len(p), g.budget)])
	g.budget -= n
	return n, err
}

// SetDeadline can only bring the end nearer; crypto/tls moves deadlines about
// when it closes.
func (g *guarded) SetDeadline(t time.Time) error { return g.Conn.SetDeadline(g.nearer(t)) }

// SetReadDeadline is to reading what SetDeadline is to both.
func (g *guarded) SetReadDeadline(t time.Time) error { return g.Conn.SetReadDeadline(g.nearer(t)) }

// SetWriteDeadline is to writing what SetDeadline is to both.
func (g *guarded) SetWriteDeadline(t time.Time) error { return g.Conn.SetWriteDeadline(g.nearer(t)) }

func (g *guarded) nearer(t time.Time) time.Time {
	if t.IsZero() || t.After(g.deadline) {
		return g.deadline
	}
	return t
}
