package providers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The bounds of one HTTP exchange.
const (
	requestTimeout = 30 * time.Second // the default of the setting timeout
	maxReply       = 64 << 20         // octets of one reply
	maxExcerpt     = 300              // octets of a reply in an error
	maxWait        = time.Minute      // that a courier itself waits when it is told to
	maxSends       = 5                // of one request
)

// courier carries HTTP requests for APIs that are not to be trusted: it keeps
// to a rate, bounds time and size, follows no redirects (they would carry the
// token elsewhere), waits when it is told to, and notes what went wrong even if
// the code above does not pass it on. It is an http.RoundTripper for libdns
// modules and what a web is built on.
type courier struct {
	name    string // of the API, in errors
	next    http.RoundTripper
	timeout time.Duration
	pause   func(context.Context, time.Duration) error
	now     func() time.Time
	pace    *pace
	content string // what good replies begin with: "application/json"; "" for any
}

// newCourier reads the settings timeout and confirm_timeout, which all
// providers with an HTTP API have.
func newCourier(s Settings, o *options, name string, rate *pace) *courier {
	next := s.Transport
	if next == nil {
		next = &http.Transport{
			Proxy:       http.ProxyFromEnvironment,
			DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,

			TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
			MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute,
		}
	}
	return &courier{name: name, next: next, timeout: o.duration("timeout", requestTimeout), pause: s.Pause, now: s.Now, pace: rate}
}

// client gives an http.Client for libdns modules that take one.
func (c *courier) client() *http.Client {
	return &http.Client{Transport: c, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// RoundTrip implements http.RoundTripper. A request that the API did not take
// because of its rate is sent again; one of which that is not known is not.
// Replies are read as a whole.
func (c *courier) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := drain(req)
	if err != nil {
		return nil, err
	}
	for sends, wait := 1, firstRetry; ; sends, wait = sends+1, 2*wait {
		if err := c.pace.take(req.Context(), c.now, c.pause); err != nil {
			return nil, err
		}
		resp, text, err := c.send(req, body)
		if err == nil {
			err = c.judge(resp, text)
		}
		if err == nil {
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
			return resp, nil
		}
		wait, again := c.again(err, wait)
		if !again || sends == maxSends || req.Context().Err() != nil {
			note(req.Context(), err)
			if resp != nil && errors.As(err, new(*statusError)) {
				resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
				return resp, nil // the code above may know what its body means
			}
			return nil, err
		}
		if err := c.pause(req.Context(), wait); err != nil {
			return nil, err
		}
	}
}

// again says whether a request may be sent again, and after how long.
func (c *courier) again(err error, wait time.Duration) (time.Duration, bool) {
	var status *statusError
	if !errors.As(err, &status) || !status.untaken() {
		return 0, false
	}
	wait = max(wait, status.after)
	return wait, wait <= maxWait
}

// drain takes the body of a request, so that it can be sent again.
func drain(req *http.Request) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	defer req.Body.Close()
	return io.ReadAll(req.Body)
}

// send sends a request and reads the whole reply, within the time of one.
func (c *courier) send(req *http.Request, body []byte) (*http.Response, []byte, error) {
	ctx, cancel := context.WithTimeout(req.Context(), c.timeout)
	defer cancel()
	one := req.Clone(ctx)
	if req.Body != nil {
		one.Body, one.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		one.GetBody = nil
	}
	resp, err := c.next.RoundTrip(one)
	if err != nil {
		return nil, nil, c.lost(req, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return nil, nil, c.lost(req, err)
	}
	if len(text) > maxReply {
		return nil, nil, fmt.Errorf("%s: the reply has more than %d octets", c.name, maxReply)
	}
	return resp, text, nil
}

// lost is the error of a request without a whole reply. It names no URL:
// some APIs have their key in it.
func (c *courier) lost(req *http.Request, err error) error {
	if req.Context().Err() != nil {
		return req.Context().Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return temporary(fmt.Errorf("%s: no reply within %s", c.name, c.timeout))
	}
	return temporary(fmt.Errorf("%s: %w", c.name, err))
}

// judge finds what is wrong with a reply that is there as a whole.
func (c *courier) judge(resp *http.Response, text []byte) error {
	switch {
	case resp.StatusCode >= 300:
		return &statusError{name: c.name, code: resp.StatusCode, after: retryAfter(resp.Header, c.now()), excerpt: excerpt(resp, text)}
	case c.content == jsonContent && len(text) > 0 && !json.Valid(text):
		return temporary(fmt.Errorf("%s: the reply is not JSON, but %s", c.name, excerpt(resp, text)))
	case c.content == jsonContent && len(text) == 0 && resp.Request != nil && resp.Request.Method == http.MethodGet && resp.StatusCode != http.StatusNoContent:
		return temporary(fmt.Errorf("%s: the reply is empty", c.name))
	}
	return nil
}

const jsonContent = "application/json"

// excerpt shows the beginning of a reply on one line.
func excerpt(resp *http.Response, text []byte) string {
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	if strings.HasSuffix(kind, "html") {
		return "a web page"
	}
	words := strings.Join(strings.Fields(strings.ToValidUTF8(string(text[:min(len(text), maxExcerpt)]), "")), " ")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, words)
}

