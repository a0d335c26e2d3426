package rollover

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// pool is a stock of real certificates: two authorities, some keys of two
// algorithms, and any number of certificates for each.
type pool struct {
	authorities [2]authority
	keys        [2][16]crypto.Signer // ECDSA P-256, Ed25519
	chains      map[string]*dane.Chain
	mu          sync.Mutex
	serial      int64
}

type authority struct {
	key  crypto.Signer
	cert *x509.Certificate
}

var stock = sync.OnceValue(func() *pool {
	p := &pool{chains: map[string]*dane.Chain{}}
	for i := range p.authorities {
		key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		t := p.template(fmt.Sprintf("Issuing CA %d", i))
		t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign
		der := must(x509.CreateCertificate(rand.Reader, t, t, key.Public(), key))
		p.authorities[i] = authority{key, must(x509.ParseCertificate(der))}
	}
	for i := range p.keys[0] {
		p.keys[0][i] = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		_, p.keys[1][i], _ = ed25519.GenerateKey(rand.Reader)
	}
	return p
})

func (p *pool) template(cn string) *x509.Certificate {
	p.serial++
	return &x509.Certificate{SerialNumber: big.NewInt(p.serial), Subject: pkix.Name{CommonName: cn},
		NotBefore: epoch.Add(-10 * 365 * 24 * time.Hour), NotAfter: epoch.Add(50 * 365 * 24 * time.Hour)}
}

// chain gives the nth certificate of a key from an authority.
func (p *pool) chain(algorithm, key, authority, nth int) *dane.Chain {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := fmt.Sprint(algorithm, key, authority, nth)
	if c := p.chains[id]; c != nil {
		return c
	}
	t := p.template("")
	t.DNSNames = []string{"mx1.a.example", "mx2.a.example", "mx1.b.example"}
	a := p.authorities[authority]
	der := must(x509.CreateCertificate(rand.Reader, t, a.cert, p.keys[algorithm][key].Public(), a.key))
	c := must(dane.NewChain(der, a.cert.Raw))
	p.chains[id] = c
	return c
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// params reads parameter combinations.
func params(t testing.TB, specs ...string) []dane.Params {
	t.Helper()
	var out []dane.Params
	for _, s := range specs {
		p, err := dane.ParseParams(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// recordsOf gives the records of chains, sorted.
func recordsOf(t testing.TB, params []dane.Params, chains ...*dane.Chain) []dane.Record {
	var out []dane.Record
	for _, c := range chains {
		for _, p := range params {
			out = append(out, must(c.Records(p))...)
		}
	}
	return dane.SortRecords(out)
}

// changeOf removes records.
func changeOf(owner string, remove []dane.Record) dane.Change {
	return dane.Change{Owner: owner, Remove: remove}
}
