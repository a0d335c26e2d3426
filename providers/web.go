package providers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// web is a JSON API behind a base URL, for providers that are called without
// a libdns module.
type web struct {
	*courier
	base   string            // without a final slash
	header map[string]Secret // of every request
}

// newWeb makes a web that checks that replies are JSON.
func newWeb(s Settings, o *options, name, base string, header map[string]Secret, rate *pace) *web {
	c := newCourier(s, o, name, rate)
	c.content = jsonContent
	return &web{courier: c, base: base, header: header}
}

// call sends one request and decodes the reply into out, unless that is nil.
// in is encoded as JSON, unless it is nil.
func (w *web) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	address := w.base + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", jsonContent)
	}
	req.Header.Set("Accept", jsonContent)
	for name, value := range w.header {
		req.Header.Set(name, value.Reveal())
	}
	return w.exchange(req, out)
}

// exchange sends a request and decodes the reply.
func (w *web) exchange(req *http.Request, out any) error {
	resp, err := w.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text := new(bytes.Buffer)
	if _, err := text.ReadFrom(resp.Body); err != nil {
		return err
	}
	if err := w.judge(resp, text.Bytes()); err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text.Bytes(), out); err != nil {
		return temporary(fmt.Errorf("%s: the reply is not what it should be: %w", w.name, err))
	}
	return nil
}

// defaultSettle is how long an API may take to show what it has accepted,
// unless more is known about it.
const defaultSettle = 10 * time.Second

// newCareful reads the setting confirm_timeout and makes a backend of a client.
func newCareful(s Settings, o *options, c client, t traits) backend {
	if t.settle == 0 {
		t.settle = defaultSettle
	}
	return &careful{client: c, traits: t, now: s.Now, pause: s.Pause, confirm: o.duration("confirm_timeout", time.Minute)}
}
