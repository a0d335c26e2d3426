package dane

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// maxDepth is how far above the leaf a trust anchor may be: what Postfix
	// allows (smtp_tls_scert_verifydepth).
	maxDepth = 9
	// maxCandidates bounds how many certificates are considered as issuers, so
	// that a server cannot make a sender work by sending many.
	maxCandidates = 100
)

// steps are the positions in a chain of the certificates on the way up from
// the leaf.
type steps struct {
	at [maxDepth + 1]uint8
	n  int
}

// route is a way up from the leaf: each certificate is followed by its issuer.
type route struct {
	certs []*certificate
	// faults says for each certificate why it cannot be a trust anchor for
	// the leaf, whatever the time and the name; empty: it can.
	faults []string
}

// route gives the way up from the leaf at a time, without any certificate
// that was not sent.
func (c *Chain) route(now time.Time) *route {
	s := climb(c.certs, now)
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.routes[s]
	if r == nil {
		r = newRoute(c.certs, s)
		c.routes[s] = r
	}
	return r
}

// climb goes up from the first certificate of a pool, from issuer to issuer,
// as OpenSSL does (and so Postfix and Exim): the order in the pool decides
// only between several possible issuers, of which the first valid one is taken.
func climb(pool []*certificate, now time.Time) steps {
	s := steps{n: 1}
	for s.n <= maxDepth {
		top := pool[s.at[s.n-1]]
		if top.mayIssue(top) {
			break // self-signed
		}
		i := issuerOf(top, pool, s, now)
		if i < 0 {
			break
		}
		s.at[s.n] = uint8(i)
		s.n++
	}
	return s
}

// issuerOf picks the issuer of a certificate among those not yet on the way:
// the first that is valid now, else the first; -1 when there is none.
func issuerOf(top *certificate, pool []*certificate, s steps, now time.Time) int {
	first := -1
	for i, candidate := range pool[:min(len(pool), maxCandidates)] {
		if slices.Contains(s.at[:s.n], uint8(i)) || !candidate.mayIssue(top) {
			continue
		}
		if candidate.outside(now) == "" {
			return i
		}
		if first < 0 {
			first = i
		}
	}
	return first
}

// mayIssue says whether a certificate looks like the issuer of another one, by
// its name and its key identifier. Names are equal when their bytes are.
func (c *certificate) mayIssue(child *certificate) bool {
	if !bytes.Equal(c.subject, child.issuer) {
		return false
	}
	x, err := c.x509()
	y, childErr := child.x509()
	if err != nil || childErr != nil {
		return true // newRoute says what is wrong with it
	}
	return len(y.AuthorityKeyId) == 0 || len(x.SubjectKeyId) == 0 || bytes.Equal(x.SubjectKeyId, y.AuthorityKeyId)
}

// signed checks that a certificate is allowed to sign others and has signed
// this one, with an algorithm that is not broken.
func (c *certificate) signed(child *certificate) error {
	x, err := c.x509()
	if err != nil {
		return err
	}
	y, err := child.x509()
	if err != nil {
		return err
	}
	if x.Version < 3 && !bytes.Equal(x.RawSubject, x.RawIssuer) {
		return errors.New("a certificate of version 1 or 2 is no CA")
	}
	return y.CheckSignatureFrom(x)
}

// outside says that a certificate is not valid at a time, and why.
func (c *certificate) outside(now time.Time) string {
	const day = "2006-01-02"
	switch {
	case now.Before(c.notBefore):
		return "is not valid before " + c.notBefore.Format(day)
	case now.After(c.notAfter):
		return "expired on " + c.notAfter.Format(day)
	}
	return ""
}

// newRoute examines every certificate on a way up; a fault of one is a fault
// of all above it.
func newRoute(pool []*certificate, s steps) *route {
	r := &route{faults: make([]string, s.n)}
	for _, i := range s.at[:s.n] {
		r.certs = append(r.certs, pool[i])
	}
	for depth := range r.certs {
		if depth > 0 && r.faults[depth-1] != "" {
			r.faults[depth] = r.faults[depth-1]
		} else if err := r.examine(depth); err != nil {
			r.faults[depth] = place(depth) + " " + err.Error()
		}
	}
	return r
}

// place names a certificate by its depth.
func place(depth int) string {
	if depth == 0 {
		return "the leaf"
	}
	return fmt.Sprintf("the certificate at depth %d", depth)
}

