//go:build lab

package lab

import (
	"fmt"
	"net"
	"net/smtp"
	"testing"
	"time"
)

// decideTime is how long the last messages of a sender may take. It is more
// than all of Postfix's time limits for one attempt together.
const decideTime = 60 * time.Second

// Sender is a Postfix that insists on DANE (dane-only). Every message makes a
// connection of its own and is tried once, at one address of its host that
// Postfix picks by chance, and never again. A failure slows down nothing, so
// each moment of an outage is seen, and counted once. As in any Postfix, an smtp
// process keeps the TLSA records it looked up for their TTL and up to a second more.
type Sender struct {
	postfix *postfix
	stream  stream
}

const senderConfig = `smtp_tls_security_level = dane-only
smtp_dns_support_level = dnssec
smtp_host_lookup = dns
smtp_tls_loglevel = 1
smtp_connection_cache_on_demand = no
smtp_tls_connection_reuse = no
# One address is tried: a second one would hide that the first failed.
smtp_mx_address_limit = 1
smtp_mx_session_limit = 1
smtp_balance_inet_protocols = no
smtp_connect_timeout = 5s
smtp_starttls_timeout = 10s
smtp_helo_timeout = 10s
# A destination that fails is neither paused nor slowed down, and what was
# deferred is not tried again.
default_destination_concurrency_failed_cohort_limit = 0
default_destination_concurrency_negative_feedback = 0
initial_destination_concurrency = 20
default_destination_recipient_limit = 1
minimal_backoff_time = 10h
maximal_backoff_time = 10h
queue_run_delay = 10h
`

// StartSender starts the sender's Postfix. A lab has one.
func (l *Lab) StartSender(t testing.TB) *Sender {
	t.Helper()
	return &Sender{postfix: l.startPostfix(t, "sender", []string{SenderIP}, senderConfig)}
}

// Send begins to send: rate messages a second to each of the hosts
// ("mx1.example.test"), evenly spread, until Stop.
func (s *Sender) Send(t testing.TB, rate int, hosts ...string) {
	t.Helper()
	in := &injector{}
	t.Cleanup(in.close) // runs after the cleanup of begin, which ends the flow
	s.stream.begin(t, rate, hosts, in.submit)
}

// Stop ends sending, waits until every message is decided and gives the counts
// of all messages since the sender was started. It fails the test when messages
// could not be handed to the sender's own Postfix.
func (s *Sender) Stop(t testing.TB) Counts {
	t.Helper()
	s.stream.end()
	if err := s.stream.broken(); err != nil {
		t.Fatalf("the sender takes no more messages: %v", err)
	}
	Eventually(t, decideTime, "every message is sent or deferred", func() bool { return s.Counts(t).Pending == 0 })
	return s.Counts(t)
}

// Counts sums up what has become of the messages so far.
func (s *Sender) Counts(t testing.TB) Counts {
	t.Helper()
	s.read(t)
	return s.stream.counts()
}

// Messages gives every message so far, in the order in which they were handed over.
func (s *Sender) Messages(t testing.TB) []Message {
	t.Helper()
	s.read(t)
	return s.stream.list()
}

// read takes in what Postfix has logged.
func (s *Sender) read(t testing.TB) {
	t.Helper()
	deliveries, err := s.postfix.maillog.deliveries()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range deliveries {
		s.stream.decide(d)
	}
}

// injector hands messages to the sender's Postfix over one connection.
type injector struct {
	conn   net.Conn
	client *smtp.Client
}

// submit hands over one message.
func (in *injector) submit(to string) error {
	if err := in.send(to); err != nil {
		return fmt.Errorf("hand over %s: %w", to, err)
	}
	return nil
}

func (in *injector) send(to string) error {
	if in.client == nil {
		if err := in.dial(); err != nil {
			return err
		}
	}
	in.conn.SetDeadline(time.Now().Add(toolTime))
	if err := in.client.Mail("sender@sender.lab.test"); err != nil {
		return err
	}
	if err := in.client.Rcpt(to); err != nil {
		return err
	}
	w, err := in.client.Data()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "Subject: %s\r\n\r\nDelivered or deferred?\r\n", to); err != nil {
		return err
	}
	return w.Close()
}

func (in *injector) dial() (err error) {
	if in.conn, err = net.DialTimeout("tcp", SenderIP+":25", toolTime); err != nil {
		return err
	}
	in.conn.SetDeadline(time.Now().Add(toolTime))
	in.client, err = smtp.NewClient(in.conn, SenderIP)
	return err
}

func (in *injector) close() {
	if in.conn != nil {
		in.conn.Close()
	}
}
