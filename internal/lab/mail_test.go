//go:build lab

package lab_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tlsamgr/tlsamgr/internal/lab"
)

const rate = 10 // messages a second

// errDANE is how Postfix says that DANE and nothing else was the obstacle.
var errDANE = regexp.MustCompile(`^Server certificate not (verified|trusted)$`)

// mailLab is a lab with one receiver and a published key.
type mailLab struct {
	*lab.Lab
	receiver *lab.Receiver
	sender   *lab.Sender
	file     string // what the receiver serves
	good     *lab.Certificate
	bad      *lab.Certificate // of an unpublished key
}

func newMailLab(t *testing.T) *mailLab {
	t.Helper()
	l := &mailLab{Lab: lab.New(t, lab.Config{})}
	l.good, l.bad = l.issue(t, lab.ECDSA), l.issue(t, lab.ECDSA)
	l.file = filepath.Join(l.Dir, "combined.pem")
	l.serve(t, l.good)
	start := time.Now()
	l.receiver = l.StartReceiver(t, lab.ReceiverConfig{Addresses: []string{lab.MX1IP}, Chains: []string{l.file}})
	l.sender = l.StartSender(t)
	t.Logf("two Postfix: %v", time.Since(start))
	l.publish(t, l.good.TLSA())
	return l
}

func (l *mailLab) issue(t *testing.T, algorithm lab.Algorithm) *lab.Certificate {
	t.Helper()
	c, err := l.CA.Issue(lab.Request{Names: []string{"mx1.example.test"}, Algorithm: algorithm})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serve puts a certificate where the receiver reads it, and has it read at once
// if it runs.
func (l *mailLab) serve(t *testing.T, c *lab.Certificate) {
	t.Helper()
	if err := lab.WriteCombined(l.file, c); err != nil {
		t.Fatal(err)
	}
	if l.receiver != nil {
		command(t, l.receiver.ReloadCommand())
	}
}

// publish makes a record the only one, on both servers, and empties the cache.
func (l *mailLab) publish(t *testing.T, data string) {
	t.Helper()
	l.Primary.Update(t, "example.test", "delete "+owner+" TLSA", "add "+owner+" 1 TLSA "+data)
	lab.Eventually(t, 3*time.Second, "the secondary has the update", func() bool { return has(t, lab.SecondaryIP, data) })
	l.Resolver.Flush(t)
	time.Sleep(2500 * time.Millisecond) // what the sender's processes keep: TTL, and up to a second
}

// TestSenderDelivers holds that mail flows at the rate asked for while all is well.
func TestSenderDelivers(t *testing.T) {
	l := newMailLab(t)
	finger := l.StartFinger(t)
	const seconds = 5
	before := cpuTime(t)
	l.receiver.Reload(t)
	l.sender.Send(t, rate, "mx1.example.test")
	time.Sleep(seconds * time.Second)
	c := l.sender.Stop(t)
	t.Logf("%d messages in %d s: %.0f%% of one processor", c.Injected, seconds, 100*(cpuTime(t)-before).Seconds()/seconds)
	if c.Failed != 0 || c.Sent != c.Injected || c.Injected < seconds*rate*9/10 {
		t.Errorf("counts %+v, want at least %d sent and none failed", c, seconds*rate*9/10)
	}
	lab.Eventually(t, 5*time.Second, "the receiver has taken every message", func() bool { return l.receiver.Delivered(t) == c.Sent })

	before = cpuTime(t)
	finger.Send(t, rate, "mx1.example.test")
	time.Sleep(seconds * time.Second)
	c = finger.Stop(t)
	t.Logf("%d times posttls-finger in %d s: %.0f%% of one processor", c.Injected, seconds, 100*(cpuTime(t)-before).Seconds()/seconds)
	if c.Failed != 0 || c.Sent < seconds*rate/2 { // it starts a program for each
		t.Errorf("posttls-finger: counts %+v", c)
	}
}

// TestSenderSees holds that both senders see each way of breaking DANE.
func TestSenderSees(t *testing.T) {
	l := newMailLab(t)
	finger := l.StartFinger(t)
	for _, c := range []struct {
		name   string
		record string
		served *lab.Certificate
		fails  bool
	}{
		{"matching key", l.good.TLSA(), l.good, false},
		{"record of another key", l.bad.TLSA(), l.good, true},
		{"unpublished key served", l.good.TLSA(), l.bad, true},
		{"pinned issuer", l.CA.TLSA(), l.bad, false},
		{"matching key again", l.good.TLSA(), l.good, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l.serve(t, c.served)
			l.publish(t, c.record)
			before := l.sender.Counts(t)
			l.sender.Send(t, rate, "mx1.example.test")
			time.Sleep(time.Second)
			after := l.sender.Stop(t)
			sent, failed := after.Sent-before.Sent, after.Failed-before.Failed
			if c.fails && (sent > 0 || failed < 9) || !c.fails && (sent < 9 || failed > 0) {
				t.Errorf("%d sent, %d failed: %v", sent, failed, after.Reasons)
			}
			for reason := range after.Reasons {
				if !errDANE.MatchString(reason) {
					t.Errorf("failed for another reason than DANE: %q", reason)
				}
			}
			if verified, output := finger.Try(t, "mx1.example.test"); verified == c.fails {
				t.Errorf("posttls-finger: verified %t: %s", verified, output)
			}
		})
	}
}

