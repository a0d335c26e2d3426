package check

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

const (
	maxLine  = 2048 // octets in a line of a reply; the limit is 512 (RFC 5321, Section 4.5.3.1.5)
	maxLines = 100  // lines in one reply
)

// failure is an error of a known kind: one of the Err values of Prober.Chain.
type failure struct{ kind, cause error }

func (f *failure) Error() string   { return f.kind.Error() + ": " + f.cause.Error() }
func (f *failure) Unwrap() []error { return []error{f.kind, f.cause} }

// ended puts the cause of a failure into few words.
func ended(ctx context.Context, err error) error {
	if f := (*failure)(nil); errors.As(err, &f) {
		return &failure{f.kind, reason(ctx, f.cause)}
	}
	return err
}

// startTLS takes an SMTP connection up to the point where TLS begins
// (RFC 3207, Section 4). The error is a *failure.
func startTLS(conn net.Conn, name string) error {
	s := &dialogue{conn: conn, in: bufio.NewReaderSize(conn, maxLine)}
	err := s.startTLS(name)
	if f := (*failure)(nil); errors.As(err, &f) && f.kind == ErrNoSTARTTLS {
		s.quit()
	}
	return err
}

// dialogue is the plain-text part of an SMTP connection.
type dialogue struct {
	conn net.Conn
	in   *bufio.Reader
}

func (s *dialogue) startTLS(name string) error {
	greeting, err := readReply(s.in)
	if err != nil {
		return &failure{ErrUnreachable, err}
	}
	if greeting.code != 220 {
		return &failure{ErrUnreachable, fmt.Errorf("greets with %s", greeting)}
	}
	hello, err := s.command("EHLO " + name)
	switch {
	case err != nil:
		return &failure{ErrUnreachable, err}
	case hello.code == 500 || hello.code == 502: // knows no extensions (RFC 5321, Section 4.1.4)
		return &failure{ErrNoSTARTTLS, fmt.Errorf("answers EHLO with %s", hello)}
	case hello.code != 250:
		return &failure{ErrUnreachable, fmt.Errorf("answers EHLO with %s", hello)}
	case !hello.offers("STARTTLS"):
		return &failure{ErrNoSTARTTLS, errors.New("not offered in the answer to EHLO")}
	}
	ready, err := s.command("STARTTLS")
	if err == nil && ready.code != 220 {
		// 454 is what a server says whose key and certificate do not fit.
		err = fmt.Errorf("answers STARTTLS with %s", ready)
	}
	if err == nil && s.in.Buffered() > 0 {
		// Whoever injects text before the handshake wants it to be taken for text
		// from inside, but nothing from before it counts (RFC 3207, Section 4.2).
		err = errors.New("sends plain text after its answer to STARTTLS")
	}
	if err != nil {
		return &failure{ErrNoTLS, err}
	}
	return nil
}

// command sends one line and reads the reply to it.
func (s *dialogue) command(line string) (reply, error) {
	if s.in.Buffered() > 0 {
		return reply{}, errors.New("speaks before it is asked")
	}
	if _, err := io.WriteString(s.conn, line+"\r\n"); err != nil {
		return reply{}, err
	}
	return readReply(s.in)
}

// quit takes leave, as a client must before it closes (RFC 5321, Section
// 4.1.1.10). A server that does not answer soon is left all the same.
func (s *dialogue) quit() {
	const patience = time.Second
	if s.conn.SetDeadline(time.Now().Add(patience)) == nil {
		_, _ = s.command("QUIT") // what it answers changes nothing
	}
}

// quit takes leave over TLS.
func quit(secure net.Conn) {
	(&dialogue{conn: secure, in: bufio.NewReaderSize(secure, maxLine)}).quit()
}

// reply is what a server says in answer to one command.
type reply struct {
	code  int
	lines []string // without the code
}

// String gives code and text, safe to print.
func (r reply) String() string {
	return fmt.Sprintf("%d %s", r.code, quoted(strings.Join(r.lines, " / ")))
}

// offers says whether an answer to EHLO lists the extension. The first line is
// the greeting (RFC 5321, Section 4.1.1.1).
func (r reply) offers(keyword string) bool {
	return len(r.lines) > 1 && slices.ContainsFunc(r.lines[1:], func(line string) bool {
		words := strings.Fields(line)
		return len(words) > 0 && strings.EqualFold(words[0], keyword)
	})
}

// readReply reads one reply of one or several lines (RFC 5321, Section 4.2.1).
// The reader's buffer is the longest line that is accepted.
func readReply(in *bufio.Reader) (reply, error) {
	var r reply
	for len(r.lines) < maxLines {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return reply{}, errors.New("sends a line without end")
		}
		if err != nil {
			return reply{}, err
		}
		l, err := parseLine(string(line))
		if err != nil {
			return reply{}, err
		}
		if len(r.lines) > 0 && l.code != r.code {
			return reply{}, fmt.Errorf("changes the code within a reply from %d to %d", r.code, l.code)
		}
		r.code, r.lines = l.code, append(r.lines, l.text)
		if l.last {
			return r, nil
		}
	}
	return reply{}, fmt.Errorf("sends a reply of more than %d lines", maxLines)
}

// replyLine is one line of a reply.
type replyLine struct {
	code int
	text string
	last bool
}

// parseLine reads three digits, then a hyphen when another line follows, or a
// space, or nothing, when none does.
func parseLine(text string) (replyLine, error) {
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	if len(text) < 3 || text[0] < '2' || text[0] > '5' || !digit(text[1]) || !digit(text[2]) {
		return replyLine{}, fmt.Errorf("does not speak SMTP: %s", quoted(text))
	}
	code := int(text[0]-'0')*100 + int(text[1]-'0')*10 + int(text[2]-'0')
	switch {
	case len(text) == 3:
		return replyLine{code, "", true}, nil
	case text[3] == ' ' || text[3] == '-':
		return replyLine{code, text[4:], text[3] == ' '}, nil
	}
	return replyLine{}, fmt.Errorf("does not speak SMTP: %s", quoted(text))
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
