package generate

import "bytes"

// The limits of an issuerCache.
const (
	maxCached     = 64       // certificates
	maxCachedText = 16 << 10 // bytes of PEM of one
)

// issuerCache keeps CA certificates by their PEM text. It belongs to one
// goroutine.
type issuerCache struct{ byText map[string]*certificate }

func newIssuerCache() *issuerCache { return &issuerCache{map[string]*certificate{}} }

// find gives the certificate of a PEM object, nil when it is not known.
func (c *issuerCache) find(b *block) *certificate { return c.byText[string(b.text)] }

// keep takes in a certificate that may turn up again, and gives it with
// memory of its own: the parser will use its buffer for something else.
func (c *issuerCache) keep(b *block, cert *certificate) *certificate {
	if !cert.ca || len(b.text) > maxCachedText {
		return cert
	}
	own := new(certificate)
	if err := own.read(bytes.Clone(cert.der)); err != nil {
		return cert
	}
	own.keepBound()
	own.cached = true
	if len(c.byText) >= maxCached {
		clear(c.byText)
	}
	c.byText[string(b.text)] = own
	return own
}
