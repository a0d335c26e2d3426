package demo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// clean holds that nothing is left behind when the test ends: no file, and no
// goroutine.
func clean(t *testing.T) {
	t.Helper()
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		left, err := os.ReadDir(folder)
		if err != nil || len(left) > 0 {
			t.Errorf("left on disk: %v, %v", left, err)
		}
		for end := time.Now().Add(2 * time.Second); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				stacks := make([]byte, 1<<20)
				t.Fatalf("goroutines left:\n%s", stacks[:runtime.Stack(stacks, true)])
			}
		}
	})
}

// TestInterrupted ends the show early, as Ctrl-C does.
func TestInterrupted(t *testing.T) {
	for _, after := range []time.Duration{0, 10 * time.Millisecond, 300 * time.Millisecond} {
		t.Run(after.String(), func(t *testing.T) { interrupt(t, after) })
	}
}

// interrupt runs a show for a while. What it was about to do then is no error.
func interrupt(t *testing.T, after time.Duration) {
	t.Helper()
	clean(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(after, func() { cancel(errors.New("not this one")) })
	start := time.Now()
	var out bytes.Buffer
	if err := Run(ctx, &out, Options{Terminal: true}); !errors.Is(err, context.Canceled) || strings.Contains(out.String(), "error") {
		t.Errorf("%v, after:\n%s", err, &out)
	}
	if late := time.Since(start) - after; late > 5*time.Second {
		t.Errorf("it ended %s late", late)
	}
}

// full is an output that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestNoAudience holds that the show ends when nobody can see it.
func TestNoAudience(t *testing.T) {
	clean(t)
	if err := Run(t.Context(), full{}, Options{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

// TestVerdicts holds that the show tells when it proved the opposite.
func TestVerdicts(t *testing.T) {
	some, none := new(tally), new(tally)
	some.add(true, nil)
	some.add(false, errNoMatch)
	none.add(true, nil)
	for _, c := range []struct {
		name  string
		judge func(*show) error
		want  error
	}{
		{"a rollover that failed a delivery", func(s *show) error { s.world.asked = some; return s.sumUp() }, ErrFailedDelivery},
		{"a rollover that failed none", func(s *show) error { s.world.asked = none; return s.sumUp() }, nil},
		{"a naive order that failed none", func(s *show) error { return s.contrast(none.read(), count{}) }, ErrBlindSenders},
		{"a naive order that failed some", func(s *show) error { return s.contrast(some.read(), none.read()) }, nil},
	} {
		var out bytes.Buffer
		s := &show{world: &world{asked: new(tally), cached: new(tally)}, screen: newScreen(&out, Options{}, nil, nil)}
		if err := c.judge(s); !errors.Is(err, c.want) || !strings.Contains(out.String(), "deliveries, ") {
			t.Errorf("%s: %v\n%s", c.name, err, &out)
		}
		s.end()
	}
}

func TestCounts(t *testing.T) {
	var a, b tally
	a.add(true, nil)
	a.add(false, nil)
	b.add(false, errNoMatch)
	time.Sleep(time.Millisecond)
	b.add(false, errNoTLS)
	sum := a.read().plus(b.read())
	if sum.String() != "4 deliveries, 2 failed" || sum.authenticated != 1 || sum.lasted() <= 0 || sum.lasted() != b.read().plus(a.read()).lasted() {
		t.Errorf("%s, %d authenticated, failing for %s", sum, sum.authenticated, sum.lasted())
	}
	if a.take(); a.read().String() != "0 deliveries, 0 failed" {
		t.Errorf("after it was taken: %s", a.read())
	}
}

// TestScreen holds the form of lines, and that the live line is gone when it
// should be.
func TestScreen(t *testing.T) {
	long := strings.Repeat("word ", 30) + "naïve"
	for _, o := range []Options{{}, {Terminal: true}, {Terminal: true, Color: true}} {
		var out bytes.Buffer
		s := newScreen(&out, o, func() string { return "7 deliveries" }, nil)
		s.text(bold, "title")
		s.expect(time.Now().Add(5 * time.Second))
		if o.Terminal {
			time.Sleep(250 * time.Millisecond)
		}
		s.event(green, "publish", long, long)
		s.end()
		text := out.String()
		if live := strings.Contains(text, "7 deliveries, 4.") && strings.Contains(text, "\r\x1b[K"); live != o.Terminal {
			t.Errorf("%+v: live line %t:\n%q", o, live, text)
		}
		if colours := strings.Contains(text, "\x1b[32mpublish\x1b[0m"); colours != o.Color {
			t.Errorf("%+v: colours %t:\n%q", o, colours, text)
		}
		if !strings.HasSuffix(strings.TrimSuffix(text, "\x1b[0m\n"), "naïve") && !strings.HasSuffix(text, "naïve\n") {
			t.Errorf("%+v: does not end with the text:\n%q", o, text)
		}
		if o.Terminal {
			continue
		}
		for line := range strings.Lines(text) {
			if utf8.RuneCountInString(line) > columns+1 {
				t.Errorf("too long: %q", line)
			}
		}
	}
}
