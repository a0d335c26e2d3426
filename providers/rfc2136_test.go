package providers_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/dane"
	"github.com/tlsamgr/tlsamgr/providers"
	"github.com/tlsamgr/tlsamgr/providers/providerstest"
)

// open makes the Zone of a name server. Options come on top of the usual ones.
func (s *nameServer) open(t *testing.T, options map[string]any) providers.Zone {
	t.Helper()
	all := map[string]any{"server": s.address, "tsig_name": keyName, "tsig_secret": s.secret, "timeout": "5s", "confirm_timeout": "1s"}
	maps.Copy(all, options)
	z, err := providers.Open(providers.Settings{Provider: "rfc2136", Zones: []string{providerstest.Apex}, Options: all})
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func parsed(t *testing.T, text string) dane.Record {
	t.Helper()
	r, err := dane.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const mx = "_25._tcp.mx.example.test."

func adding(t *testing.T, text string) []dane.Change {
	return []dane.Change{{Owner: mx, TTL: 300, Add: []dane.Record{parsed(t, text)}}}
}

func removing(t *testing.T, text string) []dane.Change {
	return []dane.Change{{Owner: mx, Remove: []dane.Record{parsed(t, text)}}}
}

func TestRFC2136Conformance(t *testing.T) {
	t.Parallel()
	for name, lag := range map[string]time.Duration{"prompt": 0, "signs late": 20 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, map[string]string{providerstest.Apex: providerstest.Content})
			s.lag = lag
			providerstest.Run(t, providerstest.Subject{
				Zone: s.open(t, nil),
				Dump: func(*testing.T) []dns.RR { return s.dump(providerstest.Apex) },
			})
		})
	}
}