// retryAfter reads Retry-After, seconds or a date (RFC 9110, Section 10.2.3).
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds >= 0 && seconds < 1<<30 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// statusError is a reply that says no.
type statusError struct {
	name    string
	code    int
	after   time.Duration // 0: it did not say
	excerpt string
}

// Error names the API and the status, and shows what the reply says.
func (e *statusError) Error() string {
	text := fmt.Sprintf("%s: HTTP status %d", e.name, e.code)
	if words := http.StatusText(e.code); words != "" {
		text += " " + words
	}
	if e.excerpt != "" {
		text += ": " + e.excerpt
	}
	return text
}

// Temporary says whether the same request may succeed later.
func (e *statusError) Temporary() bool {
	return e.untaken() || e.code >= 500 || e.code == http.StatusRequestTimeout || e.code == http.StatusConflict || e.code == http.StatusTooEarly || e.code == http.StatusLocked
}

// RetryAfter gives how long the API asked to be left alone.
func (e *statusError) RetryAfter() time.Duration { return e.after }

// Hint tells what most often is behind a status.
func (e *statusError) Hint() string {
	switch e.code {
	case http.StatusUnauthorized:
		return "the token or password is wrong or has expired"
	case http.StatusForbidden:
		return "the token may lack the right to read and change the DNS of this zone, or this address is not allowed to use it"
	case http.StatusNotFound:
		return "is the zone in this account?"
	case http.StatusTooManyRequests:
		return "the provider limits how often it may be asked; tlsamgr goes on by itself later"
	}
	return ""
}

// untaken says whether the API surely did not do what was asked.
func (e *statusError) untaken() bool {
	return e.code == http.StatusTooManyRequests || e.code == http.StatusServiceUnavailable && e.after > 0
}

// pace is a rate that is kept to, with a burst: a token bucket.
type pace struct {
	perSecond float64 // 0: no limit
	burst     int

	mu    sync.Mutex
	spent float64
	at    time.Time
}

// rate makes a pace of so many requests per second.
func rate(perSecond float64, burst int) *pace { return &pace{perSecond: perSecond, burst: burst} }

// take waits for its turn.
func (p *pace) take(ctx context.Context, now func() time.Time, pause func(context.Context, time.Duration) error) error {
	if p == nil || p.perSecond == 0 {
		return ctx.Err()
	}
	p.mu.Lock()
	t := now()
	if !p.at.IsZero() {
		p.spent = max(0, p.spent-t.Sub(p.at).Seconds()*p.perSecond)
	}
	p.at = t
	p.spent++
	wait := time.Duration((p.spent - float64(max(p.burst, 1))) / p.perSecond * float64(time.Second))
	p.mu.Unlock()
	if wait <= 0 {
		return ctx.Err()
	}
	return pause(ctx, wait)
}

// trouble is what went wrong on the way while a client's call was under way.
type trouble struct {
	mu  sync.Mutex
	err error
}

type troubleKey struct{}

// note remembers what went wrong for the call that the context belongs to.
func note(ctx context.Context, err error) {
	if t, ok := ctx.Value(troubleKey{}).(*trouble); ok {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.err = err
	}
}

// troubled calls code that may swallow the errors of its requests. What went
// wrong last counts, whatever the code says; its own words are kept.
func troubled(ctx context.Context, do func(context.Context) error) error {
	t := &trouble{}
	err := do(context.WithValue(ctx, troubleKey{}, t))
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.err == nil || errors.Is(err, t.err):
		return err
	case err == nil || errors.As(t.err, new(*statusError)):
		return t.err // its excerpt shows what the API said
	}
	return fmt.Errorf("%w (%v)", t.err, err)
}

// madeResponse is a response that no server gave.
func madeResponse(req *http.Request, text []byte) *http.Response {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {jsonContent}}, ContentLength: int64(len(text)),
		Body: io.NopCloser(bytes.NewReader(text)), Request: req,
	}
}
