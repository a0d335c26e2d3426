package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// Endpoint is where a certificate is served: what is probed, and what the
// owner name of the TLSA records is made of.
type Endpoint struct {
	Host     string // A-labels, lower case, without the dot at the end
	Port     int
	Protocol string // "smtp"
}

// Owner gives the owner name of the TLSA records, absolute:
// "_25._tcp.mx1.example.com." (RFC 6698, Section 3).
func (e Endpoint) Owner() string { return fmt.Sprintf("_%d._tcp.%s.", e.Port, e.Host) }

// String gives "mx1.example.com:25/smtp".
func (e Endpoint) String() string { return fmt.Sprintf("%s:%d/%s", e.Host, e.Port, e.Protocol) }

// parseEndpoint reads "host:port" or "host:port/protocol".
func parseEndpoint(s string) (Endpoint, error) {
	address, protocol, named := strings.Cut(s, "/")
	if named && protocol != "smtp" {
		return Endpoint{}, fmt.Errorf("%q: the protocol %q is not in this version, which probes smtp", s, protocol)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return Endpoint{}, fmt.Errorf("%q is not host:port; for mail between servers the port is 25", s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return Endpoint{}, fmt.Errorf("%q: the port must be a number from 1 to 65535", s)
	}
	name, err := hostName(host)
	if err != nil {
		return Endpoint{}, err
	}
	return Endpoint{Host: name, Port: int(n), Protocol: "smtp"}, nil
}

// hostName gives the A-labels of a host (RFC 5891, Section 4.4), lower case.
func hostName(s string) (string, error) {
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return "", fmt.Errorf("%q is an address; TLSA records belong to host names", s)
	}
	name, err := domainName(s)
	if err == nil && strings.Contains(name, "_") {
		err = fmt.Errorf("%q is not a host name: it holds an underscore", s)
	}
	return name, err
}

// certificateName gives a name that a certificate may have: that of a host, or
// "*." and one (RFC 7672, Section 3.2.3).
func certificateName(s string) (string, error) {
	rest, wildcard := strings.CutPrefix(s, "*.")
	name, err := hostName(rest)
	if err != nil || !wildcard {
		return name, err
	}
	return "*." + name, nil
}

// zoneName gives the absolute name of a zone.
func zoneName(s string) (string, error) {
	name, err := domainName(s)
	return name + ".", err
}

// domainName gives the A-labels of a domain name, lower case, without the dot
// at the end. Its lengths are those of RFC 1035, Section 2.3.4.
func domainName(s string) (string, error) {
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	if strings.ContainsFunc(name, func(r rune) bool { return r > 0x7f }) {
		ascii, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return "", fmt.Errorf("%q is not a domain name: %w", s, err)
		}
		name = ascii
	}
	if len(name) > 253 {
		return "", fmt.Errorf("%q is not a domain name: it is longer than 253 characters", s)
	}
	for label := range strings.SplitSeq(name, ".") {
		if err := checkLabel(label); err != nil {
			return "", fmt.Errorf("%q is not a domain name: %w", s, err)
		}
	}
	return name, nil
}

// checkLabel holds a label to letters, digits, hyphens and underscores.
func checkLabel(label string) error {
	switch {
	case label == "":
		return errors.New("there is nothing between two dots, or at all")
	case len(label) > 63:
		return fmt.Errorf("the label %q is longer than 63 characters", label)
	case strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return fmt.Errorf("the label %q holds other characters than letters, digits and hyphens", label)
	case label[0] == '-' || label[len(label)-1] == '-':
		return fmt.Errorf("the label %q begins or ends with a hyphen", label)
	}
	return nil
}

// ParseServer reads the address of a name server, "ADDR" or "ADDR:PORT", and
// gives it with its port: 53 unless given.
func ParseServer(s string) (string, error) {
	bare := s
	if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inner, "]") {
		bare = strings.TrimSuffix(inner, "]")
	}
	if address, err := netip.ParseAddr(bare); err == nil {
		return netip.AddrPortFrom(address, 53).String(), nil
	}
	address, err := netip.ParseAddrPort(s)
	if err != nil || address.Port() == 0 {
		return "", fmt.Errorf(`%q is not an address such as "127.0.0.1", "127.0.0.1:53" or "[::1]:53"`, s)
	}
	return address.String(), nil
}

// isLoopback says whether the address of a server is on this machine.
func isLoopback(server string) bool {
	address, err := netip.ParseAddrPort(server)
	return err == nil && address.Addr().Unmap().IsLoopback()
}
