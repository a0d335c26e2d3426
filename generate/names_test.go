package generate

import (
	"strings"
	"testing"
)

func TestOwner(t *testing.T) {
	good := func(host string, port int, protocol, want string) {
		t.Helper()
		if got, err := Owner(host, port, protocol); got != want || err != nil {
			t.Errorf("Owner(%q, %d, %q) = %q, %v, want %q", host, port, protocol, got, err, want)
		}
	}
	bad := func(host string, port int, protocol, want string) {
		t.Helper()
		if got, err := Owner(host, port, protocol); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Owner(%q, %d, %q) = %q, %v, want an error with %q", host, port, protocol, got, err, want)
		}
	}
	label63 := strings.Repeat("a", 63)
	longest := strings.Repeat(label63+".", 3) + strings.Repeat("b", 52) // 244: with "_25._tcp." and the dot 254
	good("mx1.example.com", 25, "tcp", "_25._tcp.mx1.example.com.")
	good("MX1.Example.COM.", 587, "udp", "_587._udp.mx1.example.com.")
	good("mx", 65535, "sctp", "_65535._sctp.mx.")
	good("1.2.3.a4", 1, "tcp", "_1._tcp.1.2.3.a4.")
	good("xn--bcher-kva.example", 25, "tcp", "_25._tcp.xn--bcher-kva.example.")
	good("bücher.example", 25, "tcp", "_25._tcp.xn--bcher-kva.example.")
	good("BÜCHER。example", 25, "tcp", "_25._tcp.xn--bcher-kva.example.")
	good(label63+".example", 25, "tcp", "_25._tcp."+label63+".example.")
	good(longest, 25, "tcp", "_25._tcp."+longest+".")

	bad(longest, 465, "tcp", "255 characters")
	bad(label63+"a.example", 25, "tcp", "64 characters")
	bad(strings.Repeat("ü", 63)+".example", 25, "tcp", "host")
	bad("", 25, "tcp", "empty label")
	bad(".", 25, "tcp", "empty label")
	bad("a..b", 25, "tcp", "empty label")
	bad(".a", 25, "tcp", "empty label")
	bad("a.b..", 25, "tcp", "empty label")
	bad("*.example.com", 25, "tcp", "wildcard")
	bad("_25._tcp.mx.example.com", 25, "tcp", `"_25" is no label`)
	bad("-a.example", 25, "tcp", "hyphen")
	bad("a-.example", 25, "tcp", "hyphen")
	bad("a b.example", 25, "tcp", `" " cannot`)
	bad("a/b.example", 25, "tcp", `"/" cannot`)
	bad("a\x00.example", 25, "tcp", `"\x00" cannot`)
	bad("192.0.2.1", 25, "tcp", "not a name")
	bad("2001:db8::1", 25, "tcp", `":" cannot`)
	bad("mx.example", 0, "tcp", "port 0")
	bad("mx.example", 65536, "tcp", "port 65536")
	bad("mx.example", 25, "TCP", `protocol "TCP"`)
}

// FuzzOwner holds that every owner is one: short enough, of plain characters,
// and the same when it is made again of itself.
func FuzzOwner(f *testing.F) {
	for _, host := range []string{"mx1.example.com", "MX.Bücher.example.", "*.a", "192.0.2.1", "xn--a.b", "a。b", "ß.example", strings.Repeat("a.", 120)} {
		f.Add(host, 25)
	}
	f.Fuzz(func(t *testing.T, host string, port int) {
		owner, err := Owner(host, port, "tcp")
		if err != nil {
			return
		}
		if len(owner) > 254 || !strings.HasSuffix(owner, ".") || strings.Trim(owner, "abcdefghijklmnopqrstuvwxyz0123456789-._") != "" {
			t.Errorf("%q", owner)
		}
		for label := range strings.SplitSeq(strings.TrimSuffix(owner, "."), ".") {
			if len(label) < 1 || len(label) > 63 {
				t.Errorf("%q: label %q", owner, label)
			}
		}
		if again, err := Owner(hostOf(owner), port, "tcp"); again != owner || err != nil {
			t.Errorf("%q again: %q, %v", owner, again, err)
		}
	})
}
