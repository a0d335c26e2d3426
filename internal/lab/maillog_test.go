package lab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseDelivery(t *testing.T) {
	const start = "Nov 23 22:44:01 sender postfix/"
	for _, c := range []struct {
		line string
		want delivery
	}{
		{
			start + "smtp[71]: 4ABC: to=<m1@mx1.example.test>, relay=mx1.example.test[127.0.0.21]:25, delay=0.1, delays=0/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 6D1F)\n",
			delivery{"smtp", "m1@mx1.example.test", "mx1.example.test[127.0.0.21]:25", "sent", "250 2.0.0 Ok: queued as 6D1F"},
		}, {
			start + "smtp[71]: 4ABC: to=<m2@mx1.example.test>, relay=none, delay=0, delays=0/0/0/0, dsn=4.4.1, status=deferred (connect to mx1.example.test[127.0.0.21]:25: Connection refused)\r\n",
			delivery{"smtp", "m2@mx1.example.test", "none", "deferred", "connect to mx1.example.test[127.0.0.21]:25: Connection refused"},
		}, {
			start + "error[71]: 4ABC: to=<a@b>, orig_to=<c@d>, relay=none, delay=1, status=deferred (delivery temporarily suspended: (nested) reason)",
			delivery{"error", "a@b", "none", "deferred", "delivery temporarily suspended: (nested) reason"},
		},
		{start + "discard[7]: 4ABC: to=<a@b>, relay=none, status=sent", delivery{"discard", "a@b", "none", "sent", ""}},
		{line: start + "smtp[71]: Untrusted TLS connection established to mx1.example.test[127.0.0.21]:25: TLSv1.3"},
		{line: start + "qmgr[12]: 4ABC: from=<sender@sender.lab.test>, size=358, nrcpt=1 (queue active)"},
		{line: start + "qmgr[12]: 4ABC: to=<a@b>, relay=none, status="},
		{line: "Nov 23 22:44:01 sender other/smtp[71]: 4ABC: to=<a@b>, relay=none, status=sent (x)"},
		{line: ""},
	} {
		got, ok := parseDelivery(c.line)
		if want := c.want != (delivery{}); ok != want {
			t.Errorf("%q: ok %t, want %t", c.line, ok, want)
		}
		if ok && got != c.want {
			t.Errorf("%q:\n got %+v\nwant %+v", c.line, got, c.want)
		}
	}
}

// TestMaillog reads a log that grows, in the middle of lines too.
func TestMaillog(t *testing.T) {
	const line = "Nov 23 22:44:01 s postfix/smtp[7]: 4A: to=<a@b>, relay=none, status=sent (ok)\n"
	m := &maillog{file: filepath.Join(t.TempDir(), "log")}
	for _, c := range []struct {
		more string
		want int
	}{{line, 1}, {"", 0}, {line + line[:30], 1}, {line[30:40], 0}, {line[40:] + "other\n" + line, 2}, {line[:5], 0}} {
		appendTo(t, m.file, c.more)
		got, err := m.deliveries()
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != c.want {
			t.Errorf("after %q: %d deliveries, want %d", c.more, len(got), c.want)
		}
		for _, d := range got {
			if diff := cmp.Diff(delivery{"smtp", "a@b", "none", "sent", "ok"}, d, cmp.AllowUnexported(delivery{})); diff != "" {
				t.Errorf("after %q (-want +got):\n%s", c.more, diff)
			}
		}
	}
}

func appendTo(t *testing.T, name, text string) {
	t.Helper()
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// FuzzParseDelivery holds that what is found was there, and that nothing is
// found that has no status or no single recipient.
func FuzzParseDelivery(f *testing.F) {
	f.Add("Nov 23 22:44:01 s postfix/smtp[7]: 4A: to=<a@b>, relay=none, status=sent (ok)")
	f.Add(" postfix/[: to=<>, status=s")
	f.Add(" postfix/smtp[: to=<>, relay=, status=)(")
	f.Fuzz(func(t *testing.T, line string) {
		d, ok := parseDelivery(line)
		if !ok {
			return
		}
		if d.status == "" || strings.Contains(d.to, ">, ") || strings.Contains(d.service, "[") {
			t.Errorf("%q: %+v", line, d)
		}
		for _, part := range []string{d.service, "to=<" + d.to + ">", d.relay, "status=" + d.status, d.reason} {
			if !strings.Contains(line, part) {
				t.Errorf("%q: %q is not in it", line, part)
			}
		}
	})
}
