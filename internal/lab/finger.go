//go:build lab

package lab

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Finger is a second opinion on DANE: Postfix's posttls-finger(1), run anew for
// each attempt. It connects and verifies as the sender does but delivers
// nothing, and it keeps nothing: only the resolver's cache stands between it
// and the servers of the zone.
type Finger struct {
	config string
	stream stream
}

// StartFinger makes a Finger ready for use.
func (l *Lab) StartFinger(t testing.TB) *Finger {
	t.Helper()
	config := l.makeDir(t, "finger")
	age(t, l.write(t, "finger/main.cf", "compatibility_level = 3.6\nmyhostname = finger.lab.test\ninet_interfaces = "+SenderIP+"\n"))
	return &Finger{config: config}
}

// Send begins to try: rate attempts a second at each of the hosts
// ("mx1.example.test"), until Stop. It does not overlap them, so a host that
// hangs lowers the rate.
func (f *Finger) Send(t testing.TB, rate int, hosts ...string) {
	t.Helper()
	ctx := t.Context()
	f.stream.begin(t, rate, hosts, func(to string) error {
		_, host, _ := strings.Cut(to, "@")
		out, verified, err := f.try(ctx, host)
		if err != nil {
			return err
		}
		status := "sent"
		if !verified {
			status = "deferred"
		}
		reason, _, _ := strings.Cut(strings.TrimPrefix(out, "posttls-finger: "), "\n")
		f.stream.decide(delivery{to: to, status: status, reason: reason})
		return nil
	})
}

// Stop ends the attempts and gives their counts since the Finger was started.
func (f *Finger) Stop(t testing.TB) Counts {
	t.Helper()
	f.stream.end()
	if err := f.stream.broken(); err != nil {
		t.Fatalf("posttls-finger: %v", err)
	}
	return f.stream.counts()
}

// Messages gives every attempt so far, in order.
func (f *Finger) Messages() []Message { return f.stream.list() }

// Try makes one attempt now. The output says what was wrong.
func (f *Finger) Try(t testing.TB, host string) (verified bool, output string) {
	t.Helper()
	output, verified, err := f.try(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	return verified, output
}

// try runs the program. Its exit status says whether it could connect; whether
// DANE holds is in what it prints.
func (f *Finger) try(ctx context.Context, host string) (output string, verified bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, toolTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program("posttls-finger"), "-c", "-T", "10", "-l", "dane-only", "-L", "summary,untrusted", "["+host+"]")
	cmd.Dir = filepath.Dir(f.config)
	cmd.Env = append(os.Environ(), "MAIL_CONFIG="+f.config)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		return "", false, err // it did not start
	}
	return strings.TrimSpace(string(out)), strings.Contains(string(out), "Verified TLS connection established"), nil
}
