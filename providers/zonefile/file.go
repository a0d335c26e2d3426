package zonefile

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/tlsamgr/tlsamgr/dane"
)

// The marks between which records may come and go, each on a line of its own.
const (
	Begin = "; BEGIN tlsamgr"
	End   = "; END tlsamgr"
)

// Header is the first line of an included file that holds nothing but records
// of tlsamgr.
const Header = "; Records of tlsamgr. Do not edit: other lines are refused."

// File is the text of a zone file, cut at the places that may change. It is
// immutable.
type File struct {
	name   string
	text   []byte
	eol    string  // how its lines end
	serial token   // the digits of the SOA serial; none in an included file
	block  span    // the lines that belong to tlsamgr
	marked bool    // the marks are there; never in an included file
	lines  []owned // the records in the block
	places []place // the records of the text, those in the block included
}

// owned is a record between the marks and the whole line it stands on.
type owned struct {
	Line
	at span
}

// Parse cuts a zone file whose first origin is the zone's name, absolute and
// lower case. The SOA record must be in the text itself. All errors are
// *Error.
func Parse(name, zone string, text []byte) (*File, error) {
	f, marks, err := cut(name, zone, text)
	if err == nil {
		err = f.findMarks(marks)
	}
	if err == nil {
		err = f.findSerial(zone)
	}
	if err == nil {
		err = f.readBlock()
	}
	return f.orError(err)
}

// ParseIncluded cuts a file that a zone file includes and that holds nothing
// but records of tlsamgr. All errors are *Error.
func ParseIncluded(name string, text []byte) (*File, error) {
	f, _, err := cut(name, ".", text)
	if err == nil {
		f.block = span{0, len(text)}
		err = f.readBlock()
	}
	return f.orError(err)
}

// orError ends the parsing: the file, or an error that names it.
func (f *File) orError(err error) (*File, error) {
	var e *Error
	if errors.As(err, &e) {
		e.File = f.name
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

func cut(name, zone string, text []byte) (*File, []comment, error) {
	f := &File{name: name, text: text, eol: "\n"}
	if i := bytes.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		f.eol = "\r\n"
	}
	s, err := scan(text)
	if err != nil {
		return f, nil, err
	}
	f.places = resolve(s.entries, zone)
	return f, s.comments, nil
}

// Serial gives the serial of the SOA record, 0 for an included file.
func (f *File) Serial() uint32 {
	n, _ := strconv.ParseUint(f.serial.text, 10, 32) // findSerial has checked it
	return uint32(n)
}

// Marked says whether the marks are in the text.
func (f *File) Marked() bool { return f.marked }

// Owned gives the lines between the marks, or in the included file, that hold
// a record. There is more than one if somebody doubled it.
func (f *File) Owned(owner string, r dane.Record) []Line {
	var lines []Line
	for _, l := range f.lines {
		if l.Owner == owner && l.Record == r {
			lines = append(lines, l.Line)
		}
	}
	return lines
}

// Foreign gives the number of the line outside of the marks on which a record
// begins, 0 if the text has none.
func (f *File) Foreign(owner string, r dane.Record) int {
	for _, p := range f.places {
		found, ok := p.tlsa()
		if !ok || p.owner != owner || found != r {
			continue
		}
		if at := p.rdata[0].at.from; at < f.block.from || at >= f.block.to {
			return p.line
		}
	}
	return 0
}

// findMarks finds the block between the marks. Without marks it is empty and
// lies at the end of the text.
func (f *File) findMarks(comments []comment) error {
	var begin, end *comment
	for i, c := range comments {
		mark, isMark := markOf(c.text)
		switch {
		case !isMark:
		case c.depth > 0:
			return problem(c.line, mark+" stands inside a record", "move it behind the closing parenthesis")
		case mark == Begin && begin == nil && end == nil:
			begin = &comments[i]
		case mark == End && begin != nil && end == nil:
			end = &comments[i]
		default:
			return problem(c.line, mark+" does not belong here", `have one "`+Begin+`" line and one "`+End+`" line below it`)
		}
	}
	switch {
	case begin == nil:
		f.block = span{len(f.text), len(f.text)}
		return nil
	case end == nil:
		return problem(begin.line, `there is no "`+End+`" line for this mark`, "add it where the records of tlsamgr end")
	}
	f.block, f.marked = span{begin.at.to, end.at.from}, true
	return nil
}

// markOf says which mark a comment is, whatever its case and spacing.
func markOf(text string) (string, bool) {
	words := strings.Fields(strings.ToLower(strings.TrimLeft(text, ";")))
	if len(words) != 2 || words[1] != "tlsamgr" {
		return "", false
	}
	switch words[0] {
	case "begin":
		return Begin, true
	case "end":
		return End, true
	}
	return "", false
}

// findSerial finds the digits of the SOA serial (RFC 1035, Section 3.3.13).
func (f *File) findSerial(zone string) error {
	for _, p := range f.places {
		if p.kind != "SOA" {
			continue
		}
		switch {
		case p.owner != zone:
			return problem(p.line, "the SOA record is that of "+p.owner+", not of "+zone, "the settings name the file of another zone")
		case f.serial.text != "":
			return problem(p.line, "a second SOA record", "")
		case len(p.rdata) < 3:
			return problem(p.line, "the SOA record has no serial", "")
		}
		f.serial = p.rdata[2]
		if _, err := strconv.ParseUint(f.serial.text, 10, 32); err != nil {
			return problem(f.serial.line, "the serial "+strconv.Quote(f.serial.text)+" is not a number from 0 to 4294967295", "")
		}
	}
	if f.serial.text == "" {
		return problem(0, "there is no SOA record of "+zone+" in it", "name the file that holds the SOA record itself")
	}
	return nil
}

// readBlock reads the lines of the block. Each is empty, a comment, or a
// record in the form of Line.String; everything else is somebody else's.
func (f *File) readBlock() error {
	number := 1 + bytes.Count(f.text[:f.block.from], []byte("\n"))
	at := f.block.from
	for text := range bytes.Lines(f.text[f.block.from:f.block.to]) {
		body, _, _ := strings.Cut(string(text), ";")
		if strings.TrimSpace(body) != "" {
			line, ok := parseLine(body)
			if !ok {
				return problem(number, "this line is none of tlsamgr's", "lines of others belong outside of the lines between the marks and of the included file")
			}
			f.lines = append(f.lines, owned{Line: line, at: span{at, at + len(text)}})
		}
		at += len(text)
		number++
	}
	return nil
}

// parseLine reads a line in the form of Line.String, in any case and spacing.
func parseLine(text string) (Line, bool) {
	words := strings.Fields(text)
	if len(words) < 8 || strings.ContainsAny(text, "\"\\()$@") || text[0] == ' ' || text[0] == '\t' {
		return Line{}, false
	}
	ttl, err := strconv.ParseUint(words[1], 10, 31)
	if err != nil || !strings.EqualFold(words[2], "IN") || !strings.EqualFold(words[3], "TLSA") || !strings.HasSuffix(words[0], ".") {
		return Line{}, false
	}
	r, err := dane.Parse(strings.Join(words[4:], " "))
	if err != nil {
		return Line{}, false
	}
	return Line{Owner: strings.ToLower(words[0]), TTL: uint32(ttl), Record: r}, true
}
