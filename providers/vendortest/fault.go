package vendortest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// Kind is the kind of requests that a fault strikes.
type Kind string

// The kinds of requests.
const (
	Reads  Kind = "reads"
	Writes Kind = "writes"
	Any    Kind = "any"
)

func (k Kind) has(writes bool) bool { return k == Any || writes == (k == Writes) }

// Fault is something that goes wrong on the way to a vendor, or there.
type Fault struct {
	Name  string
	On    Kind
	Skip  int // requests of the kind that pass before
	Times int // how many it strikes; 0: all
	Do    func(*Exchange) (*http.Response, error)

	// What the caller must make of it. A fault that is not Lasting must be
	// overcome or reported; a Lasting one must be reported.
	Lasting   bool
	Permanent bool          // the error must not say that trying again helps
	After     time.Duration // the error must say that long, at least
}

// Exchange is one request that a fault strikes.
type Exchange struct {
	*Wire
	Request *http.Request
	Serve   func() *http.Response // lets the API do what is asked
}

// Faults gives everything that is tried on a provider.
func Faults() []Fault {
	faults := []Fault{
		{Name: "429 once, without Retry-After", On: Any, Times: 1, Do: refuse(429, "")},
		{Name: "429 once, with Retry-After", On: Any, Times: 1, Do: refuse(429, "7")},
		{Name: "429 once, with a date", On: Any, Times: 1, Do: refuse(429, "date")},
		{Name: "429 on the first write", On: Writes, Times: 1, Do: refuse(429, "3")},
		{Name: "429 three times", On: Any, Times: 3, Do: refuse(429, "2")},
		{Name: "429 for an hour", On: Any, Do: refuse(429, "3600"), Lasting: true, After: time.Hour},
		{Name: "429 for an hour on writes", On: Writes, Do: refuse(429, "3600"), Lasting: true, After: time.Hour},
		{Name: "503 with Retry-After", On: Any, Times: 1, Do: refuse(503, "5")},
		{Name: "500 on the first read", On: Reads, Times: 1, Do: refuse(500, "")},
		{Name: "502 on the second read", On: Reads, Skip: 1, Times: 1, Do: page(502)},
		{Name: "503 always", On: Any, Do: refuse(503, ""), Lasting: true},
		{Name: "401, the token has expired", On: Any, Do: refuse(401, ""), Lasting: true, Permanent: true},
		{Name: "401 on writes: a token that may read only", On: Writes, Do: refuse(401, ""), Lasting: true, Permanent: true},
		{Name: "403 on writes", On: Writes, Do: refuse(403, ""), Lasting: true, Permanent: true},
		{Name: "404, wrong zone", On: Any, Do: refuse(404, ""), Lasting: true, Permanent: true},
		{Name: "400 on writes", On: Writes, Do: refuse(400, ""), Lasting: true, Permanent: true},
		{Name: "401 after the write was done", On: Reads, Skip: 2, Do: refuse(401, ""), Permanent: true},
		{Name: "redirect to a login page", On: Any, Do: redirect, Lasting: true, Permanent: true},
		{Name: "no connection", On: Any, Do: unreachable, Lasting: true},
		{Name: "no connection for a moment", On: Any, Times: 2, Do: unreachable},
		{Name: "empty body on reads, once", On: Reads, Times: 1, Do: body("")},
		{Name: "empty body on reads", On: Reads, Do: body(""), Lasting: true},
		{Name: "web page on reads, once", On: Reads, Times: 1, Do: body("<!DOCTYPE html><html><h1>Maintenance</h1></html>")},
		{Name: "web page on reads", On: Reads, Do: body("<!DOCTYPE html><html><h1>Maintenance</h1></html>"), Lasting: true},
		{Name: "web page instead of writes", On: Writes, Times: 1, Do: body("<html>please accept our terms</html>")},
		{Name: "null on reads", On: Reads, Times: 1, Do: body("null")},
		{Name: "wrong shape on reads", On: Reads, Times: 1, Do: body(`"ok"`)},
		{Name: "truncated reply on reads", On: Reads, Times: 1, Do: truncated(false)},
		{Name: "cut off reply on reads", On: Reads, Times: 1, Do: truncated(true)},
		{Name: "endless reply on reads", On: Reads, Times: 1, Do: slow},
		{Name: "stale reads for a while", On: Reads, Skip: 1, Times: 3, Do: stale},
		{Name: "stale reads for ever", On: Reads, Skip: 1, Do: stale, Lasting: true},
		{Name: "accepted, but not done", On: Writes, Times: 1, Do: forgotten},
	}
	for _, status := range []int{500, 502, 503, 504} {
		name := http.StatusText(status)
		faults = append(faults,
			Fault{Name: name + " before a write is done", On: Writes, Times: 1, Do: refuse(status, "")},
			Fault{Name: name + " after a write is done", On: Writes, Times: 1, Do: after(page(status))})
	}
	return append(faults,
		Fault{Name: "timeout before a write is done", On: Writes, Times: 1, Do: timeout},
		Fault{Name: "timeout after a write is done", On: Writes, Times: 1, Do: after(timeout)},
		Fault{Name: "timeout of a read", On: Reads, Times: 1, Do: timeout},
		Fault{Name: "reset before a write is done", On: Writes, Times: 1, Do: reset},
		Fault{Name: "reply lost after a write is done", On: Writes, Times: 1, Do: after(reset)},
		Fault{Name: "empty reply to a write that is done", On: Writes, Times: 1, Do: after(body(""))},
		Fault{Name: "truncated reply to a write that is done", On: Writes, Times: 1, Do: truncated(true)},
		Fault{Name: "web page after a write is done", On: Writes, Times: 1, Do: after(page(502))},
		Fault{Name: "a proxy sends a write twice", On: Writes, Times: 1, Do: twice},
		Fault{Name: "every write times out and is done", On: Writes, Do: after(timeout)},
		Fault{Name: "half of a batch", On: Writes, Times: 1, Do: half},
	)
}

