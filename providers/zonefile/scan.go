package zonefile

import (
	"bytes"
	"strings"
)

// span is a part of the text: text[from:to].
type span struct{ from, to int }

// token is one word of an entry, without the quotes that may stand around it.
type token struct {
	text string
	at   span
	line int
}

// entry is one record or directive, over one line or, in parentheses, over
// several (RFC 1035, Section 5.1).
type entry struct {
	tokens   []token
	indented bool // it begins with white space: the owner is that of the record before
}

// comment is a comment that has a line for itself.
type comment struct {
	text  string // from the semicolon, without the line end
	at    span   // the whole line with its line end
	line  int
	depth int // parentheses that are open around it
}

// scanner takes a zone file apart into entries and comment lines.
type scanner struct {
	text []byte
	pos  int
	line int // of text[pos]

	lineStart int  // where that line begins
	blank     bool // nothing but white space stands on it so far
	depth     int  // open parentheses
	opened    int  // line of the outermost one
	entry     entry

	entries  []entry
	comments []comment
}

// problem is an error at a line of the text; whoever knows the file adds its name.
func problem(line int, text, advice string) *Error {
	return &Error{Line: line, Problem: text, Advice: advice}
}

// scan takes a text apart. Where it is stricter than a name server (a quoted
// string that runs over the end of its line) it refuses rather than guesses.
func scan(text []byte) (*scanner, *Error) {
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return nil, problem(1+bytes.Count(text[:i], []byte("\n")), "there is a zero byte in it: not a text file",
			"in BIND, write the zone with masterfile-format text")
	}
	s := &scanner{text: text, line: 1, blank: true}
	for s.pos < len(text) {
		if err := s.step(); err != nil {
			return nil, err
		}
	}
	if s.depth > 0 {
		return nil, problem(s.opened, "this parenthesis is never closed", "")
	}
	s.endEntry()
	return s, nil
}

// step reads one thing: a line end, white space, a comment, a parenthesis or a word.
func (s *scanner) step() *Error {
	switch c := s.text[s.pos]; c {
	case '\n':
		s.newline()
	case ' ', '\t', '\r':
		if s.pos == s.lineStart && s.depth == 0 {
			s.entry.indented = true
		}
		s.pos++
	case ';':
		s.skipComment()
	case '(':
		if s.depth == 0 {
			s.opened = s.line
		}
		s.depth++
		s.pos++
		s.blank = false
	case ')':
		if s.depth == 0 {
			return problem(s.line, "a closing parenthesis without an opening one", "")
		}
		s.depth--
		s.pos++
		s.blank = false
	case '"':
		return s.quoted()
	default:
		s.word()
	}
	return nil
}

func (s *scanner) newline() {
	s.pos++
	s.line++
	s.lineStart = s.pos
	s.blank = true
	if s.depth == 0 {
		s.endEntry()
	}
}

func (s *scanner) endEntry() {
	if len(s.entry.tokens) > 0 {
		s.entries = append(s.entries, s.entry)
	}
	s.entry = entry{}
}

func (s *scanner) skipComment() {
	end := len(s.text)
	next := end
	if i := bytes.IndexByte(s.text[s.pos:], '\n'); i >= 0 {
		end, next = s.pos+i, s.pos+i+1
	}
	if s.blank {
		s.comments = append(s.comments, comment{text: string(s.text[s.pos:end]), at: span{s.lineStart, next}, line: s.line, depth: s.depth})
	}
	s.pos = end
}

// quoted reads a string in quotes; a backslash takes the meaning from the next character.
func (s *scanner) quoted() *Error {
	from := s.pos + 1
	for i := from; i < len(s.text) && s.text[i] != '\n'; i++ {
		switch s.text[i] {
		case '\\':
			i++
		case '"':
			s.add(span{from, i})
			s.pos = i + 1
			return nil
		}
	}
	return problem(s.line, "this quote is not closed on its line", "")
}

func (s *scanner) word() {
	from := s.pos
	for s.pos < len(s.text) && strings.IndexByte(" \t\r\n;()\"", s.text[s.pos]) < 0 {
		if s.text[s.pos] == '\\' && s.pos+1 < len(s.text) && s.text[s.pos+1] != '\n' {
			s.pos++
		}
		s.pos++
	}
	s.add(span{from, s.pos})
}

func (s *scanner) add(at span) {
	s.entry.tokens = append(s.entry.tokens, token{text: string(s.text[at.from:at.to]), at: at, line: s.line})
	s.blank = false
}
