// Package lab gives tests real servers: name servers with DNSSEC, a validating
// resolver, mail servers, and senders that insist on DANE. Only tests use it.
//
// # The machine
//
// A package that uses the lab carries the build tag "lab" and has
//
//	func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }
//
// Main runs the tests as root inside network, mount and process namespaces of
// their own: a machine with a loopback interface and nothing else. Every port
// is free there, ports 25 and 53 too; /etc/resolv.conf names the lab's resolver;
// no packet leaves; nothing survives the tests, not even a kill -9 of the test
// binary. Temporary files are in memory, under /run/lab.
//
// # The servers
//
//	127.0.0.1       Unbound: validates every zone, for the whole machine. Nothing else resolves.
//	127.0.0.11      BIND: primary of dynamic zones; takes updates and transfers with the key Lab.TSIG
//	127.0.0.12      Knot: second server of every zone; can be held back
//	127.0.0.13, .14 NSD and Knot: primaries of zones in a file (Zone.Server, Lab.FileZone)
//	127.0.0.21, .22 mx1 and mx2 of every zone: addresses for StartReceiver
//	127.0.0.23, .24 and fd00:25::23: the three addresses of mx3
//	127.0.0.9       Postfix as sender
//
// All DNS servers listen on port 53 and all mail servers on port 25, as the NS, A
// and MX records say, so programs under test need no special settings. See Zone
// for the records. New starts the name servers in about a quarter of a second, a
// Postfix starts in a tenth.
//
// # A test
//
//	func TestChangeOfKey(t *testing.T) {
//		l := lab.New(t, lab.Config{})
//		old, err := l.CA.Issue(lab.Request{Names: []string{"mx1.example.test"}})
//		…
//		err = lab.WriteCombined(file, old)
//		receiver := l.StartReceiver(t, lab.ReceiverConfig{Addresses: []string{lab.MX1IP}, Chains: []string{file}})
//		l.Primary.Update(t, "example.test", "add _25._tcp.mx1.example.test. 5 TLSA "+old.TLSA())
//		sender := l.StartSender(t)
//		sender.Send(t, 10, "mx1.example.test") // ten messages a second
//		l.Secondary.Hold(t)                    // goes on answering with the old records
//		… the rollover under test, with reload command receiver.ReloadCommand() …
//		l.Secondary.Release(t)
//		if c := sender.Stop(t); c.Failed > 0 {
//			t.Errorf("%d of %d messages failed: %v", c.Failed, c.Injected, c.Reasons)
//		}
//	}
//
// Whatever the lab starts ends with the test that it was given. When a test
// fails, the ends of all logs are in its output; "go test -artifacts" keeps the
// whole logs.
//
// # What fails, and what is seen
//
// The senders only help if they see every failure. So mail to user@mx1.example.test
// goes to that host alone, to one of its addresses, once; a failure pauses
// nothing; a Message has the time at which it was handed over, so an outage shows
// with its beginning and end. Two kinds of memory are as in the world outside:
// Unbound keeps answers for their TTL (Resolver.Flush, Config.CacheMinTTL), and
// on top of that each smtp process of the sender keeps TLSA records for their TTL
// plus up to a second. A Finger has no memory of its own.
//
// Things that tests arrange:
//   - a secondary that lags: Secondary.Hold and Release. Without, it is up to a
//     second behind, as BIND announces changes once a second
//   - a server that does not answer: Primary.Stop, Secondary.Stop, and Start
//   - a reply that is lost although the update was done: StartProxy, LoseReplies
//   - a reload that does not take effect: let the receiver read a copy of the
//     live file, and leave out the copying. A reload command that does nothing
//     is not enough: Postfix's processes end after a hundred connections, and
//     the next ones read the file anew
//   - several zones in one certificate: mx1.example.test and mx1.example2.test
//     are the same machine
//   - two algorithms on one server: WriteCombined with two certificates, or two Chains
//   - a zone that is not signed, or bogus: Zone.Security
package lab