// TestRFC2136Messages holds what goes over the wire: one message for all
// names of a zone, none where nothing is to do, and never a whole RRset.
func TestRFC2136Messages(t *testing.T) {
	t.Parallel()
	s := startServer(t, map[string]string{providerstest.Apex: "_25._tcp.mx 60 TLSA 3 1 1 00\n"})
	z := s.open(t, nil)
	other := "_25._tcp.other.example.test."
	changes := append(adding(t, "3 1 1 01"), dane.Change{Owner: other, TTL: 300, Add: []dane.Record{parsed(t, "3 1 1 02")}})
	for range 2 {
		if err := z.Apply(t.Context(), changes); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Apply(t.Context(), removing(t, "3 1 1 00")); err != nil {
		t.Fatal(err)
	}
	if err := z.Apply(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{mx + " 60 IN TLSA 3 1 1 00", mx + " 60 IN TLSA 3 1 1 01", other + " 300 IN TLSA 3 1 1 02"},
		{mx + " 0 NONE TLSA 3 1 1 00"},
	}
	var got [][]string
	for _, m := range s.updates {
		var lines []string
		for _, rr := range m.Ns {
			lines = append(lines, strings.ReplaceAll(rr.String(), "\t", " "))
		}
		got = append(got, lines)
	}
	if !slices.EqualFunc(got, want, func(a, b []string) bool { return slices.Equal(a, b) }) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// once lets a fault happen to the first message of a kind.
func once(opcode int, f faultKind) func(*dns.Msg) *faultKind {
	done := false
	return func(m *dns.Msg) *faultKind {
		if m.Opcode != opcode || done {
			return nil
		}
		done = true
		return &f
	}
}

// always lets a fault happen to every message of a kind.
func always(opcode int, f faultKind) func(*dns.Msg) *faultKind {
	return func(m *dns.Msg) *faultKind {
		if m.Opcode != opcode {
			return nil
		}
		return &f
	}
}

// outcome is what a caller sees of a fault.
type outcome struct {
	err       string // part of it; "": success
	hint      string // part of it
	temporary bool
	stands    bool // the server has the new record
}

func TestRFC2136Faults(t *testing.T) {
	t.Parallel()
	const update, query = dns.OpcodeUpdate, dns.OpcodeQuery
	spoil := func(f func(*dns.Msg)) faultKind { return faultKind{answer: f} }
	tests := map[string]struct {
		fault func(*dns.Msg) *faultKind
		want  outcome
	}{
		"refused":                {once(update, faultKind{rcode: dns.RcodeRefused}), outcome{err: "the server answers REFUSED", hint: "allow the key"}},
		"not the primary":        {once(update, faultKind{rcode: dns.RcodeNotAuth}), outcome{err: "the server answers NOTAUTH", hint: "primary of the zone"}},
		"not in the zone":        {once(update, faultKind{rcode: dns.RcodeNotZone}), outcome{err: "the server answers NOTZONE", hint: "primary of the zone"}},
		"no updates":             {once(update, faultKind{rcode: dns.RcodeNotImplemented}), outcome{err: "the server answers NOTIMP", hint: "provider zonefile"}},
		"format":                 {once(update, faultKind{rcode: dns.RcodeFormatError}), outcome{err: "the server answers FORMERR"}},
		"odd code":               {once(update, faultKind{rcode: 13}), outcome{err: "the server answers with code 13"}},
		"server failure":         {once(update, faultKind{rcode: dns.RcodeServerFailure}), outcome{err: "the server answers SERVFAIL", temporary: true}},
		"failure after doing it": {once(update, faultKind{rcode: dns.RcodeServerFailure, apply: true}), outcome{err: "the server answers SERVFAIL", temporary: true, stands: true}},
		"reply lost":             {once(update, faultKind{close: true, apply: true}), outcome{stands: true}},
		"reply never comes":      {once(update, faultKind{silent: true, apply: true}), outcome{stands: true}},
		"message lost":           {once(update, faultKind{close: true}), outcome{err: "its outcome is unknown: EOF (it does not show 3 1 1 01 at " + mx + ")", temporary: true}},
		"no reply, not done":     {once(update, faultKind{silent: true}), outcome{err: "its outcome is unknown: ", temporary: true}},
		"reply of another":       {once(update, faultKind{apply: true, answer: func(m *dns.Msg) { m.Id++ }}), outcome{stands: true}},
		"done in silence":        {once(update, faultKind{answer: func(m *dns.Msg) { m.Rcode = dns.RcodeSuccess }, apply: true}), outcome{stands: true}},
		"accepted, not done": {once(update, faultKind{silent: false, before: func(s *nameServer) {
			s.lag = time.Hour
		}}), outcome{err: "accepted the update, but after 300ms: it does not show 3 1 1 01", hint: "confirm_timeout", temporary: true, stands: true}},

		"question refused":   {always(query, faultKind{rcode: dns.RcodeRefused}), outcome{err: "ask for " + mx + " TLSA: name server "}},
		"question fails":     {always(query, faultKind{rcode: dns.RcodeServerFailure}), outcome{err: "the server answers SERVFAIL", temporary: true}},
		"question cut off":   {always(query, faultKind{close: true}), outcome{err: "EOF", temporary: true}},
		"question unheard":   {always(query, faultKind{silent: true}), outcome{err: "i/o timeout", temporary: true}},
		"resolver":           {always(query, spoil(func(m *dns.Msg) { m.Authoritative = false; m.Ns = nil })), outcome{err: "the server is not authoritative for example.test.", hint: "not a resolver"}},
		"another question":   {always(query, spoil(func(m *dns.Msg) { m.Question[0].Name = "a." + mx })), outcome{err: "the reply is not one to this question"}},
		"another type":       {always(query, spoil(func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeA })), outcome{err: "the reply is not one to this question"}},
		"no question":        {always(query, spoil(func(m *dns.Msg) { m.Question = nil })), outcome{err: "the reply is not one to this question"}},
		"an echo":            {always(query, spoil(func(m *dns.Msg) { m.Response = false })), outcome{err: "the reply is not one to this question"}},
		"records of another": {once(query, spoil(func(m *dns.Msg) { m.Answer = append(m.Answer, foreignAnswer()...) })), outcome{stands: true}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, map[string]string{providerstest.Apex: "_25._tcp.mx 60 TLSA 3 1 1 00\n"})
			s.fault = test.fault
			z := s.open(t, map[string]any{"timeout": "300ms", "confirm_timeout": "300ms"})
			err := z.Apply(t.Context(), adding(t, "3 1 1 01"))
			test.want.check(t, err)
			stands := slices.ContainsFunc(s.dump(providerstest.Apex), func(rr dns.RR) bool { return strings.Contains(rr.String(), "3 1 1 01") })
			if stands != test.want.stands {
				t.Errorf("the record stands: %v", stands)
			}
			if s.faults == 0 {
				t.Error("the fault did not happen")
			}
			// Whatever went wrong, the same once more puts it right.
			s.mu.Lock()
			s.fault, s.lag, s.show = nil, 0, time.Time{}
			s.mu.Unlock()
			if err := z.Apply(t.Context(), adding(t, "3 1 1 01")); err != nil {
				t.Errorf("again: %v", err)
			}
			if set := list(t, z, mx); len(set.Records) != 2 || set.TTL != 60 {
				t.Errorf("in the end: %v", set)
			}
		})
	}
}

func foreignAnswer() []dns.RR {
	rr, _ := dns.NewRR("_25._tcp.else.example.test. 60 TLSA 3 1 1 01")
	return []dns.RR{rr}
}

