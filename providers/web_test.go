package providers

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestWeb sends requests over real sockets: what net/http makes of time-outs,
// resets and short replies is what the courier must understand.
func TestWeb(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "key" || r.Header.Get("Content-Type") != "application/json" || r.URL.Query().Get("q") != "a b" {
			w.WriteHeader(400)
		}
		_, _ = io.Copy(w, r.Body)
	})
	hang := make(chan struct{})
	mux.HandleFunc("GET /hang", func(http.ResponseWriter, *http.Request) { <-hang })
	mux.HandleFunc("GET /dribble", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "{")
		_ = http.NewResponseController(w).Flush()
		<-hang
	})
	mux.HandleFunc("GET /reset", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	})
	mux.HandleFunc("GET /short", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"a":`)
	})
	mux.HandleFunc("GET /large", func(w http.ResponseWriter, _ *http.Request) {
		part := strings.Repeat("x", 1<<20)
		for range maxReply>>20 + 1 {
			if _, err := io.WriteString(w, part); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("GET /away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/echo", http.StatusTemporaryRedirect)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	defer close(hang)
	key, err := newSecret("key", "test")
	if err != nil {
		t.Fatal(err)
	}
	s := Settings{Now: time.Now, Pause: pause, Options: map[string]any{"timeout": "200ms"}}
	w := newWeb(s, newOptions(s), "the API", server.URL, map[string]Secret{"Authorization": key}, nil)
	var out map[string]int
	if err := w.call(t.Context(), http.MethodPost, "/echo", map[string][]string{"q": {"a b"}}, map[string]int{"n": 7}, &out); err != nil || out["n"] != 7 {
		t.Errorf("echo: %v, %v", out, err)
	}
	for path, want := range map[string]struct {
		text      string
		temporary bool
	}{
		"/hang":    {"the API: no reply within 200ms", true},
		"/dribble": {"the API: no reply within 200ms", true},
		"/reset":   {"the API: ", true},
		"/short":   {"the API: unexpected EOF", true},
		"/large":   {"the API: ", false}, // too large, or too slow for it
		"/away":    {"the API: HTTP status 307", false},
		"/none":    {"the API: HTTP status 404 Not Found", false},
	} {
		err := w.call(t.Context(), http.MethodGet, path, nil, nil, &out)
		if err == nil || !strings.HasPrefix(err.Error(), want.text) || path != "/large" && Temporary(err) != want.temporary {
			t.Errorf("%s: %v, temporary %v", path, err, Temporary(err))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.call(ctx, http.MethodGet, "/hang", nil, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if resp, err := w.client().Get(server.URL + "/away"); err != nil || resp.StatusCode != 307 {
		t.Errorf("the client of a module follows redirects: %v, %v", resp, err)
	}
}

// TestContained holds code that panics and code that does not come back.
func TestContained(t *testing.T) {
	t.Parallel()
	_, err := contained(t.Context(), func(context.Context) (int, error) {
		var zone *struct{ id int }
		return zone.id, nil
	})
	if err == nil || Temporary(err) || !strings.Contains(err.Error(), "nil pointer") {
		t.Errorf("a panic: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	block := make(chan struct{})
	defer close(block)
	if _, err := contained(ctx, func(context.Context) (int, error) { <-block; return 0, nil }); !errors.Is(err, context.DeadlineExceeded) || !Temporary(err) {
		t.Errorf("no way back: %v", err)
	}
}

// TestPace keeps to a rate.
func TestPace(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	p := rate(2, 3)
	for range 13 {
		if err := p.take(t.Context(), func() time.Time { return now }, func(_ context.Context, d time.Duration) error { now = now.Add(d); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if spent := now.Sub(time.Unix(0, 0)); spent != 5*time.Second {
		t.Errorf("13 requests at 2 a second after a burst of 3 took %s, want 5s", spent)
	}
}