// TestSenderSeesAnOutageOfASecond swaps the certificate for one second and holds
// that every message of that second fails, and none before and after.
func TestSenderSeesAnOutageOfASecond(t *testing.T) {
	l := newMailLab(t)
	finger := l.StartFinger(t)
	l.sender.Send(t, rate, "mx1.example.test")
	finger.Send(t, rate, "mx1.example.test")
	time.Sleep(2 * time.Second)
	start := time.Now()
	l.serve(t, l.bad)
	time.Sleep(time.Second)
	l.serve(t, l.good)
	end := time.Now()
	time.Sleep(2 * time.Second)
	for name, s := range map[string]struct {
		counts   lab.Counts
		messages []lab.Message
	}{
		"sender":         {l.sender.Stop(t), l.sender.Messages(t)},
		"posttls-finger": {finger.Stop(t), finger.Messages()},
	} {
		t.Logf("%s: %+v, outage of %v", name, s.counts, end.Sub(start))
		if s.counts.Failed < 8 {
			t.Errorf("%s: %d failures in about a second at %d a second", name, s.counts.Failed, rate)
		}
		for _, m := range s.messages {
			// What was on its way at the swap, or met an old process after the reload.
			if slack := time.Second; m.Status != "sent" && (m.At.Before(start.Add(-slack)) || m.At.After(end.Add(slack))) {
				t.Errorf("%s: %s failed outside of the outage, %v after its start: %s", name, m.To, m.At.Sub(start), m.Reason)
			}
		}
	}
}

// TestReceiver holds what receivers serve: the file as it is at a reload, both
// algorithms, and every address.
func TestReceiver(t *testing.T) {
	l := newMailLab(t)
	if got := lab.Served(t, lab.MX1IP, ""); len(got) != 2 || !bytes.Equal(got[0].Raw, l.good.Leaf.Raw) || !bytes.Equal(got[1].Raw, l.CA.Issuer.Raw) {
		t.Errorf("served %d certificates, want the leaf and its issuer", len(got))
	}
	start := time.Now()
	l.serve(t, l.bad)
	reload := time.Since(start)
	lab.Eventually(t, 2*time.Second, "the new certificate is served", func() bool {
		return bytes.Equal(lab.Served(t, lab.MX1IP, "")[0].Raw, l.bad.Leaf.Raw)
	})
	t.Logf("reload: the command %v, served after %v", reload, time.Since(start))

	rsa := l.issue(t, lab.RSA)
	both := filepath.Join(l.Dir, "both.pem")
	if err := lab.WriteCombined(both, l.good, rsa); err != nil {
		t.Fatal(err)
	}
	l.StartReceiver(t, lab.ReceiverConfig{Addresses: lab.MX3IPs(), Chains: []string{both}})
	for _, ip := range lab.MX3IPs() {
		for algorithm, want := range map[lab.Algorithm]*lab.Certificate{lab.ECDSA: l.good, lab.RSA: rsa} {
			if !bytes.Equal(lab.Served(t, ip, algorithm)[0].Raw, want.Leaf.Raw) {
				t.Errorf("%s does not serve the %s certificate", ip, algorithm)
			}
		}
	}
	l.receiver.Stop(t)
	l.sender.Send(t, rate, "mx1.example.test")
	time.Sleep(time.Second)
	c := l.sender.Stop(t)
	if c.Sent != 0 || c.Reasons["connect to HOST Connection refused"] < 9 {
		t.Errorf("with the receiver stopped: %+v", c)
	}
}

// TestEveryAddressIsTried holds that mail to a host with several addresses goes
// to each, and that one address that is wrong is not hidden by the others.
func TestEveryAddressIsTried(t *testing.T) {
	l := newMailLab(t)
	three := strings.ReplaceAll(owner, "mx1", "mx3")
	l.Primary.Update(t, "example.test", "add "+three+" 60 TLSA "+l.good.TLSA())
	wrong := filepath.Join(l.Dir, "wrong.pem")
	if err := lab.WriteCombined(wrong, l.bad); err != nil {
		t.Fatal(err)
	}
	ips := lab.MX3IPs()
	l.StartReceiver(t, lab.ReceiverConfig{Addresses: ips[:2], Chains: []string{l.file}})
	l.StartReceiver(t, lab.ReceiverConfig{Addresses: ips[2:], Chains: []string{wrong}})
	lab.Eventually(t, 3*time.Second, "the resolver has the record", func() bool {
		l.Resolver.Flush(t)
		got, _ := lab.TLSA(t, lab.ResolverIP, three)
		return len(got) == 1
	})
	l.sender.Send(t, 5*rate, "mx3.example.test")
	time.Sleep(2 * time.Second)
	l.sender.Stop(t)
	tried := make(map[string]int)
	for _, m := range l.sender.Messages(t) {
		tried[m.Relay+" "+m.Status]++
	}
	t.Log(tried)
	for i, ip := range ips {
		status := []string{"sent", "sent", "deferred"}[i]
		if tried[fmt.Sprintf("mx3.example.test[%s]:25 %s", ip, status)] == 0 {
			t.Errorf("nothing was %s at %s", status, ip)
		}
	}
	if len(tried) != len(ips) {
		t.Errorf("other results than those: %v", tried)
	}
}

// cpuTime is the processor time that all processes of the machine have used.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var ticks int
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended; its parent's figures include it
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		for _, field := range strings.Fields(rest)[11:15] { // own time and that of ended children
			n, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
