package vendortest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// API is one vendor's server.
type API struct {
	http.Handler
	Zone *Zone

	// Writes says whether a request is one that changes the zone.
	Writes func(*http.Request) bool

	// Refusal gives the body with which the vendor answers an HTTP status of
	// 400 and above, and its content type.
	Refusal func(status int) (contentType, body string)

	// Half, if the API can do several things in one request and is known to do
	// them one by one, makes the next writing request stop after the first and
	// answer with status 500.
	Half func()
}

// Clock is a time that passes only when somebody waits.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock gives a clock that starts at a fixed time.
func NewClock() *Clock { return &Clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

// Now gives the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Pause lets time pass at once.
func (c *Clock) Pause(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return ctx.Err()
}

// Wire is an http.RoundTripper that carries requests to an API without
// sockets, counts them, and can do to them what networks and vendors do.
type Wire struct {
	API   *API
	After func() // called after each request that reached the API; may be nil

	mu     sync.Mutex
	fault  *Fault
	seen   int // requests that the fault is meant for
	reads  int
	writes int
	stale  []Record // the zone as it was before the fault's first write
	hits   int      // how often the fault happened
	codes  map[int]int
	paths  []string
}

// Break makes requests suffer from a fault from now on; nil ends it.
func (w *Wire) Break(f *Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault, w.seen, w.hits, w.stale = f, 0, 0, w.API.Zone.All()
}

// Hits says how many requests the fault has struck.
func (w *Wire) Hits() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hits
}

// Counts gives the requests so far that read and that wrote, and how many
// were answered with a status.
func (w *Wire) Counts() (reads, writes int, status func(code int) int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	codes := map[int]int{}
	for c, n := range w.codes {
		codes[c] = n
	}
	return w.reads, w.writes, func(code int) int { return codes[code] }
}

// Paths says how many requests had a part in their path.
func (w *Wire) Paths(part string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, path := range w.paths {
		if strings.Contains(path, part) {
			n++
		}
	}
	return n
}

// RoundTrip implements http.RoundTripper.
func (w *Wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	body := &readAgain{}
	if req.Body != nil {
		text, err := io.ReadAll(req.Body)
		_ = req.Body.Close()
		if err != nil {
			return nil, err
		}
		body.text = text
	}
	writes := w.API.Writes(body.on(req))
	w.mu.Lock()
	w.paths = append(w.paths, req.URL.Path)
	w.mu.Unlock()
	f := w.strike(writes)
	serve := func() *http.Response {
		answer := httptest.NewRecorder()
		in := body.on(req)
		in.RequestURI = req.URL.RequestURI()
		if in.Host == "" {
			in.Host = req.URL.Host
		}
		w.API.ServeHTTP(answer, in)
		if w.After != nil {
			w.After()
		}
		resp := answer.Result()
		resp.Request = req
		return resp
	}
	var resp *http.Response
	var err error
	if f == nil {
		resp = serve()
	} else {
		resp, err = f.Do(&Exchange{Wire: w, Request: req, Serve: serve})
	}
	if resp != nil {
		w.mu.Lock()
		if w.codes == nil {
			w.codes = map[int]int{}
		}
		w.codes[resp.StatusCode]++
		w.mu.Unlock()
	}
	return resp, err
}

// strike counts a request and gives the fault that hits it.
func (w *Wire) strike(writes bool) *Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	if writes {
		w.writes++
	} else {
		w.reads++
	}
	f := w.fault
	if f == nil || !f.On.has(writes) {
		return nil
	}
	w.seen++
	if w.seen <= f.Skip || f.Times > 0 && w.seen > f.Skip+f.Times {
		return nil
	}
	w.hits++
	return f
}

// readAgain is the body of a request that is read more than once.
type readAgain struct{ text []byte }

func (b *readAgain) on(req *http.Request) *http.Request {
	out := req.Clone(req.Context())
	out.Body = io.NopCloser(&reader{text: b.text})
	out.ContentLength = int64(len(b.text))
	return out
}

type reader struct{ text []byte }

func (r *reader) Read(p []byte) (int, error) {
	if len(r.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.text)
	r.text = r.text[n:]
	return n, nil
}