// refuse answers as the vendor does, without doing anything.
func refuse(status int, retryAfter string) func(*Exchange) (*http.Response, error) {
	return func(x *Exchange) (*http.Response, error) {
		kind, text := x.API.Refusal(status)
		resp := reply(x.Request, status, kind, text)
		if retryAfter == "date" {
			retryAfter = time.Date(2026, 1, 2, 3, 4, 25, 0, time.UTC).Format(http.TimeFormat)
		}
		if retryAfter != "" {
			resp.Header.Set("Retry-After", retryAfter)
		}
		return resp, nil
	}
}

// page answers with the web page of a proxy.
func page(status int) func(*Exchange) (*http.Response, error) {
	return func(x *Exchange) (*http.Response, error) {
		return reply(x.Request, status, "text/html; charset=utf-8", "<html><h1>"+http.StatusText(status)+"</h1></html>"), nil
	}
}

// body answers 200 with a text.
func body(text string) func(*Exchange) (*http.Response, error) {
	kind := "application/json"
	if strings.HasPrefix(text, "<") {
		kind = "text/html"
	}
	return func(x *Exchange) (*http.Response, error) { return reply(x.Request, 200, kind, text), nil }
}

func redirect(x *Exchange) (*http.Response, error) {
	resp := reply(x.Request, 302, "text/html", "")
	resp.Header.Set("Location", "https://login.vendor.test/")
	return resp, nil
}

// after lets the API do what is asked before the fault.
func after(do func(*Exchange) (*http.Response, error)) func(*Exchange) (*http.Response, error) {
	return func(x *Exchange) (*http.Response, error) {
		x.Serve()
		return do(x)
	}
}

// timeout is what net/http gives when a deadline ends.
func timeout(*Exchange) (*http.Response, error) {
	return nil, &net.OpError{Op: "read", Net: "tcp", Err: context.DeadlineExceeded}
}

func reset(*Exchange) (*http.Response, error) {
	return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
}

func unreachable(*Exchange) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// truncated gives half of the reply, and says so (cut) or not.
func truncated(cut bool) func(*Exchange) (*http.Response, error) {
	return func(x *Exchange) (*http.Response, error) {
		resp := x.Serve()
		text, _ := io.ReadAll(resp.Body)
		var end error = io.EOF
		if cut {
			end = io.ErrUnexpectedEOF
		}
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(text[:len(text)/2]), failing{end}))
		resp.ContentLength = -1
		resp.Header.Del("Content-Length")
		return resp, nil
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// slow begins to answer and never ends: the deadline of the request does.
func slow(x *Exchange) (*http.Response, error) {
	resp := x.Serve()
	resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), failing{context.DeadlineExceeded}))
	return resp, nil
}

// stale answers a read from the zone as it was when the fault began.
func stale(x *Exchange) (*http.Response, error) {
	var now []Record
	_ = x.API.Zone.Change(func(records []Record) ([]Record, error) {
		now = records
		return x.stale, nil
	})
	after := x.After
	x.After = nil
	resp := x.Serve()
	x.After = after
	_ = x.API.Zone.Change(func([]Record) ([]Record, error) { return now, nil })
	return resp, nil
}

// forgotten answers as if all went well and undoes it.
func forgotten(x *Exchange) (*http.Response, error) {
	before := x.API.Zone.All()
	resp := x.Serve()
	return resp, errors.Join(x.API.Zone.Change(func([]Record) ([]Record, error) { return before, nil }))
}

func twice(x *Exchange) (*http.Response, error) {
	x.Serve()
	return x.Serve(), nil
}

// half does the first part of a request that has several, where the API can.
func half(x *Exchange) (*http.Response, error) {
	if x.API.Half == nil {
		return refuse(500, "")(x)
	}
	x.API.Half()
	return x.Serve(), nil
}

func reply(req *http.Request, status int, kind, text string) *http.Response {
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {kind}}, ContentLength: int64(len(text)),
		Body: io.NopCloser(strings.NewReader(text)), Request: req,
	}
}
