package demo

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// The shape of a line, "  3.4s  publish  text": it fits a small terminal.
const (
	columns = 80
	indent  = 17
)

// Styles of text on a terminal that shows colours.
const (
	bold  = "1"
	faint = "2"
	red   = "31"
	green = "32"
	blue  = "36"
)

// Options say what the output goes to.
type Options struct {
	Terminal bool // a terminal: the last line is kept up to date
	Color    bool // it shows colours
}

// screen writes lines, each with the time since the start. On a terminal a
// live line follows them, which says what is awaited and how the mail fares.
type screen struct {
	out   io.Writer
	look  Options
	start time.Time
	mail  func() string // how the mail fares
	lost  func(error)   // told when the output cannot be written

	mu    sync.Mutex
	drawn bool      // there is a live line now
	until time.Time // when the current wait ends; zero: nobody can know

	done    chan struct{}
	drawing sync.WaitGroup
}

// newScreen starts a screen. The caller ends it.
func newScreen(out io.Writer, o Options, mail func() string, lost func(error)) *screen {
	s := &screen{out: out, look: o, start: time.Now(), mail: mail, lost: lost, done: make(chan struct{})}
	if o.Terminal {
		s.drawing.Go(s.draw)
	}
	return s
}

// end takes the live line away for good.
func (s *screen) end() {
	close(s.done)
	s.drawing.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
}

// event writes what happened now, and under it why that is so.
func (s *screen) event(style, what, text, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
	s.until = time.Time{}
	head := fmt.Sprintf("%6s  %s  ", s.clock(time.Now()), s.paint(style, fmt.Sprintf("%-7s", what)))
	for _, line := range wrap(text, columns-indent) {
		s.write(head + line + "\n")
		head = strings.Repeat(" ", indent)
	}
	for _, line := range wrap(why, columns-indent) {
		s.write(strings.Repeat(" ", indent) + s.paint(faint, line) + "\n")
	}
}

// text writes a paragraph in a style of its own.
func (s *screen) text(style, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
	for _, line := range wrap(text, columns) {
		s.write(s.paint(style, line) + "\n")
	}
}

// gap writes an empty line.
func (s *screen) gap() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
	s.write("\n")
}

// expect tells the live line when the current wait ends.
func (s *screen) expect(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = until
}

// clock gives a time of the show, "3.4s".
func (s *screen) clock(t time.Time) string { return seconds(t.Sub(s.start)) }

// seconds gives a duration as people read it here, "3.4s".
func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

// draw keeps the live line up to date until the screen ends.
func (s *screen) draw() {
	every := time.NewTicker(100 * time.Millisecond)
	defer every.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-every.C:
			s.redraw()
		}
	}
}

// redraw writes the live line.
func (s *screen) redraw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
	now, left := time.Now(), ""
	if s.until.After(now) {
		left = ", " + seconds(s.until.Sub(now)) + " to wait"
	}
	s.write(s.paint(faint, fmt.Sprintf("%6s  %s%s", s.clock(now), s.mail(), left)))
	s.drawn = true
}

// wipe removes the live line. The caller holds the lock.
func (s *screen) wipe() {
	if s.drawn {
		s.write("\r\x1b[K")
		s.drawn = false
	}
}

// write sends text to the output. The caller holds the lock.
func (s *screen) write(text string) {
	if _, err := io.WriteString(s.out, text); err != nil {
		s.lost(fmt.Errorf("%w: %w", errOutput, err))
	}
}

// paint puts a text in a style where colours are shown.
func (s *screen) paint(style, text string) string {
	if !s.look.Color || style == "" || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// wrap breaks a text into lines of at most so many characters.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
