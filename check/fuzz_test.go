package check

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// Whatever comes as a reply: it is refused, or it can be said again.
func FuzzReply(f *testing.F) {
	for _, seed := range []string{
		"220 mx\r\n", "220\n", "250-mx\r\n250-STARTTLS\r\n250 SIZE\r\n", "250-mx\r\n251 x\r\n", "250-mx", "22\r\n", "\r\n", "2000\r\n",
		strings.Repeat("220-x\r\n", maxLines), "220 " + strings.Repeat("x", maxLine) + "\r\n", "250-\r\r\n250 \x00\x1b\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := readReply(bufio.NewReaderSize(bytes.NewReader(text), maxLine))
		if err != nil {
			if strings.ContainsAny(err.Error(), "\r\n\x00\x1b") || len(err.Error()) > 1000 {
				t.Errorf("error %q", err)
			}
			return
		}
		if r.code < 200 || r.code > 599 || len(r.lines) < 1 || len(r.lines) > maxLines {
			t.Fatalf("%+v", r)
		}
		var again strings.Builder
		for i, line := range r.lines {
			fmt.Fprintf(&again, "%d%c%s\r\n", r.code, " -"[min(1, len(r.lines)-1-i)], line)
		}
		same, err := readReply(bufio.NewReaderSize(strings.NewReader(again.String()), 2*maxLine))
		if diff := cmp.Diff(r, same, cmp.AllowUnexported(reply{})); diff != "" || err != nil {
			t.Errorf("%v%s", err, diff)
		}
	})
}

// Whatever comes as a DNS message: it is refused, or what is read from it hangs together.
func FuzzAnswer(f *testing.F) {
	z, _, _ := signedExample(f)
	q, err := newQuery(owner, dns.TypeTLSA)
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{owner, "_25._tcp.www.example.test.", "none.example.test.", "loop1.example.test."} {
		asked := q.Copy()
		asked.Question[0].Name = name
		m := z.answer(asked)
		m.Question = q.Question // as if it had been asked
		m.Compress = true
		wire, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
		f.Add(wire[:len(wire)-7])
	}
	f.Add(header(1, 0, 0))
	now := time.Unix(1<<31, 0)
	f.Fuzz(func(t *testing.T, wire []byte) {
		if len(wire) > 2 {
			wire = slices.Clone(wire)
			binary.BigEndian.PutUint16(wire, q.Id)
		}
		m, err := parseReply(q, wire)
		if err != nil {
			return
		}
		checkAnswer(t, interpret(q.Question[0], m))
		a, err := interpretAuthority(m, newPlace(origin, owner), now)
		if err == nil && (a.Alias != "" && a.Records != nil || a.TTL < 0 || a.NegativeTTL < 0 || a.Signed == a.SignatureExpiration.IsZero()) {
			t.Errorf("%+v", a)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("error %q", err)
		}
	})
}

func checkAnswer(t *testing.T, a Answer) {
	switch a.Status {
	case Secure, Insecure:
		if a.Err() != nil || a.Canonical == "" || a.TTL < 0 {
			t.Errorf("%+v", a)
		}
	case Failed:
		if a.Err() == nil || a.Why == "" || strings.Contains(a.Why, "\n") || a.Records != nil || a.Canonical != "" {
			t.Errorf("%+v", a)
		}
	default:
		t.Errorf("status %q", a.Status)
	}
	records, err := a.TLSA()
	if err != nil || len(records) == 0 && len(a.Records) > 0 || len(records) > len(a.Records) {
		t.Errorf("%d TLSA records of %d, %v", len(records), len(a.Records), err)
	}
}
