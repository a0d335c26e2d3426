package providers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/miekg/dns"
)

// rcodeError is the response code with which a server turned a message down
// (RFC 1035, Section 4.1.1; RFC 2136, Section 2.2).
type rcodeError int

func (e rcodeError) Error() string {
	if name, ok := dns.RcodeToString[int(e)]; ok {
		return "the server answers " + name
	}
	return fmt.Sprintf("the server answers with code %d", int(e))
}

// rcodeOf finds the response code in an error of libdns/rfc2136, which has it
// in its text alone, or of the DNS library, which has a word for NOTAUTH.
func rcodeOf(err error) (rcodeError, bool) {
	if errors.Is(err, dns.ErrAuth) {
		return dns.RcodeNotAuth, true
	}
	_, text, found := strings.Cut(err.Error(), "dns response error code ")
	var name string
	var code int
	if !found {
		return 0, false
	}
	_, bad := fmt.Sscanf(text, "%q (%d)", &name, &code)
	return rcodeError(code), bad == nil
}

// definite says whether an error of an update tells that the server did not
// carry it out. After any other error it may have, or may yet.
func definite(err error) bool {
	if err == nil {
		return false
	}
	_, answered := rcodeOf(err)
	return answered || unreached(err) || unauthenticated(err)
}

// unreached says whether no connection came about at all.
func unreached(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// unauthenticated says whether server and client do not agree about the TSIG
// key (RFC 8945, Section 5.2).
func unauthenticated(err error) bool {
	return is(err, dns.ErrSig, dns.ErrKey, dns.ErrKeyAlg, dns.ErrSecret, dns.ErrTime, dns.ErrNoSig)
}

// ended says whether the other side ended the connection.
func ended(err error) bool {
	return is(err, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE)
}

// lost says whether an error is about the way to the server or back.
func lost(err error) bool {
	var op net.Error
	return errors.As(err, &op) || ended(err) || is(err, context.Canceled, context.DeadlineExceeded, dns.ErrShortRead, dns.ErrId)
}

func is(err error, known ...error) bool {
	return slices.ContainsFunc(known, func(k error) bool { return errors.Is(err, k) })
}

// explain names the server that failed, adds the hint that belongs to the
// error, and knows whether it may be better later.
func explain(server string, err error) error {
	if code, ok := rcodeOf(err); ok {
		err = code
	}
	named := fmt.Errorf("name server %s: %w", server, err)
	var code rcodeError
	switch {
	case unauthenticated(err):
		return hinted(named, "tsig_secret must be that of the server's key, and the clocks must agree within five minutes")
	case lost(err):
		return temporary(named)
	case !errors.As(err, &code):
		return named
	}
	switch code {
	case dns.RcodeServerFailure:
		return temporary(named)
	case dns.RcodeRefused:
		return hinted(named, "allow the key to change TLSA records: in BIND, update-policy { grant KEY zonesub TLSA; }; in Knot, an acl with action update")
	case dns.RcodeNotAuth, dns.RcodeNotZone:
		return hinted(named, "the server must be the primary of the zone, and tsig_name, tsig_algorithm and tsig_secret must be those of one of its keys")
	case dns.RcodeNotImplemented:
		return hinted(named, "this server does not take dynamic updates; for NSD use the provider zonefile")
	}
	return named
}
