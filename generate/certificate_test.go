package generate

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// FuzzCertificate holds that the walk finds in every certificate that
// crypto/x509 accepts what crypto/x509 finds in it.
func FuzzCertificate(f *testing.F) {
	for _, v := range []string{"G01a-rsa", "G05a-eddsa", "G14b-x509-v1", "G18b-odd-dates", "G22b-san-kinds", "G43a-selfsigned-ca-as-leaf", "G47a-odd-strings"} {
		block, _ := pem.Decode(readFile(f, filepath.Join("testdata", "gen", v, "cert.pem")))
		f.Add(block.Bytes)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		var ours certificate
		err := ours.read(der)
		parsed, errX509 := x509.ParseCertificate(der)
		if errX509 != nil || err != nil && (strings.Contains(err.Error(), " bytes follow ") || strings.Contains(err.Error(), "bad extension")) {
			return // it lets more elements follow in a sequence; other readers would not
		}
		if err != nil {
			t.Fatalf("crypto/x509 accepts what we do not: %v", err)
		}
		if !bytes.Equal(ours.spki, parsed.RawSubjectPublicKeyInfo) || !bytes.Equal(ours.subject, parsed.RawSubject) || !bytes.Equal(ours.issuer, parsed.RawIssuer) {
			t.Error("key or names differ")
		}
		if ours.ca != (parsed.BasicConstraintsValid && parsed.IsCA) || ours.v1 != (parsed.Version == 1) {
			t.Errorf("CA %v, version 1 %v, crypto/x509 has %v, version %d", ours.ca, ours.v1, parsed.IsCA, parsed.Version)
		}
		if !bytes.Equal(ours.keyID, parsed.SubjectKeyId) || !bytes.Equal(ours.issueID, parsed.AuthorityKeyId) {
			t.Error("key identifiers differ")
		}
		if from, to, ok := ours.validity(); ok && (from != stampOf(parsed.NotBefore) || to != stampOf(parsed.NotAfter)) {
			t.Errorf("valid from %s to %s, crypto/x509 has %s, %s", from, to, parsed.NotBefore, parsed.NotAfter)
		}
		var names []string
		forEachSAN(ours.sans, func(name []byte) { names = append(names, string(name)) })
		if diff := cmp.Diff(parsed.DNSNames, names); diff != "" {
			t.Errorf("DNS names (-crypto/x509 +ours):\n%s", diff)
		}
	})
}

// TestNames holds which owners a certificate gives by itself.
func TestNames(t *testing.T) {
	ca := newTestCA(t)
	tests := []struct {
		name    string
		names   []string
		owners  []string
		warning string
	}{
		{"one", []string{"mx1.example.com"}, []string{"_25._tcp.mx1.example.com."}, ""},
		{"two, one of them twice", []string{"MX1.example.com", "mx2.example.com", "mx1.example.com"}, []string{"_25._tcp.mx1.example.com.", "_25._tcp.mx2.example.com."}, ""},
		{"wildcard alone", []string{"*.example.com"}, []string{""}, "cannot own records"},
		{"wildcard and a name", []string{"*.example.com", "example.com"}, []string{"_25._tcp.example.com."}, "cannot own records"},
		{"no host's name", []string{"a_b.example.com", "mx.example.com"}, []string{"_25._tcp.mx.example.com."}, `"a_b.example.com" is passed over`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			result := recordsOf(t, Options{}, ca.leaf(t, test.names...))
			if diff := cmp.Diff(test.owners, ownersIn(result)); diff != "" {
				t.Errorf("owners (-want +got):\n%s", diff)
			}
			if got := strings.Join(result.Warnings, "\n"); (test.warning == "") != (got == "") || !strings.Contains(got, test.warning) {
				t.Errorf("warnings %q, want %q", got, test.warning)
			}
		})
	}
}

func TestCommonNameCounts(t *testing.T) {
	for dir, want := range map[string]string{"G21a-no-san": "_25._tcp.mx1.example.org.", "G22b-san-kinds": "_25._tcp.mx1.example.org.", "G20b-idn": "_25._tcp.mx.xn--9ca.example."} {
		source, err := Read(filepath.Join("testdata", "gen", dir, "cert.pem"))
		if err != nil {
			t.Fatal(err)
		}
		result, err := source.Records(Options{})
		if diff := cmp.Diff([]string{want}, ownersIn(result)); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", dir, err, diff)
		}
	}
}

// TestDates holds that certificates that are not valid are spoken of and have
// their records.
func TestDates(t *testing.T) {
	leaf := newTestCA(t).leaf(t, "mx1.example.com")
	for _, test := range []struct {
		now  time.Time
		want string
	}{
		{time.Now(), ""},
		{time.Time{}, ""},
		{time.Now().AddDate(2, 0, 0), "expired on "},
		{time.Now().AddDate(-1, 0, 0), "is not valid before "},
	} {
		result := recordsOf(t, Options{Now: test.now}, leaf)
		got := strings.Join(result.Warnings, "\n")
		if len(result.Sets) != 1 || (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
			t.Errorf("at %s: warnings %q, want %q", test.now, got, test.want)
		}
	}
}

// recordsOf makes the records of certificates in PEM.
func recordsOf(t testing.TB, o Options, certs ...[]byte) Result {
	t.Helper()
	result, err := tryRecords(o, certs...)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func tryRecords(o Options, certs ...[]byte) (Result, error) {
	var text []byte
	for _, der := range certs {
		text = append(text, encodePEM("CERTIFICATE", der)...)
	}
	source, err := Parse(text)
	if err != nil {
		return Result{}, err
	}
	return source.Records(o)
}

func ownersIn(result Result) (owners []string) {
	for _, set := range result.Sets {
		owners = append(owners, set.Owner)
	}
	return owners
}

// TestEmptyChain holds that a chain of nothing is nothing.
func TestEmptyChain(t *testing.T) {
	if _, err := FromChain(); !errors.Is(err, ErrNothing) {
		t.Errorf("got %v, want %v", err, ErrNothing)
	}
	if _, err := FromChain([]byte("x")); err == nil || !strings.Contains(err.Error(), "certificate 1 of 1") {
		t.Errorf("got %v", err)
	}
}