// check compares what a caller sees.
func (want outcome) check(t *testing.T, err error) {
	t.Helper()
	if want.err == "" {
		if err != nil {
			t.Errorf("got %v", err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), want.err) {
		t.Fatalf("got  %v\nwant %s", err, want.err)
	}
	if providers.Temporary(err) != want.temporary {
		t.Errorf("temporary is %v: %v", !want.temporary, err)
	}
	var h interface{ Hint() string }
	if hint := errors.As(err, &h); want.hint != "" && (!hint || !strings.Contains(h.Hint(), want.hint)) {
		t.Errorf("no hint about %q: %v", want.hint, err)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %q", err)
	}
}

func list(t *testing.T, z providers.Zone, owner string) dane.RRset {
	t.Helper()
	sets, err := z.List(t.Context(), []string{owner})
	if err != nil {
		t.Fatal(err)
	}
	return sets[0]
}

func TestRFC2136Keys(t *testing.T) {
	t.Parallel()
	s := startServer(t, map[string]string{providerstest.Apex: ""})
	tests := map[string]map[string]any{
		"name":      {"tsig_name": "other"},
		"secret":    {"tsig_secret": "b3RoZXI="},
		"algorithm": {"tsig_algorithm": "hmac-sha512"},
	}
	for name, options := range tests {
		t.Run(name, func(t *testing.T) {
			if name == "algorithm" { // this server derives it from the message
				if err := s.open(t, options).Apply(t.Context(), adding(t, "3 1 1 01")); err != nil {
					t.Error(err)
				}
				return
			}
			err := s.open(t, options).Apply(t.Context(), adding(t, "3 1 1 02"))
			outcome{err: "the server answers NOTAUTH", hint: "tsig_name, tsig_algorithm and tsig_secret"}.check(t, err)
			if strings.Contains(err.Error(), "b3RoZXI") {
				t.Error("the secret is in the error")
			}
		})
	}
}

// TestRFC2136ChildZone: a server that also holds a zone below must not get
// records of that zone's names into the upper one.
func TestRFC2136ChildZone(t *testing.T) {
	t.Parallel()
	s := startServer(t, map[string]string{providerstest.Apex: "", "child.example.test.": "_25._tcp.mx 60 TLSA 3 1 1 00\n"})
	z := s.open(t, nil)
	err := z.Apply(t.Context(), []dane.Change{{Owner: "_25._tcp.mx.child.example.test.", TTL: 60, Add: []dane.Record{parsed(t, "3 1 1 01")}}})
	if !errors.Is(err, providers.ErrObstacle) {
		t.Fatal(err)
	}
	outcome{err: "at the server it belongs to the zone child.example.test.", hint: "add the zone"}.check(t, err)
	if s.sent() > 0 {
		t.Error("an update was sent")
	}
}

func TestRFC2136Unreachable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{address: listener.Addr().String(), secret: "c2VjcmV0"}
	z := s.open(t, nil)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	outcome{err: "connection refused", temporary: true}.check(t, z.Apply(t.Context(), adding(t, "3 1 1 01")))
	_, err = z.List(t.Context(), []string{mx})
	outcome{err: "connection refused", temporary: true}.check(t, err)
}

// TestRFC2136Impatient: a caller who gives up in the middle gets the control
// back at once, and hears that the outcome is open.
func TestRFC2136Impatient(t *testing.T) {
	t.Parallel()
	s := startServer(t, map[string]string{providerstest.Apex: ""})
	s.lag = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := s.open(t, map[string]any{"confirm_timeout": "1m"}).Apply(ctx, adding(t, "3 1 1 01"))
	outcome{err: "its outcome is unknown: context deadline exceeded", temporary: true}.check(t, err)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	s = startServer(t, map[string]string{providerstest.Apex: ""})
	s.fault = always(dns.OpcodeQuery, faultKind{silent: true})
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, stop)
	_, err = s.open(t, map[string]any{"timeout": "1m"}).List(ctx, []string{mx})
	if !errors.Is(err, context.Canceled) || !providers.Temporary(err) {
		t.Errorf("got %v", err)
	}
}

// TestRFC2136Batches: more records than fit into one message.
func TestRFC2136Batches(t *testing.T) {
	t.Parallel()
	s := startServer(t, map[string]string{providerstest.Apex: ""})
	var changes []dane.Change
	for _, host := range []string{"a", "b", "c"} {
		c := dane.Change{Owner: "_25._tcp." + host + ".example.test.", TTL: 60}
		for n := range byte(12) {
			c.Add = append(c.Add, dane.NewRecord(dane.Params{Usage: dane.DANETA}, append(make([]byte, 2000), n)))
		}
		changes = append(changes, c)
	}
	if err := s.open(t, nil).Apply(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	if got := s.sent(); got != 3 {
		t.Errorf("%d messages, want 3", got)
	}
}
