package demo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"strconv"
	"time"

	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/dane"
)

// deliveryTime bounds one delivery.
const deliveryTime = 10 * time.Second

// Why a delivery fails.
var (
	errLookup   = errors.New("a DNS answer could not be had or not be validated")
	errNoMatch  = errors.New("no TLSA record that the sender holds matches the certificate that the server presents")
	errNoTLS    = errors.New("there are TLSA records, but the server offers no STARTTLS")
	errDelivery = errors.New("the mail server did not answer as it should")
)

// sender delivers mail to one domain over and over, and keeps to DANE: where
// the domain's host has TLSA records, mail goes out only to a server that one
// of them authenticates.
type sender struct {
	domain   string
	port     int // in the place of 25
	resolver *resolver
	pause    time.Duration // between the starts of two deliveries
	tally    *tally
}

// route is where a mail goes, and what the sender believes about that host.
type route struct {
	host      string // without the final dot
	addresses []string
	records   []dane.Record
}

// run delivers until the context ends; the delivery under way is finished.
func (s *sender) run(ctx context.Context) {
	every := time.NewTicker(s.pause)
	defer every.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		authenticated, err := s.deliver(context.WithoutCancel(ctx), n)
		s.tally.add(authenticated, err)
		select {
		case <-ctx.Done():
		case <-every.C:
		}
	}
}

// deliver sends one mail to the n-th address of the domain's host, and says
// whether DANE authenticated that host.
func (s *sender) deliver(ctx context.Context, n int) (authenticated bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, deliveryTime)
	defer cancel()
	r, err := s.route(ctx)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errLookup, err)
	}
	client, err := connect(ctx, r, r.addresses[n%len(r.addresses)])
	if err != nil {
		return false, fmt.Errorf("%w: %w", errDelivery, err)
	}
	defer client.Close()
	if authenticated, err = s.authenticate(client, r); err != nil {
		return false, err
	}
	if err := submit(client, s.domain); err != nil {
		return false, fmt.Errorf("%w: %w", errDelivery, err)
	}
	return authenticated, nil
}

// route looks up the MX host, its addresses and its TLSA records. The
// resolver vouches for all of them; a name that does not resolve is an error,
// a denied TLSA RRset is none (RFC 7672, Section 2.2).
func (s *sender) route(ctx context.Context) (route, error) {
	mx, err := s.resolver.lookup(ctx, s.domain, dns.TypeMX)
	if err != nil {
		return route{}, err
	}
	exchange, ok := first[*dns.MX](mx.records)
	if !ok {
		return route{}, fmt.Errorf("%s has no MX", s.domain)
	}
	r := route{host: exchange.Mx[:len(exchange.Mx)-1]}
	if r.addresses, err = s.addresses(ctx, exchange.Mx); err != nil {
		return route{}, err
	}
	tlsa, err := s.resolver.lookup(ctx, fmt.Sprintf("_%d._tcp.%s", s.port, exchange.Mx), dns.TypeTLSA)
	if err != nil {
		return route{}, err
	}
	r.records, err = tlsaRecords(tlsa.records)
	return r, err
}

// addresses gives every "ip:port" of the host.
func (s *sender) addresses(ctx context.Context, host string) ([]string, error) {
	var out []string
	for _, rtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		a, err := s.resolver.lookup(ctx, host, rtype)
		if err != nil {
			return nil, err
		}
		for _, rr := range a.records {
			switch rr := rr.(type) {
			case *dns.A:
				out = append(out, net.JoinHostPort(rr.A.String(), strconv.Itoa(s.port)))
			case *dns.AAAA:
				out = append(out, net.JoinHostPort(rr.AAAA.String(), strconv.Itoa(s.port)))
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no address", host)
	}
	return out, nil
}

// connect opens an SMTP session, under TLS where the server offers it.
func connect(ctx context.Context, r route, address string) (*smtp.Client, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	client, err := smtp.NewClient(conn, r.host)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if offered, _ := client.Extension("STARTTLS"); !offered {
		return client, nil
	}
	// Without verification here: the names and dates in the certificate mean
	// nothing to DANE-EE, its records are asked instead.
	if err := client.StartTLS(&tls.Config{ServerName: r.host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return client, nil
}

// authenticate matches the records against the chain that the server
// presented. Without records there is nothing to authenticate it by.
func (s *sender) authenticate(client *smtp.Client, r route) (bool, error) {
	if len(r.records) == 0 {
		return false, nil
	}
	state, ok := client.TLSConnectionState()
	if !ok {
		return false, errNoTLS // never in plain text (RFC 7672, Section 2.2)
	}
	var der [][]byte
	for _, c := range state.PeerCertificates {
		der = append(der, c.Raw)
	}
	chain, err := dane.NewChain(der...)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errDelivery, err)
	}
	result := dane.Match(r.records, chain, dane.Options{Names: []string{r.host, s.domain}, Now: time.Now()})
	if result.Verdict == dane.NotAuthenticated {
		return false, errNoMatch
	}
	return result.Verdict == dane.Authenticated, nil
}

// submit hands over one mail.
func submit(client *smtp.Client, domain string) error {
	if err := client.Mail("sender@" + domain); err != nil {
		return err
	}
	if err := client.Rcpt("postmaster@" + domain); err != nil {
		return err
	}
	body, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := body.Write([]byte("Subject: delivered\r\n\r\nOne more.\r\n")); err != nil {
		return errors.Join(err, body.Close())
	}
	if err := body.Close(); err != nil {
		return err
	}
	return client.Quit()
}
