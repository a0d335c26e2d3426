package generate

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Source is what one file holds: the certificates of a server with those of
// their issuers, or keys alone.
type Source struct {
	certs    []*certificate
	keys     []key
	passed   []string       // labels of objects that have nothing to do with records
	leaves   []*certificate // the servers' own
	warnings []string
}

// Parse reads PEM or DER: a certificate, a chain or bundle in any order, a
// Postfix chain file with its keys, a PKCS#7 bundle, or a private key, public
// key or certificate request alone.
//
// A damaged object is an error, whatever else there is: the records of a file
// of which half was read would be wrong. So is a key that belongs to none of
// the certificates beside it, and an encrypted key. Input without anything to
// make records from gives ErrNothing. No error holds a byte of a key.
func Parse(data []byte) (*Source, error) {
	return new(parser).parse(data)
}

// FromChain makes a source of DER certificates that did not come from a file,
// such as the chain that a server presents.
func FromChain(der ...[]byte) (*Source, error) {
	p := new(parser)
	for i, d := range der {
		if err := p.addCertificate(d, 0); err != nil {
			return nil, fmt.Errorf("certificate %d of %d: %w", i+1, len(der), err)
		}
	}
	return p.finish()
}

// CheckKey says whether the keys of another source, private or public, belong
// to this one: to one of its certificates, or to a key in it.
func (s *Source) CheckKey(other *Source) error {
	found := false
	for _, k := range other.keys {
		if k.kind == certRequest {
			continue
		}
		if found = s.has(k); !found {
			return fmt.Errorf("the certificate does not belong to the %s given", k.kind)
		}
	}
	if !found {
		return errors.New("there is no key among what was given as one")
	}
	return nil
}

func (s *Source) has(k key) bool {
	return slices.ContainsFunc(s.certs, func(c *certificate) bool { return k.belongs(c.spki) }) ||
		len(s.certs) == 0 && slices.ContainsFunc(s.keys, func(other key) bool { return k.belongs(other.spki) })
}

func inLine(line int) string {
	if line == 0 {
		return ""
	}
	return fmt.Sprintf(" in line %d", line)
}

// parser reads sources one after the other. It keeps what it has allocated, and
// with a cache also the issuers that it has seen: a folder of ten thousand
// certificates has a handful of them.
type parser struct {
	source Source
	buffer []byte         // decoded base64; the certificates of the source are parts of it
	spare  []*certificate // of sources before
	cache  *issuerCache
}

// reset makes room for another source.
func (p *parser) reset() {
	for _, c := range p.source.certs {
		if !c.cached {
			p.spare = append(p.spare, c)
		}
	}
	p.source = Source{certs: p.source.certs[:0], leaves: p.source.leaves[:0]}
	p.buffer = p.buffer[:0]
}

// parse reads one input. The source is good until the next call.
func (p *parser) parse(data []byte) (*Source, error) {
	p.reset()
	var err error
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		err = fmt.Errorf("%w: the file is empty", ErrNothing)
	case isDER(data):
		err = p.addDER(data)
	case bytes.Contains(data, []byte(dashes)):
		err = p.addPEM(data)
	default:
		err = foreign(data)
	}
	if err != nil {
		return nil, err
	}
	return p.finish()
}

// finish sorts out what belongs to what.
func (p *parser) finish() (*Source, error) {
	s := &p.source
	if len(s.certs) == 0 {
		if len(s.keys) > 0 {
			return s, nil
		}
		if len(s.passed) > 0 {
			return nil, fmt.Errorf("%w: only %s", ErrNothing, strings.Join(slices.Compact(s.passed), ", "))
		}
		return nil, ErrNothing
	}
	if err := s.relate(); err != nil {
		return nil, err
	}
	for _, k := range s.keys {
		if k.kind == certRequest {
			s.warn("the certificate request%s is passed over: there is a certificate", inLine(k.line))
		} else if !s.has(k) {
			return nil, fmt.Errorf("line %d: the %s does not belong to the certificate", k.line, k.kind)
		}
	}
	return s, nil
}

func (s *Source) warn(format string, args ...any) {
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
}

func (p *parser) addPEM(data []byte) error {
	for r := newPEMReader(data); ; {
		b, ok, err := r.next()
		if err != nil {
			return err
		}
		if !ok {
			return nil
		}
		if err := p.addBlock(&b); err != nil {
			return err
		}
	}
}

// addBlock adds one PEM object. The certificate is the first case because it
// is the everyday one.
func (p *parser) addBlock(b *block) error {
	if string(b.label) == "CERTIFICATE" {
		return p.addCached(b)
	}
	if strings.HasSuffix(string(b.label), "PRIVATE KEY") && b.encrypted() {
		return fmt.Errorf("line %d: %w", b.line, p.encrypted())
	}
	kind, known := kindOf(string(b.label))
	if !known {
		if strings.HasSuffix(string(b.label), "PRIVATE KEY") {
			return b.fault(errKeyUnknown.Error())
		}
		p.source.passed = append(p.source.passed, string(b.label))
		return nil
	}
	der, err := p.decode(b)
	if err == nil {
		if err = p.add(kind, der, b.line); err != nil {
			err = fmt.Errorf("line %d: %s: %w", b.line, b.label, err)
		}
	}
	return err
}

func (p *parser) encrypted() error {
	return hinted(errEncrypted, "nothing here asks for a passphrase: decrypt the key, or give the certificate or the public key alone")
}

// decode gives the bytes of an object, in the parser's buffer.
func (p *parser) decode(b *block) ([]byte, error) {
	start := len(p.buffer)
	buffer, err := b.decode(p.buffer)
	p.buffer = buffer
	return buffer[start:len(buffer):len(buffer)], err
}

// addCached adds a certificate, unless its text is that of an issuer that is
// known. The first of a file is hardly ever one.
func (p *parser) addCached(b *block) error {
	if p.cache != nil && len(p.source.certs) > 0 {
		if c := p.cache.find(b); c != nil {
			p.source.certs = append(p.source.certs, c)
			return nil
		}
	}
	der, err := p.decode(b)
	if err != nil {
		return err
	}
	if err := p.addCertificate(der, b.line); err != nil {
		return b.fault(err.Error())
	}
	if certs := p.source.certs; p.cache != nil && len(certs) > 1 {
		certs[len(certs)-1] = p.cache.keep(b, certs[len(certs)-1])
	}
	return nil
}

func (p *parser) addCertificate(der []byte, line int) error {
	var c *certificate
	if n := len(p.spare); n > 0 {
		c, p.spare = p.spare[n-1], p.spare[:n-1]
	} else {
		c = new(certificate)
	}
	if err := c.read(der); err != nil {
		return err
	}
	c.line = line
	p.source.certs = append(p.source.certs, c)
	return nil
}

// addTrusted adds what OpenSSL calls a trusted certificate: settings for its
// own use follow the certificate, and are no part of it.
func (p *parser) addTrusted(der []byte, line int) error {
	input := cryptobyte.String(der)
	var cert cryptobyte.String
	if !input.ReadASN1Element(&cert, asn1.SEQUENCE) {
		return errors.New("not a DER certificate")
	}
	return p.addCertificate(cert, line)
}

func (p *parser) addBundle(der []byte, line int) error {
	certs, err := readPKCS7(der)
	for _, c := range certs {
		if err == nil {
			err = p.addCertificate(c, line)
		}
	}
	return err
}

func (p *parser) addKey(read func(der []byte) (key, error), der []byte, line int) error {
	k, err := read(der)
	if err != nil {
		return err
	}
	k.line = line
	p.source.keys = append(p.source.keys, k)
	return nil
}
