package generate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsamgr/tlsamgr/dane"
)

func paramsOf(t testing.TB, specs ...string) (params []dane.Params) {
	t.Helper()
	for _, spec := range specs {
		p, err := dane.ParseParams(spec)
		if err != nil {
			t.Fatal(err)
		}
		params = append(params, p)
	}
	return params
}

func TestOptions(t *testing.T) {
	leaf := newTestCA(t).leaf(t, "mx1.example.com")
	tests := []struct {
		name   string
		o      Options
		owners []string
		err    string
		warn   string
	}{
		{name: "hosts and ports in the order given, each once",
			o:      Options{Hosts: []string{"b.example", "a.example", "B.example."}, Ports: []int{587, 25, 587}, Protocol: "udp"},
			owners: []string{"_587._udp.b.example.", "_25._udp.b.example.", "_587._udp.a.example.", "_25._udp.a.example."}},
		{name: "wildcard host", o: Options{Hosts: []string{"*.example"}}, err: "wildcard"},
		{name: "port", o: Options{Ports: []int{0}}, err: "port 0"},
		{name: "protocol", o: Options{Protocol: "quic"}, err: "quic"},
		{name: "usage 1 on port 25", o: Options{Params: paramsOf(t, "1 1 1")}, err: "RFC 7672, Section 3.1.3"},
		{name: "usage 0 on port 25 among others", o: Options{Params: paramsOf(t, "0 1 1"), Ports: []int{443, 25}}, err: "RFC 7672, Section 3.1.3"},
		{name: "usage 1 elsewhere", o: Options{Params: paramsOf(t, "1 1 1"), Ports: []int{443}}, owners: []string{"_443._tcp.mx1.example.com."}},
		{name: "usage 1 when allowed", o: Options{Params: paramsOf(t, "1 1 1"), AllowPKIX: true}, owners: []string{"_25._tcp.mx1.example.com."}},
		{name: "unassigned", o: Options{Params: paramsOf(t, "3 1 3")}, err: "no meaning"},
		{name: "private use", o: Options{Params: paramsOf(t, "255 1 1")}, err: "no meaning"},
		{name: "no issuer", o: Options{Params: paramsOf(t, "3 1 1", "2 1 1")}, err: "no certificate here issued"},
		{name: "even digests", o: Options{Params: paramsOf(t, "3 1 1", "3 1 2")}, owners: []string{"_25._tcp.mx1.example.com."}},
		{name: "uneven digests", o: Options{Params: paramsOf(t, "3 1 1", "3 1 2", "3 0 1")}, owners: []string{"_25._tcp.mx1.example.com."}, warn: "Section 8.3"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			result, err := tryRecords(test.o, leaf)
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("error %v, want %q", err, test.err)
			}
			if diff := cmp.Diff(test.owners, ownersIn(result)); diff != "" {
				t.Errorf("owners (-want +got):\n%s", diff)
			}
			if got := strings.Join(result.Warnings, "\n"); (got == "") != (test.warn == "") || !strings.Contains(got, test.warn) {
				t.Errorf("warnings %q, want %q", got, test.warn)
			}
		})
	}
}

// TestLargeSet holds that a set that large senders choke on is spoken of.
func TestLargeSet(t *testing.T) {
	ca := newTestCA(t)
	var der [][]byte
	for range dane.WarnRecords + 1 {
		der = append(der, ca.leaf(t, "mx1.example.com"))
	}
	if result := recordsOf(t, Options{}, der[1:]...); len(result.Warnings) != 0 {
		t.Errorf("warnings %q", result.Warnings)
	}
	result := recordsOf(t, Options{}, der...)
	if len(result.Warnings) != 1 || !strings.Contains(result.Warnings[0], "large senders") {
		t.Errorf("warnings %q", result.Warnings)
	}
}
