package install

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// maxPEM bounds what is handed over as one file, and maxBlocks how many
// objects it may hold: a chain is a handful of certificates.
const (
	maxPEM    = 1 << 20
	maxBlocks = 32
)

// errNoPEM says that there is not one PEM object.
var errNoPEM = errors.New("no PEM object in it")

// readPEM gives every object of a PEM file. Unlike encoding/pem it skips no
// damaged one: the certificate that is lost might be the server's own. Text
// around the objects is allowed (RFC 7468, Section 2).
func readPEM(text []byte) ([]*pem.Block, error) {
	if len(text) > maxPEM {
		return nil, fmt.Errorf("%d octets are more than the %d allowed", len(text), maxPEM)
	}
	var blocks []*pem.Block
	open, label, number := []byte(nil), "", 0
	for line := range bytes.Lines(text) {
		number++
		mark := strings.TrimRight(string(line), " \t\r\n")
		switch {
		case strings.HasPrefix(mark, "-----BEGIN ") && label == "":
			if open, label = line, boundary(mark, "-----BEGIN "); label == "" {
				return nil, fmt.Errorf("line %d: broken BEGIN line", number)
			}
		case strings.HasPrefix(mark, "-----END ") && label != "":
			block, err := decodeBlock(append(bytes.Clone(open), line...), label)
			if err != nil || boundary(mark, "-----END ") != label {
				return nil, fmt.Errorf("line %d: damaged PEM object %s", number, label)
			}
			blocks, open, label = append(blocks, block), nil, ""
		case strings.HasPrefix(mark, "-----"):
			return nil, fmt.Errorf("line %d: %q does not belong here: a PEM object is damaged", number, clip(mark))
		case label != "":
			open = append(bytes.Clone(open), line...)
		}
	}
	return blocks, closed(blocks, label)
}

// closed says what is wrong at the end of a PEM file.
func closed(blocks []*pem.Block, label string) error {
	switch {
	case label != "":
		return fmt.Errorf("the PEM object %s has no END line", label)
	case len(blocks) == 0:
		return errNoPEM
	case len(blocks) > maxBlocks:
		return fmt.Errorf("%d PEM objects are more than the %d allowed", len(blocks), maxBlocks)
	}
	return nil
}

// boundary gives the label of a BEGIN or END line, "" when it is none.
func boundary(mark, prefix string) string {
	label, ok := strings.CutSuffix(strings.TrimPrefix(mark, prefix), "-----")
	if !ok || len(label) > 64 || strings.ContainsAny(label, "-\"\x00") {
		return ""
	}
	return label
}

// decodeBlock decodes the text of exactly one object.
func decodeBlock(text []byte, label string) (*pem.Block, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != label || len(bytes.TrimSpace(rest)) > 0 || len(block.Bytes) == 0 {
		return nil, errNoPEM
	}
	return block, nil
}

// clip shortens a line for a message; quoting is left to the caller.
func clip(line string) string {
	if len(line) > 40 {
		return line[:40] + "…"
	}
	return line
}
