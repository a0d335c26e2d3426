package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// What may be wrong with a server; each error of Prober.Chain matches one.
var (
	ErrUnreachable = errors.New("not reachable")                          // no connection, or it is not ready to talk to us
	ErrNoSTARTTLS  = errors.New("no STARTTLS")                            // it talks, and does not offer STARTTLS
	ErrNoTLS       = errors.New("no TLS")                                 // the handshake, or the way into it, fails
	ErrNoCommonKey = errors.New("no certificate with a key of that kind") // TLS works, with another key algorithm
)

// DefaultProbeTimeout is long enough for servers that let strangers wait
// before they greet them.
const DefaultProbeTimeout = 30 * time.Second

// Target is one address of one service.
type Target struct {
	Host     string // the TLSA base domain, for SNI
	Port     int
	Protocol string // "smtp" or "submission"; "tls" or "none": TLS from the first byte
	Address  string // "192.0.2.7:25": what is dialled
}

// String gives "mx1.example.com (192.0.2.7:25)".
func (t Target) String() string {
	return fmt.Sprintf("%s (%s)", strings.TrimSuffix(t.Host, "."), t.Address)
}

func (t Target) speaksSMTP() bool { return t.Protocol == "smtp" || t.Protocol == "submission" }

// Presented is what a server showed in one handshake.
type Presented struct {
	Algorithm string // of the leaf's key, as dane.Chain names it
	Chain     *dane.Chain
	Version   string // "TLS 1.3"
}

// Prober looks at the certificate chains that servers present. It verifies
// nothing. It may be used concurrently.
type Prober struct {
	Timeout time.Duration // of one Chain call, all of its connections included; 0: DefaultProbeTimeout
	Hello   string        // how to introduce ourselves in EHLO; empty: as the address literal of our own side
}

// Chain connects to the target, takes the connection up to TLS and gives what
// the server presents. The algorithm restricts the handshake to servers' keys
// of that kind: "rsa" or "ecdsa" (which includes Ed25519); "" is what any
// client gets. A server that speaks TLS 1.3 only cannot be restricted by
// crypto/tls; then Presented tells which of its keys it preferred, which may
// be of another kind than asked for. And what ErrNoCommonKey says is proved
// for TLS 1.2 and its usual cipher suites.
//
// Errors name the target and match ErrUnreachable, ErrNoSTARTTLS, ErrNoTLS or
// ErrNoCommonKey, unless the target, the protocol or the algorithm makes no sense.
func (p *Prober) Chain(ctx context.Context, t Target, algorithm string) (Presented, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(p.Timeout, DefaultProbeTimeout))
	defer cancel()
	presented, err := p.chain(ctx, t, algorithm)
	if err != nil {
		return Presented{}, fmt.Errorf("%s: %w", t, err)
	}
	return presented, nil
}

func (p *Prober) chain(ctx context.Context, t Target, algorithm string) (Presented, error) {
	switch t.Protocol {
	case "smtp", "submission", "tls", "none":
	default:
		return Presented{}, fmt.Errorf("protocol %q is not known", t.Protocol)
	}
	switch algorithm {
	case "":
		return p.handshake(ctx, t, offerAll)
	case "rsa":
		return p.restricted(ctx, t, offerRSA)
	case "ecdsa":
		return p.restricted(ctx, t, offerECDSA)
	}
	return Presented{}, fmt.Errorf("handshakes cannot be restricted to %q keys", algorithm)
}

// budget is how much a server may send in one connection: a large chain takes
// 20 KiB.
const budget = 256 << 10

// handshake makes one connection and one handshake.
func (p *Prober) handshake(ctx context.Context, t Target, o offer) (Presented, error) {
	conn, err := p.connect(ctx, t)
	if err != nil {
		return Presented{}, ended(ctx, &failure{ErrUnreachable, err})
	}
	defer conn.Close()
	defer closeWhenDone(ctx, conn)()
	if t.speaksSMTP() {
		if err := startTLS(conn, cmp.Or(p.Hello, literal(conn.LocalAddr()))); err != nil {
			return Presented{}, ended(ctx, err)
		}
	}
	secure, err := o.shake(ctx, conn, t.Host)
	if err != nil {
		return Presented{}, ended(ctx, err)
	}
	defer secure.Close()
	if t.speaksSMTP() {
		quit(secure)
	}
	return present(secure)
}

func (p *Prober) connect(ctx context.Context, t Target) (*guarded, error) {
	conn, err := dial(ctx, "tcp", t.Address)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	return guard(conn, deadline, budget)
}

// literal is how a host without a name introduces itself (RFC 5321, Section 4.1.3).
func literal(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return "localhost"
	}
	if v4 := tcp.IP.To4(); v4 != nil {
		return "[" + v4.String() + "]"
	}
	return "[IPv6:" + tcp.IP.String() + "]"
}