// examine checks what path validation asks of the certificate at a depth (RFC
// 5280, Section 6.1), but for the dates: RFC 6698, Section 2.1.1 demands a
// valid path to a trust anchor of usage 2.
func (r *route) examine(depth int) error {
	x, err := r.certs[depth].x509()
	if err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	if len(x.UnhandledCriticalExtensions) > 0 {
		return fmt.Errorf("has a critical extension %s that is not understood", x.UnhandledCriticalExtensions[0])
	}
	if err := forServers(x); err != nil {
		return err
	}
	if depth == 0 {
		const tls = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement
		if x.KeyUsage != 0 && x.KeyUsage&tls == 0 {
			return errors.New("has a key usage that does not allow TLS")
		}
		return nil
	}
	if err := r.certs[depth].signed(r.certs[depth-1]); err != nil {
		return fmt.Errorf("did not sign %s: %w", place(depth-1), err)
	}
	if below := r.intermediates(depth); x.BasicConstraintsValid && x.MaxPathLen >= 0 && below > x.MaxPathLen {
		return fmt.Errorf("allows %d CA certificates below it, there are %d", x.MaxPathLen, below)
	}
	if err := r.constrained(depth); err != nil {
		return fmt.Errorf("constrains names: %w", err)
	}
	return nil
}

// forServers checks that the extended key usage, where there is one, allows
// TLS servers. It binds CA certificates as well, and "any" is not enough: so
// OpenSSL has it.
func forServers(x *x509.Certificate) error {
	if len(x.ExtKeyUsage)+len(x.UnknownExtKeyUsage) == 0 {
		return nil
	}
	for _, usage := range x.ExtKeyUsage {
		switch usage {
		case x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageMicrosoftServerGatedCrypto, x509.ExtKeyUsageNetscapeServerGatedCrypto:
			return nil
		}
	}
	return errors.New("has an extended key usage that does not allow TLS servers")
}

// intermediates counts the CA certificates between the leaf and a depth, not
// counting those that a CA issued to itself (RFC 5280, Section 4.2.1.9).
func (r *route) intermediates(depth int) (n int) {
	for _, c := range r.certs[1:depth] {
		if !bytes.Equal(c.subject, c.issuer) {
			n++
		}
	}
	return n
}

// constrained checks the name constraints of the certificates up to a depth
// (RFC 5280, Section 4.2.1.10). crypto/x509 knows how, but only as a part of
// its own verification, so that is asked where there are any.
func (r *route) constrained(depth int) error {
	options := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	found := false
	for i, c := range r.certs[:depth+1] {
		x, err := c.x509()
		if err != nil {
			return err
		}
		found = found || i > 0 && slices.ContainsFunc(x.Extensions, isNameConstraints)
		if i == depth {
			options.Roots.AddCert(x)
		} else if i > 0 {
			options.Intermediates.AddCert(x)
		}
		// A time at which all are valid, if there is one: the date is not the question here.
		if options.CurrentTime.Before(x.NotBefore) {
			options.CurrentTime = x.NotBefore
		}
	}
	if !found {
		return nil
	}
	leaf, err := r.certs[0].x509()
	if err != nil {
		return err
	}
	if len(leaf.DNSNames) == 0 {
		return errors.New("the leaf has no DNS names to compare") // OpenSSL takes common names, crypto/x509 nothing
	}
	_, err = leaf.Verify(options)
	return err
}

func isNameConstraints(e pkix.Extension) bool { return e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 30}) }

// distrust says why the certificate at a depth does not vouch for the leaf at
// a time and for none of the names; empty: it does.
func (r *route) distrust(depth int, c *Chain, o Options) string {
	if r.faults[depth] != "" {
		return r.faults[depth]
	}
	for d, cert := range r.certs[:depth+1] {
		if why := cert.outside(o.Now); why != "" {
			return place(d) + " " + why
		}
	}
	if !slices.ContainsFunc(o.Names, c.Covers) {
		return fmt.Sprintf("the leaf is for %q and not for %q", c.names(), o.Names)
	}
	return ""
}

// signedByKey says whether the topmost certificate was signed with a bare key.
func (r *route) signedByKey(spki string) bool {
	key, err := x509.ParsePKIXPublicKey([]byte(spki))
	if err != nil {
		return false
	}
	top, err := r.certs[len(r.certs)-1].x509()
	if err != nil {
		return false
	}
	// A key in the dress of a certificate without constraints. Only PublicKey is
	// looked at; the algorithm must merely be a known one.
	return top.CheckSignatureFrom(&x509.Certificate{Version: 1, PublicKey: key, PublicKeyAlgorithm: x509.RSA}) == nil
}
