package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tlsamgr/tlsamgr/check"
	"github.com/tlsamgr/tlsamgr/generate"
	"github.com/tlsamgr/tlsamgr/internal/config"
)

// server is what --from names.
type server struct {
	host     string // a name, or an address
	port     int
	protocol string // as check.Target has it
}

// fromServer makes records of the chains that a live server presents. Owner
// names are those of the server asked, unless --host and --port say otherwise.
func (o *generateOptions) fromServer(ctx context.Context, env Env, g *globals, b *generate.Batch) error {
	s, err := o.server()
	if err != nil {
		return usageError{fmt.Errorf("--from: %w", err)}
	}
	if len(b.Ports) == 0 {
		b.Ports = []int{s.port}
	}
	if _, err := netip.ParseAddr(s.host); err != nil && len(b.Hosts) == 0 {
		b.Hosts = []string{s.host}
	}
	if err := b.Check(); err != nil {
		return usageError{err}
	}
	addresses, err := s.addresses(ctx, g)
	if err != nil {
		return err
	}
	ders, err := s.anyChains(ctx, addresses, b.Warn)
	if err != nil {
		return err
	}
	source, err := generate.FromChain(ders...)
	if err != nil {
		return named(o.from, err)
	}
	return writeSource(env.Out, b, o.from, source)
}

// writeSource prints the records of one source as a batch of files would.
func writeSource(w io.Writer, b *generate.Batch, name string, source *generate.Source) error {
	if b.Key != nil {
		if err := source.CheckKey(b.Key); err != nil {
			return named(name, err)
		}
	}
	return named(name, b.Print(w, name, source))
}

// server reads --from and --starttls.
func (o *generateOptions) server() (server, error) {
	s := server{host: o.from, port: 25}
	if host, port, err := net.SplitHostPort(o.from); err == nil {
		if s.port, err = parsePort(port); err != nil {
			return s, err
		}
		s.host = host
	}
	s.host = strings.Trim(s.host, "[]")
	if _, err := netip.ParseAddr(s.host); err != nil {
		if _, err := generate.Owner(s.host, s.port, "tcp"); err != nil {
			return s, err
		}
	}
	if s.protocol = o.starttls; s.protocol == "" {
		s.protocol = map[int]string{25: "smtp", 587: "submission", 465: "none"}[s.port]
	}
	if !slices.Contains([]string{"smtp", "submission", "none"}, s.protocol) {
		return s, hinted(fmt.Errorf("how port %d comes to TLS is not known", s.port), "--starttls takes smtp, submission and none")
	}
	return s, nil
}

// addresses looks up the server: by --resolver, else as the system does.
func (s server) addresses(ctx context.Context, g *globals) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(s.host); err == nil {
		return []netip.Addr{a}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if g.resolver == "" {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", s.host)
	}
	address, err := config.ParseServer(g.resolver)
	if err != nil {
		return nil, usageError{fmt.Errorf("--resolver: %w", err)}
	}
	found, a, aaaa := (&check.Resolver{Address: address}).Addresses(ctx, s.host)
	if len(found) == 0 {
		return nil, errors.Join(fmt.Errorf("%s has no address", s.host), a.Err(), aaaa.Err())
	}
	return found, nil
}

// anyChains asks the addresses in turn until one can be reached.
func (s server) anyChains(ctx context.Context, addresses []netip.Addr, warn func(path, text string)) (ders [][]byte, err error) {
	for _, address := range addresses {
		ders, err = s.chains(ctx, address.Unmap(), warn)
		if !errors.Is(err, check.ErrUnreachable) {
			break
		}
	}
	return ders, err
}

// chains gives the certificates of every chain that the server presents: one
// with an RSA key and one with an ECDSA key need a record each (RFC 7671,
// Section 8), and a client that lets the server choose sees one of them.
func (s server) chains(ctx context.Context, address netip.Addr, warn func(path, text string)) (ders [][]byte, err error) {
	prober := &check.Prober{}
	target := check.Target{Host: s.host, Port: s.port, Protocol: s.protocol,
		Address: net.JoinHostPort(address.String(), strconv.Itoa(s.port))}
	first, err := prober.Chain(ctx, target, "")
	if err != nil {
		return nil, err
	}
	ders = first.Chain.Certificates()
	for _, algorithm := range []string{"rsa", "ecdsa"} {
		if algorithm == first.Algorithm {
			continue
		}
		other, err := prober.Chain(ctx, target, algorithm)
		switch {
		case errors.Is(err, check.ErrNoCommonKey):
		case err != nil:
			warn("", fmt.Sprintf("whether the server has another certificate, with a key of kind %s, could not be seen: %v", algorithm, err))
		default:
			ders = append(ders, other.Chain.Certificates()...)
		}
	}
	return ders, nil
}
