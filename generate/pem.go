package generate

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// block is one PEM object of a text. Its fields are parts of the text.
type block struct {
	label []byte
	body  []byte // the lines between BEGIN and END
	text  []byte // all of it, from BEGIN to END
	line  int    // of its BEGIN
}

// The marks around a PEM object (RFC 7468, Section 2).
const (
	beginMark = "-----BEGIN "
	endMark   = "-----END "
	dashes    = "-----"
)

// pemReader steps through the PEM objects of a text. It is stricter than
// encoding/pem, which skips what it cannot read: the certificate that is lost
// might be the leaf, and the next one, a CA's, would be taken for it.
type pemReader struct {
	data []byte
	at   int // where the next object is looked for
	line int // number of the line that at is in, from 1
}

func newPEMReader(data []byte) *pemReader {
	// Some editors put a byte order mark in front of the first line.
	return &pemReader{data: bytes.TrimPrefix(data, []byte("\ufeff")), line: 1}
}

// next gives the next object; ok is false at the end of the text. Text around
// objects is allowed (RFC 7468, Section 2), half of an object is not.
func (r *pemReader) next() (b block, ok bool, err error) {
	rest := r.data[r.at:]
	begin := bytes.Index(rest, []byte(beginMark))
	if begin < 0 {
		r.at = len(r.data)
		return block{}, false, r.checkText(rest)
	}
	if err := r.checkText(rest[:begin]); err != nil {
		return block{}, false, err
	}
	r.line += bytes.Count(rest[:begin], []byte("\n"))
	r.at += begin
	b = block{line: r.line}
	if begin > 0 && rest[begin-1] != '\n' {
		return block{}, false, r.damaged("text before a BEGIN mark in its line")
	}
	size, err := b.cut(rest[begin:])
	if err != nil {
		return block{}, false, r.damaged(err.Error())
	}
	r.line += bytes.Count(b.text, []byte("\n"))
	r.at += size
	return b, true, nil
}

func (r *pemReader) damaged(what string) error {
	return fmt.Errorf("line %d: damaged PEM: %s", r.line, what)
}

// checkText refuses text between objects that was once part of one.
func (r *pemReader) checkText(text []byte) error {
	if !bytes.Contains(text, []byte("--")) {
		return nil
	}
	number := r.line
	for line := range bytes.Lines(text) {
		if bytes.Contains(line, []byte("--")) && (bytes.Contains(line, []byte("BEGIN")) || bytes.Contains(line, []byte("END"))) {
			return fmt.Errorf("line %d: damaged PEM: a BEGIN or END mark without its other half", number)
		}
		number++
	}
	return nil
}

// cut takes one object off the front of a text that starts with its BEGIN mark,
// and gives the number of bytes that belong to it.
func (b *block) cut(text []byte) (size int, err error) {
	first, rest := cutLine(text)
	label, closed := bytes.CutSuffix(trimEnd(first), []byte(dashes))
	if b.label = label[min(len(beginMark), len(label)):]; !closed || !isLabel(b.label) {
		return 0, errors.New("broken BEGIN line")
	}
	// Base64 has no hyphen: the first five belong to the END line.
	end := bytes.Index(rest, []byte(dashes))
	if end < 0 {
		return 0, fmt.Errorf("%s without an END line", b.label)
	}
	b.body = rest[:end]
	last, _ := cutLine(rest[end:])
	b.text = text[:len(first)+end+len(last)]
	mark := trimEnd(last)
	switch {
	case end > 0 && rest[end-1] != '\n':
		return 0, fmt.Errorf("%s without an END line of its own", b.label)
	case bytes.HasPrefix(mark, []byte(beginMark)):
		return 0, fmt.Errorf("a second BEGIN before the END of %s", b.label)
	case len(mark) != len(endMark)+len(b.label)+len(dashes), !bytes.HasPrefix(mark, []byte(endMark)),
		!bytes.HasPrefix(mark[len(endMark):], b.label), !bytes.HasSuffix(mark, []byte(dashes)):
		return 0, fmt.Errorf("the END line does not fit BEGIN %s", b.label)
	}
	return len(b.text), nil
}

// cutLine splits a text after its first line, whose end stays with it.
func cutLine(text []byte) (line, rest []byte) {
	end := bytes.IndexByte(text, '\n') + 1
	if end == 0 {
		end = len(text)
	}
	return text[:end], text[end:]
}

// trimEnd cuts the line's end off, LF or CR LF, and the blanks before it.
func trimEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	for len(line) > 0 && (line[len(line)-1] == ' ' || line[len(line)-1] == '\t') {
		line = line[:len(line)-1]
	}
	return line
}

// isLabel says whether a label can be printed and told from a second mark.
func isLabel(label []byte) bool {
	return len(label) > 0 && len(label) <= 64 && !bytes.Contains(label, []byte("--")) &&
		!slices.ContainsFunc(label, func(c byte) bool { return c < ' ' || c > '~' })
}

// headers says whether the object has lines like "Proc-Type: 4,ENCRYPTED".
func (b *block) headers() bool { return bytes.IndexByte(b.body, ':') >= 0 }

// encrypted says whether the headers or the label say that a passphrase is needed.
func (b *block) encrypted() bool {
	return string(b.label) == "ENCRYPTED PRIVATE KEY" || b.headers() && bytes.Contains(b.body, []byte("ENCRYPTED"))
}

// whitespace may stand anywhere in the base64 (RFC 7468, Section 3).
const whitespace = " \t\r\n\v\f"

// decode appends what the base64 says to dst. It works line by line, which is
// several times as fast as reading around the line ends.
func (b *block) decode(dst []byte) ([]byte, error) {
	if b.headers() {
		return dst, b.fault("has headers, which " + string(b.label) + " objects do not have")
	}
	start := len(dst)
	// The decoder reads eight characters at once while there is room for them.
	dst = slices.Grow(dst, base64.StdEncoding.DecodedLen(len(b.body))+8)
	for rest := b.body; len(rest) > 0; {
		var line []byte
		line, rest = cutLine(rest)
		line = trimEnd(line)
		n, err := base64.StdEncoding.Decode(dst[len(dst):cap(dst)], line)
		if err != nil || n*4 != len(line)*3 && len(rest) > 0 {
			return b.decodeOdd(dst[:start])
		}
		dst = dst[:len(dst)+n]
	}
	return dst, b.empty(dst[start:])
}

func (b *block) empty(decoded []byte) error {
	if len(decoded) == 0 {
		return b.fault("is empty")
	}
	return nil
}

// decodeOdd is decode for any layout: lines of any length, blanks anywhere.
func (b *block) decodeOdd(dst []byte) ([]byte, error) {
	packed := bytes.Map(func(c rune) rune {
		if strings.ContainsRune(whitespace, c) {
			return -1
		}
		return c
	}, b.body)
	out, err := base64.StdEncoding.AppendDecode(dst, packed)
	if err != nil {
		return dst, b.fault("has damaged base64")
	}
	return out, b.empty(out[len(dst):])
}

// fault names the object in an error. Its content stays out: it may be a key.
func (b *block) fault(what string) error {
	return fmt.Errorf("line %d: %s: %s", b.line, b.label, what)
}
