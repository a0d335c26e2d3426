package generate

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/net/idna"
)

// errWildcard is what appendHost says about "*.example.com": the owner of a
// TLSA record is one server's name (RFC 6698, Section 3).
var errWildcard = errors.New("a wildcard is no server's name")

// Owner gives the owner name of the TLSA records of a service, absolute and in
// lower case: "_25._tcp.mx1.example.com." (RFC 6698, Section 3). The host may
// be written in any script; protocol is "tcp", "udp" or "sctp".
func Owner(host string, port int, protocol string) (string, error) {
	name, err := appendHostName(nil, host)
	if err != nil {
		return "", err
	}
	prefix, err := ownerPrefix(port, protocol)
	if err != nil {
		return "", err
	}
	return ownerOf(prefix, name)
}

// ownerPrefix gives "_25._tcp." (RFC 6698, Section 3: decimal, no leading zeros).
func ownerPrefix(port int, protocol string) (string, error) {
	if port < 1 || port > 65535 {
		return "", fmt.Errorf("port %d is not within 1 to 65535", port)
	}
	switch protocol {
	case "tcp", "udp", "sctp":
		return fmt.Sprintf("_%d._%s.", port, protocol), nil
	}
	return "", fmt.Errorf("protocol %q is none of tcp, udp, sctp", protocol)
}

// maxName is the length of the longest name, its final dot included (RFC 1035,
// Section 2.3.4: 255 octets in a message, one more than in text).
const maxName = 254

// ownerOf puts an owner name together; host has no final dot.
func ownerOf(prefix string, host []byte) (string, error) {
	if n := len(prefix) + len(host) + 1; n > maxName {
		return "", fmt.Errorf("the owner name for %q would have %d characters, the DNS allows %d", clip(string(host)), n, maxName)
	}
	return prefix + string(host) + ".", nil
}

// appendHostName appends a host's name, written in any script, as the DNS has
// it: lower case, A-labels, no final dot.
func appendHostName(dst []byte, host string) ([]byte, error) {
	ascii := host
	if strings.IndexFunc(host, func(c rune) bool { return c >= utf8.RuneSelf }) >= 0 {
		// The DNS has A-labels (RFC 7673, Section 8); what people type is mapped
		// to them first (RFC 5891, Section 5).
		var err error
		if ascii, err = idna.Lookup.ToASCII(host); err != nil {
			return dst, fmt.Errorf("host %q: %w", clip(host), err)
		}
	}
	dst, err := appendHost(dst, []byte(ascii))
	if err != nil {
		return dst, fmt.Errorf("host %q: %w", clip(host), err)
	}
	return dst, nil
}

// appendHost appends a host's name in lower case and without a final dot, or
// says why it is none (RFC 1123, Section 2.1).
func appendHost(dst, host []byte) ([]byte, error) {
	host = bytes.TrimSuffix(host, []byte("."))
	start, label := len(dst), len(dst)
	for _, c := range host {
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c == '.':
			if err := checkLabel(dst[label:]); err != nil {
				return dst[:start], err
			}
			label = len(dst) + 1
		}
		dst = append(dst, c)
	}
	last := dst[label:]
	if err := checkLabel(last); err != nil {
		return dst[:start], err
	}
	if !slices.ContainsFunc(last, func(c byte) bool { return c > '9' }) {
		return dst[:start], errors.New("an address or a number, not a name")
	}
	return dst, nil
}

func checkLabel(label []byte) error {
	switch {
	case len(label) == 0:
		return errors.New("an empty label")
	case len(label) > 63:
		return fmt.Errorf("a label of %d characters, the DNS allows 63", len(label))
	case string(label) == "*":
		return errWildcard
	case label[0] == '_':
		return fmt.Errorf("%q is no label of a host's name (the owner's labels are added to it)", label)
	case label[0] == '-' || label[len(label)-1] == '-':
		return fmt.Errorf("label %q begins or ends with a hyphen", label)
	}
	for _, c := range label {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("%q cannot be part of a host's name", string(rune(c)))
		}
	}
	return nil
}

// forEachName gives every DNS name of the certificate, as it stands there; of
// a certificate without any it gives the common name when that is a host's,
// because senders fall back on it, too (RFC 7672, Section 3.2.3).
func (c *certificate) forEachName(yield func(name []byte)) {
	if c.hasDNSName() {
		forEachSAN(c.sans, yield)
		return
	}
	cn := []byte(commonName(c.subject))
	if _, err := appendHost(nil, cn); (err == nil || errors.Is(err, errWildcard)) && bytes.IndexByte(cn, '.') > 0 {
		yield(cn)
	}
}

// hasDNSName says whether subjectAltName holds a DNS name.
func (c *certificate) hasDNSName() (found bool) {
	forEachSAN(c.sans, func([]byte) { found = true })
	return found
}

// dNSName is the tag of a DNS name in subjectAltName (RFC 5280, Section 4.2.1.6).
const dNSName = asn1.Tag(2 | 0x80)

func forEachSAN(sans cryptobyte.String, yield func(name []byte)) {
	for !sans.Empty() {
		var name cryptobyte.String
		var tag asn1.Tag
		if !sans.ReadAnyASN1(&name, &tag) {
			return
		}
		if tag == dNSName {
			yield(name)
		}
	}
}

// oidCommonName is 2.5.4.3.
const oidCommonName = "\x55\x04\x03"

// commonName gives the last common name of a distinguished name where it is
// plain text, else "".
func commonName(dn cryptobyte.String) (name string) {
	var rdns cryptobyte.String
	dn.ReadASN1(&rdns, asn1.SEQUENCE)
	for !rdns.Empty() {
		var set, pair, oid, value cryptobyte.String
		var tag asn1.Tag
		if !rdns.ReadASN1(&set, asn1.SET) || !set.ReadASN1(&pair, asn1.SEQUENCE) ||
			!pair.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) || !pair.ReadAnyASN1(&value, &tag) {
			return name
		}
		text := tag == asn1.UTF8String || tag == asn1.PrintableString || tag == asn1.IA5String || tag == asn1.T61String
		if string(oid) == oidCommonName && text && utf8.Valid(value) && len(value) < 256 {
			name = string(value)
		}
	}
	return name
}

// clip shortens what was given for a message.
func clip(text string) string {
	if len(text) > 80 {
		return strings.ToValidUTF8(text[:80], "") + "…"
	}
	return text
}
