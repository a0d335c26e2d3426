//go:build lab

package lab_test

import (
	"os"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/internal/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

const (
	owner  = "_25._tcp.mx1.example.test."
	record = "3 1 1 aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899"
)

// TestSecurity holds that the resolver finds in each zone what the zone is
// meant to be, for existing and for missing records, whatever its primary.
func TestSecurity(t *testing.T) {
	servers := map[string]lab.Server{"bind": lab.BIND, "nsd": lab.NSD, "knot": lab.Knot}
	kinds := map[string]lab.Security{"signed": lab.Signed, "unsigned": lab.Unsigned, "bogus": lab.Bogus}
	var zones []lab.Zone
	for server, s := range servers {
		for kind, k := range kinds {
			zones = append(zones, lab.Zone{Name: kind + "." + server + ".test", Server: s, Security: k})
		}
	}
	start := time.Now()
	lab.New(t, lab.Config{Zones: zones})
	t.Logf("%d zones on four servers, and the resolver: %v", len(zones), time.Since(start))
	for _, z := range zones {
		for name, rcode := range map[string]int{"mx1.": dns.RcodeSuccess, "none.": dns.RcodeNameError} {
			m := lab.Ask(t, lab.ResolverIP, name+z.Name, dns.TypeA)
			if z.Security == lab.Bogus {
				rcode = dns.RcodeServerFailure
			}
			if m.Rcode != rcode || m.AuthenticatedData != (z.Security == lab.Signed) {
				t.Errorf("%s%s: rcode %s, AD %t", name, z.Name, dns.RcodeToString[m.Rcode], m.AuthenticatedData)
			}
		}
		for _, ip := range []string{z.Server.IP(), lab.SecondaryIP} {
			m := lab.Ask(t, ip, "mx3."+z.Name, dns.TypeA)
			if !m.Authoritative || signed(m) != (z.Security != lab.Unsigned) {
				t.Errorf("%s at %s: authoritative %t, signed %t", z.Name, ip, m.Authoritative, signed(m))
			}
		}
	}
}

func signed(m *dns.Msg) bool {
	for _, rr := range m.Answer {
		if rr.Header().Rrtype == dns.TypeRRSIG {
			return true
		}
	}
	return false
}

// TestHold holds that changes reach the secondary at once, or when they are released.
func TestHold(t *testing.T) {
	start := time.Now()
	l := lab.New(t, lab.Config{})
	t.Logf("the default lab: %v", time.Since(start))

	start = time.Now()
	l.Primary.Update(t, "example.test", "add "+owner+" 5 TLSA "+record)
	wantTLSA(t, lab.PrimaryIP, record)
	lab.Eventually(t, 3*time.Second, "the secondary has the update", func() bool { return has(t, lab.SecondaryIP, record) })
	t.Logf("an update and its transfer: %v", time.Since(start))

	l.Secondary.Hold(t)
	next := record[:len(record)-2] + "00"
	l.Primary.Update(t, "example.test", "delete "+owner+" TLSA", "add "+owner+" 7 TLSA "+next)
	wantTLSA(t, lab.PrimaryIP, next)
	for range 20 { // long enough for several notifications
		wantTLSA(t, lab.SecondaryIP, record)
		time.Sleep(100 * time.Millisecond)
	}
	start = time.Now()
	l.Secondary.Release(t)
	t.Logf("release: %v", time.Since(start))
	wantTLSA(t, lab.SecondaryIP, next)
	if _, ttl := lab.TLSA(t, lab.SecondaryIP, owner); ttl != 7 {
		t.Errorf("TTL %d, want 7", ttl)
	}
}

// TestRestart holds that a stopped server answers nothing and knows everything
// when it is back.
func TestRestart(t *testing.T) {
	l := lab.New(t, lab.Config{})
	servers := map[string]interface {
		Stop(testing.TB)
		Start(testing.TB)
	}{lab.PrimaryIP: l.Primary, lab.SecondaryIP: l.Secondary}
	l.Primary.Update(t, "example.test", "add "+owner+" 5 TLSA "+record)
	for ip, server := range servers {
		server.Stop(t)
		if _, err := dns.Exchange(new(dns.Msg).SetQuestion(owner, dns.TypeTLSA), ip+":53"); err == nil {
			t.Errorf("%s answers although it is stopped", ip)
		}
		server.Start(t)
		wantTLSA(t, ip, record)
	}
}

// TestCache holds that the resolver keeps answers for their TTL, or for longer
// where it is told to, and forgets them when flushed.
func TestCache(t *testing.T) {
	for name, minimum := range map[string]time.Duration{"as published": 0, "lengthened": time.Hour} {
		t.Run(name, func(t *testing.T) {
			l := lab.New(t, lab.Config{CacheMinTTL: minimum})
			l.Primary.Update(t, "example.test", "add "+owner+" 1 TLSA "+record)
			lab.Eventually(t, 3*time.Second, "the secondary has the update", func() bool { return has(t, lab.SecondaryIP, record) })
			wantTLSA(t, lab.ResolverIP, record)
			l.Secondary.Hold(t) // so it can only be the cache that knows the record
			l.Primary.Update(t, "example.test", "delete "+owner+" TLSA")
			l.Secondary.Release(t)
			time.Sleep(1500 * time.Millisecond)
			if got, want := has(t, lab.ResolverIP, record), minimum > 0; got != want {
				t.Errorf("after the TTL: in the cache %t, want %t", got, want)
			}
			l.Resolver.Flush(t)
			if has(t, lab.ResolverIP, record) {
				t.Error("in the cache after a flush")
			}
		})
	}
}

// TestProxy holds that the proxy passes on what is asked, and loses the reply
// but not the update when it is told to.
func TestProxy(t *testing.T) {
	l := lab.New(t, lab.Config{})
	p := l.StartProxy(t, l.Primary.Address)
	secret, err := os.ReadFile(l.TSIG.SecretFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{"udp", "tcp"} {
		client := dns.Client{Net: network, Timeout: time.Second, TsigSecret: map[string]string{l.TSIG.Name: string(secret[:len(secret)-1])}}
		name := "_25._tcp." + network + ".example.test."
		update := func(data string) error {
			rr, err := dns.NewRR(name + " 5 IN TLSA " + data)
			if err != nil {
				t.Fatal(err)
			}
			m := new(dns.Msg).SetUpdate("example.test.")
			m.Insert([]dns.RR{rr})
			m.SetTsig(l.TSIG.Name, l.TSIG.Algorithm+".", 300, time.Now().Unix())
			_, _, err = client.Exchange(m, p.Address)
			return err
		}
		if err := update(record); err != nil {
			t.Errorf("%s: update through the proxy: %v", network, err)
		}
		p.LoseReplies(1)
		next := record[:len(record)-2] + "00"
		if err := update(next); err == nil {
			t.Errorf("%s: the reply was not lost", network)
		}
		if got, _ := lab.TLSA(t, lab.PrimaryIP, name); len(got) != 2 {
			t.Errorf("%s: the server has %q, want both records", network, got)
		}
	}
	if p.Lost() != 2 {
		t.Errorf("%d replies lost, want 2", p.Lost())
	}
}

// has says whether a server has exactly this record at owner.
func has(t *testing.T, ip, want string) bool {
	t.Helper()
	got, _ := lab.TLSA(t, ip, owner)
	return len(got) == 1 && got[0] == want
}

func wantTLSA(t *testing.T, ip, want string) {
	t.Helper()
	if !has(t, ip, want) {
		got, _ := lab.TLSA(t, ip, owner)
		t.Fatalf("%s has %q, want %q", ip, got, want)
	}
}
