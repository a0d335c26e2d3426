package cli

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/tlsamgr/tlsamgr/rollover"
)

// liveLines are the last lines of a terminal, one for each certificate, kept
// up to date with how long is left.
type liveLines struct {
	out   *os.File
	now   func() time.Time
	mu    sync.Mutex
	lines []liveLine
	drawn int
	stop  chan struct{}
	done  chan struct{}
}

type liveLine struct {
	text string
	end  time.Time // of what is awaited; zero: not known
}

// newLiveLines gives nil where stderr is not a terminal.
func newLiveLines(env Env, n int) *liveLines {
	f, ok := env.Err.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	l := &liveLines{out: f, now: env.Now, lines: make([]liveLine, n), stop: make(chan struct{}), done: make(chan struct{})}
	go l.run()
	return l
}

func (l *liveLines) run() {
	defer close(l.done)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
			l.mu.Lock()
			l.draw()
			l.mu.Unlock()
		}
	}
}

func (l *liveLines) set(i int, text string, end time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines[i] = liveLine{text, end}
	l.draw()
}

// above prints a line that stays, above the live ones.
func (l *liveLines) above(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
	fmt.Fprintln(l.out, line)
	l.draw()
}

func (l *liveLines) erase() {
	if l.drawn > 0 {
		fmt.Fprintf(l.out, "\x1b[%dA\x1b[J", l.drawn)
	}
	l.drawn = 0
}

func (l *liveLines) draw() {
	l.erase()
	width, _, err := term.GetSize(int(l.out.Fd()))
	if err != nil || width < 20 {
		width = 80
	}
	for _, line := range l.lines {
		if line.text == "" {
			continue
		}
		text := line.text
		if left := line.end.Sub(l.now()).Round(time.Second); !line.end.IsZero() && left > 0 {
			text = fmt.Sprintf("[%s left] %s", left, text)
		}
		if runes := []rune(text); len(runes) >= width {
			text = string(runes[:width-2]) + "…"
		}
		fmt.Fprintln(l.out, strings.TrimRight(text, " "))
		l.drawn++
	}
}

// close ends the updates and leaves the last lines where they are. It may be
// called twice.
func (l *liveLines) close() {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	<-l.done
}

// nextEnd gives the time at which what is awaited ends by itself, the last of
// several; zero when that is not known.
func nextEnd(d rollover.Decision) time.Time {
	var end time.Time
	for _, r := range d.Why {
		if r.Awaited() && r.Until.After(end) {
			end = r.Until
		}
	}
	return end
}
