package install

import "github.com/tlsamgr/tlsamgr/dane"

// Parse checks a pair as Stage does, without writing anything, and gives its
// chain: the leaf that the key belongs to first, then its issuers.
func (p Pair) Parse() (*dane.Chain, error) {
	b, err := newBundle(p)
	if err != nil {
		return nil, err
	}
	return b.chain, nil
}
