package lab

import (
	"io"
	"os"
	"strings"
	"sync"
)

// delivery is what Postfix logs about one recipient of a message.
type delivery struct {
	service string // "smtp": what delivered, or gave up
	to      string // "m1@mx1.example.test"
	relay   string // "mx1.example.test[127.0.0.21]:25", or "none"
	status  string // "sent", "deferred", "bounced", "expired"
	reason  string // what stands in parentheses after the status
}

// parseDelivery reads a line of Postfix's log. Most lines are about something
// else: ok is false for them.
//
//	Nov 23 22:44:01 lab postfix/smtp[71]: 4ABC: to=<a@b>, relay=b[127.0.0.21]:25, delay=0.1, …, status=sent (250 ok)
func parseDelivery(line string) (d delivery, ok bool) {
	_, rest, ok := strings.Cut(line, " postfix/")
	if !ok {
		return d, false
	}
	d.service, rest, ok = strings.Cut(rest, "[")
	if !ok || strings.Contains(d.service, " ") {
		return d, false
	}
	_, rest, ok = strings.Cut(rest, ": to=<")
	if !ok {
		return d, false
	}
	d.to, rest, ok = strings.Cut(rest, ">, ")
	if !ok {
		return d, false
	}
	if _, relay, found := strings.Cut(rest, "relay="); found {
		d.relay, _, _ = strings.Cut(relay, ", ")
	}
	_, rest, ok = strings.Cut(rest, "status=")
	if !ok {
		return d, false
	}
	d.status, rest, _ = strings.Cut(strings.TrimRight(rest, "\r\n"), " ")
	d.reason = strings.TrimSuffix(strings.TrimPrefix(rest, "("), ")")
	return d, d.status != ""
}

// maillog follows the log of one Postfix.
type maillog struct {
	file   string
	mutex  sync.Mutex
	offset int64
	rest   string // the beginning of a line that is not complete yet
}

// deliveries gives what was logged since it was last called.
func (m *maillog) deliveries() (found []delivery, err error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	text, err := readFrom(m.file, m.offset)
	if err != nil {
		return nil, err
	}
	m.offset += int64(len(text))
	for line := range strings.Lines(m.rest + string(text)) {
		if !strings.HasSuffix(line, "\n") {
			m.rest = line
			return found, nil
		}
		if d, ok := parseDelivery(line); ok {
			found = append(found, d)
		}
	}
	m.rest = ""
	return found, nil
}

// readFrom reads a file from an offset to its end.
func readFrom(name string, offset int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(file)
}
