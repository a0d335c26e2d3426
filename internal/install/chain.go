package install

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tlsamgr/tlsamgr/dane"
)

// bundle is a chain with its key, checked and in order.
type bundle struct {
	chain *dane.Chain
	key   privateKey
}

// newBundle reads a Pair: the key must belong to a certificate of the chain,
// which becomes its first.
func newBundle(p Pair) (bundle, error) {
	key, err := readKey(p.Key)
	if err != nil {
		return bundle{}, fmt.Errorf("%s: %w", p.keyName(), err)
	}
	ders, err := readCertificates(p.Chain)
	if err != nil {
		return bundle{}, fmt.Errorf("%s: %w", p.name(), err)
	}
	i := slices.IndexFunc(ders, key.belongs)
	if i < 0 {
		return bundle{}, hinted(fmt.Errorf("%s: the private key belongs to no certificate of %s", p.keyName(), p.name()), "hand over the key and the chain of one and the same order")
	}
	ders, err = inOrder(ders, i)
	if err != nil {
		return bundle{}, fmt.Errorf("%s: %w", p.name(), err)
	}
	chain, err := dane.NewChain(ders...)
	if err != nil {
		return bundle{}, fmt.Errorf("%s: %w", p.name(), err)
	}
	return bundle{chain: chain, key: key}, nil
}

// readCertificates gives the certificates of a PEM file, each once. A private
// key beside them is passed over: some clients write both into one file.
func readCertificates(text []byte) ([][]byte, error) {
	blocks, err := readPEM(text)
	if err != nil {
		return nil, err
	}
	var ders [][]byte
	for _, b := range blocks {
		switch {
		case strings.HasSuffix(b.Type, "PRIVATE KEY"), strings.HasSuffix(b.Type, "PARAMETERS"):
			continue
		case b.Type != "CERTIFICATE" && b.Type != "X509 CERTIFICATE":
			return nil, fmt.Errorf("it holds a PEM object %s, which is no certificate", b.Type)
		case len(b.Headers) > 0:
			return nil, errors.New("a certificate has encryption headers")
		}
		if _, err := dane.SubjectPublicKeyInfo(b.Bytes); err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(ders)+1, err)
		}
		if !slices.ContainsFunc(ders, func(der []byte) bool { return bytes.Equal(der, b.Bytes) }) {
			ders = append(ders, b.Bytes)
		}
	}
	if len(ders) == 0 {
		return nil, errors.New("there is no certificate in it")
	}
	return ders, nil
}

// inOrder puts the leaf first and each issuer behind the certificate it issued
// (RFC 8446, Section 4.4.2), then further CA certificates as they came: they
// may be cross-signed ones. Another server's certificate has no place in it.
func inOrder(ders [][]byte, leaf int) ([][]byte, error) {
	certificates := make([]*x509.Certificate, len(ders))
	for i, der := range ders {
		c, err := x509.ParseCertificate(der)
		if err != nil && leaf == 0 {
			return ders, nil // cannot be judged here; senders may well be able to, so the given order stays
		}
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", i+1, err)
		}
		certificates[i] = c
	}
	first := certificates[leaf]
	order := slices.Insert(slices.Delete(certificates, leaf, leaf+1), 0, first)
	for i := 1; i < len(order); i++ {
		next := slices.IndexFunc(order[i:], func(c *x509.Certificate) bool { return issued(order[i-1], c) })
		if next < 0 {
			break
		}
		issuer := order[i+next]
		order = slices.Insert(slices.Delete(order, i+next, i+next+1), i, issuer)
	}
	sorted := make([][]byte, len(order))
	for i, c := range order {
		if i > 0 && c.Version == 3 && !c.IsCA && !issued(order[i-1], c) {
			return nil, fmt.Errorf("the certificate of %q is neither the server's nor that of an issuer", c.Subject)
		}
		sorted[i] = c.Raw
	}
	return sorted, nil
}

// issued says whether a certificate was issued with the key of another. A
// signature algorithm that Go does not verify leaves the names to decide.
func issued(c, issuer *x509.Certificate) bool {
	if !bytes.Equal(c.RawIssuer, issuer.RawSubject) {
		return false
	}
	err := issuer.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
	var insecure x509.InsecureAlgorithmError
	return err == nil || errors.As(err, &insecure) || errors.Is(err, x509.ErrUnsupportedAlgorithm)
}

// encodeCertificates writes certificates as PEM.
func encodeCertificates(ders [][]byte) []byte {
	var out []byte
	for _, der := range ders {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return out
}
