package dane

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Parse reads the presentation form of a record's rdata: three numbers, the
// three digits in one word ("311"), RFC 7218 words ("DANE-EE SPKI SHA2-256"),
// then hex in any case and any number of groups; parentheses around any of it,
// or the generic form of RFC 3597, Section 5 ("\# 35 030101…"). Errors match
// ErrSyntax.
func Parse(text string) (Record, error) {
	if strings.Count(text, "(") != strings.Count(text, ")") {
		return Record{}, fmt.Errorf("%w: a parenthesis is missing", ErrSyntax)
	}
	fields := strings.Fields(strings.NewReplacer("(", " ", ")", " ").Replace(text))
	if len(fields) > 0 && fields[0] == `\#` {
		return parseGeneric(fields[1:])
	}
	p, rest, err := parseParams(fields)
	if err != nil {
		return Record{}, err
	}
	data, err := parseHex(rest, maxData)
	if err != nil {
		return Record{}, err
	}
	return Record{Params: p, data: data}, nil
}

// ParseParams reads "3 1 1", "311" or "DANE-EE SPKI SHA2-256" (any case).
// Errors match ErrSyntax.
func ParseParams(text string) (Params, error) {
	p, rest, err := parseParams(strings.Fields(text))
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%w: %.40q follows %s", ErrSyntax, strings.Join(rest, " "), p)
	}
	return p, err
}

// parseParams reads the parameters and gives the fields after them: three
// fields if they can be read so, else three digits in one word. A word such as
// "211" is a usage only when selector and matching type follow; "311" cannot
// be one.
func parseParams(fields []string) (Params, []string, error) {
	p, err := threeFields(fields)
	if err == nil {
		return p, fields[3:], nil
	}
	if len(fields) > 0 && len(fields[0]) == 3 {
		w := fields[0]
		if p := (Params{Usage(w[0] - '0'), Selector(w[1] - '0'), Matching(w[2] - '0')}); p.Assigned() {
			return p, fields[1:], nil
		}
	}
	return Params{}, nil, err
}

// threeFields reads the parameters from the first three fields.
func threeFields(fields []string) (Params, error) {
	if len(fields) < 3 {
		return Params{}, fmt.Errorf("%w: usage, selector and matching type expected, got %.40q", ErrSyntax, strings.Join(fields, " "))
	}
	usage, err := usageWords.parse(fields[0])
	if err != nil {
		return Params{}, err
	}
	selector, err := selectorWords.parse(fields[1])
	if err != nil {
		return Params{}, err
	}
	matching, err := matchingWords.parse(fields[2])
	return Params{Usage(usage), Selector(selector), Matching(matching)}, err
}

// parse reads a number from 0 to 255 or a word in any case.
func (r registry) parse(field string) (uint8, error) {
	if n, ok := number(field); ok {
		return n, nil
	}
	if strings.EqualFold(field, r.private) {
		return 255, nil
	}
	for i, w := range r.words {
		if strings.EqualFold(field, w) {
			return uint8(i), nil
		}
	}
	return 0, fmt.Errorf("%w: %s %.40q is neither a number from 0 to 255 nor one of %s", ErrSyntax, r.field, field, strings.Join(r.words, ", "))
}

// number reads a decimal number from 0 to 255.
func number(field string) (uint8, bool) {
	n, err := strconv.ParseUint(field, 10, 8)
	return uint8(n), err == nil && len(field) <= 3
}

// parseGeneric reads the fields after "\#" (RFC 3597, Section 5).
func parseGeneric(fields []string) (Record, error) {
	if len(fields) == 0 {
		return Record{}, fmt.Errorf(`%w: \# without a length`, ErrSyntax)
	}
	length, err := strconv.ParseUint(fields[0], 10, 16)
	if err != nil {
		return Record{}, fmt.Errorf(`%w: length %.40q after \#`, ErrSyntax, fields[0])
	}
	data, err := parseHex(fields[1:], maxData+3)
	if err != nil {
		return Record{}, err
	}
	if uint64(len(data)) != length {
		return Record{}, fmt.Errorf(`%w: \# announces %d octets, %d follow`, ErrSyntax, length, len(data))
	}
	if len(data) < 3 {
		return Record{}, fmt.Errorf("%w: %d octets of rdata, at least 3 needed", ErrSyntax, len(data))
	}
	return Record{Params: Params{Usage(data[0]), Selector(data[1]), Matching(data[2])}, data: data[3:]}, nil
}

// parseHex joins groups of hex digits and decodes at most limit octets.
func parseHex(groups []string, limit int) (string, error) {
	digits := strings.Join(groups, "")
	if digits == "" {
		return "", fmt.Errorf("%w: no association data", ErrSyntax)
	}
	if len(digits) > 2*limit {
		return "", fmt.Errorf("%w: %d hex digits are more than a DNS message holds", ErrSyntax, len(digits))
	}
	data, err := hex.DecodeString(digits)
	if err != nil {
		return "", fmt.Errorf("%w: association data: %v", ErrSyntax, err)
	}
	return string(data), nil
}
