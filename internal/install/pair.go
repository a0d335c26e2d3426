package install

import (
	"cmp"
	"fmt"
	"log/slog"
)

// Pair is one certificate chain and its private key, as they are handed over.
// It prints as its sizes only, so that no key can end up in a log.
type Pair struct {
	Name    string // where the chain comes from, for messages; may be empty
	KeyName string // where the key comes from
	Chain   []byte // PEM: the server's certificate and its issuers, in any order
	Key     []byte // PEM: the private key, not encrypted
}

func (p Pair) name() string    { return cmp.Or(p.Name, "certificate file") }
func (p Pair) keyName() string { return cmp.Or(p.KeyName, "key file") }

// Format prints the sizes, whatever the verb.
func (p Pair) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "[%s: %d octets, key redacted]", p.name(), len(p.Chain))
}

// LogValue is what a log shows.
func (p Pair) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(p)) }
