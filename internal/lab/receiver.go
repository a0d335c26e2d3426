//go:build lab

package lab

import (
	"fmt"
	"strings"
	"testing"
)

// Receiver is a Postfix that takes mail over TLS and discards it. As everywhere,
// its smtpd processes end after a hundred connections and the next ones read
// the certificate files anew, without any reload.
type Receiver struct {
	postfix   *postfix
	delivered int
}

// ReceiverConfig describes a receiver.
type ReceiverConfig struct {
	Addresses []string // "127.0.0.21", …; its host names are those that point there
	Chains    []string // files of key and chain (smtpd_tls_chain_files), one for each key algorithm
	More      string   // more lines of main.cf
}

// StartReceiver starts a mail server and waits until it answers on port 25 of
// each address. Several receivers may run, on different addresses.
func (l *Lab) StartReceiver(t testing.TB, c ReceiverConfig) *Receiver {
	t.Helper()
	more := fmt.Sprintf(`smtpd_tls_security_level = may
smtpd_tls_chain_files = %s
smtpd_tls_loglevel = 1
smtpd_client_connection_count_limit = 0
default_transport = discard:
relay_transport = discard:
%s
`, strings.Join(c.Chains, ", "), c.More)
	// The name becomes a file name and a host name.
	name := "receiver-" + strings.NewReplacer(".", "-", ":", "-").Replace(c.Addresses[0])
	return &Receiver{postfix: l.startPostfix(t, name, c.Addresses, more)}
}

// ReloadCommand is the command that makes the server read its certificates
// again, for programs that run it themselves.
func (r *Receiver) ReloadCommand() []string {
	return []string{program("postfix"), "-c", r.postfix.dir, "reload"}
}

// Reload runs ReloadCommand. Its end is not yet the moment from which every
// connection gets the new certificate: now and then an old process takes one
// more, and needs a second for it.
func (r *Receiver) Reload(t testing.TB) {
	t.Helper()
	r.postfix.lab.run(t, "", r.ReloadCommand()...)
}

// Delivered counts the messages that the server has taken.
func (r *Receiver) Delivered(t testing.TB) int {
	t.Helper()
	deliveries, err := r.postfix.maillog.deliveries()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range deliveries {
		if d.service == "discard" && d.status == "sent" {
			r.delivered++
		}
	}
	return r.delivered
}

// Stop ends the server: connections are refused.
func (r *Receiver) Stop(t testing.TB) {
	t.Helper()
	r.postfix.process.stop()
}
