package providers_test

import (
	"encoding/base64"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const keyName = "rollover-key."

// nameServer is a small authoritative name server that takes dynamic updates,
// over TCP and with TSIG only, and can be made to fail.
type nameServer struct {
	address string
	secret  string

	mu      sync.Mutex
	zones   map[string][]dns.RR
	past    map[string][]dns.RR // what is shown until the time of show
	show    time.Time
	updates []*dns.Msg

	lag    time.Duration               // how long an update takes to be shown
	fault  func(m *dns.Msg) *faultKind // nil: none
	faults int                         // that happened
}

// faultKind is how one message goes wrong.
type faultKind struct {
	rcode  int                  // answered
	apply  bool                 // an update is carried out all the same
	silent bool                 // no answer, the connection stays
	close  bool                 // no answer, the connection ends
	answer func(reply *dns.Msg) // spoils the answer
	before func(s *nameServer)  // happens first
}

func startServer(t *testing.T, zones map[string]string) *nameServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{address: listener.Addr().String(), secret: base64.StdEncoding.EncodeToString([]byte("a key of thirty-two octets, no more")), zones: map[string][]dns.RR{}}
	for zone, text := range zones {
		s.zones[zone] = records(t, zone, text)
	}
	server := &dns.Server{Listener: listener, Handler: s, TsigSecret: map[string]string{keyName: s.secret}, MsgAcceptFunc: func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }}
	done := make(chan error, 1)
	go func() { done <- server.ActivateAndServe() }()
	t.Cleanup(func() {
		if err := server.Shutdown(); err != nil {
			t.Log(err)
		}
		<-done
	})
	return s
}

// records parses the records of a zone, and adds an SOA record.
func records(t *testing.T, zone, text string) []dns.RR {
	t.Helper()
	parser := dns.NewZoneParser(strings.NewReader("$TTL 900\n@ SOA ns host 1 2 3 4 5\n@ NS ns\n"+text), zone, "")
	var all []dns.RR
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		all = append(all, rr)
	}
	if err := parser.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// dump gives copies of all records of a zone.
func (s *nameServer) dump(zone string) []dns.RR {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []dns.RR
	for _, rr := range s.zones[zone] {
		all = append(all, dns.Copy(rr))
	}
	return all
}

// sent gives the number of updates that came.
func (s *nameServer) sent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.updates)
}

func (s *nameServer) ServeDNS(w dns.ResponseWriter, m *dns.Msg) {
	reply := new(dns.Msg).SetReply(m)
	s.mu.Lock()
	fault := s.handle(w, m, reply)
	s.mu.Unlock()
	switch {
	case fault.close:
		_ = w.Close()
		return
	case fault.silent:
		return
	case fault.answer != nil:
		fault.answer(reply)
	}
	if tsig := m.IsTsig(); tsig != nil && reply.IsTsig() == nil && w.TsigStatus() == nil {
		reply.SetTsig(tsig.Hdr.Name, tsig.Algorithm, 300, time.Now().Unix())
	}
	_ = w.WriteMsg(reply)
}

// handle fills in the reply and gives what goes wrong with it.
func (s *nameServer) handle(w dns.ResponseWriter, m, reply *dns.Msg) faultKind {
	if m.IsTsig() == nil {
		reply.Rcode = dns.RcodeRefused
		return faultKind{}
	}
	if w.TsigStatus() != nil { // RFC 8945, Section 5.2.2: NOTAUTH with a TSIG error
		reply.Rcode = dns.RcodeNotAuth
		return faultKind{}
	}
	var fault faultKind
	if s.fault != nil {
		if f := s.fault(m); f != nil {
			s.faults++
			fault = *f
		}
	}
	if fault.before != nil {
		fault.before(s)
	}
	if fault.rcode != 0 {
		reply.Rcode = fault.rcode
	}
	if m.Opcode == dns.OpcodeUpdate {
		s.updates = append(s.updates, m)
		if fault.apply || fault.rcode == 0 && !fault.silent && !fault.close {
			s.update(m, reply)
		}
	} else if fault.rcode == 0 {
		s.query(m.Question[0], reply)
	}
	return fault
}

// update carries out an update (RFC 2136, Section 3.4.2).
func (s *nameServer) update(m, reply *dns.Msg) {
	zone := strings.ToLower(m.Question[0].Name)
	all, ok := s.zones[zone]
	if !ok {
		reply.Rcode = dns.RcodeNotAuth
		return
	}
	if s.lag > 0 {
		s.past, s.show = map[string][]dns.RR{zone: slices.Clone(all)}, time.Now().Add(s.lag)
	}
	for _, rr := range m.Ns {
		rr = dns.Copy(rr)
		same := func(other dns.RR) bool {
			other = dns.Copy(other)
			other.Header().Class, other.Header().Ttl = rr.Header().Class, rr.Header().Ttl
			return dns.IsDuplicate(rr, other)
		}
		all = slices.DeleteFunc(slices.Clone(all), same)
		if rr.Header().Class != dns.ClassINET {
			continue
		}
		for i, other := range all { // one TTL for the RRset
			if strings.EqualFold(other.Header().Name, rr.Header().Name) && other.Header().Rrtype == rr.Header().Rrtype {
				all[i] = dns.Copy(other)
				all[i].Header().Ttl = rr.Header().Ttl
			}
		}
		all = append(all, rr)
	}
	s.zones[zone] = all
}

// query answers from the lowest zone that holds the name (RFC 1034, Section 4.3.2).
func (s *nameServer) query(q dns.Question, reply *dns.Msg) {
	name := strings.ToLower(q.Name)
	var zone string
	for z := range s.zones {
		if dns.IsSubDomain(z, name) && len(z) > len(zone) {
			zone = z
		}
	}
	if zone == "" {
		reply.Rcode = dns.RcodeRefused
		return
	}
	all := s.zones[zone]
	if time.Now().Before(s.show) && s.past[zone] != nil {
		all = s.past[zone]
	}
	at := func(name string, kind uint16) (found []dns.RR) {
		for _, rr := range all {
			if strings.EqualFold(rr.Header().Name, name) && (rr.Header().Rrtype == kind || kind == dns.TypeANY) {
				found = append(found, rr)
			}
		}
		return found
	}
	exists := func(name string) bool {
		return slices.ContainsFunc(all, func(rr dns.RR) bool { return dns.IsSubDomain(name, strings.ToLower(rr.Header().Name)) })
	}
	source := name
	for cut := name; cut != zone; cut = cut[strings.Index(cut, ".")+1:] {
		if ns := at(cut, dns.TypeNS); ns != nil {
			reply.Ns = ns
			return
		}
		above := cut[strings.Index(cut, ".")+1:]
		if dname := at(above, dns.TypeDNAME); dname != nil {
			target := strings.TrimSuffix(name, above) + dname[0].(*dns.DNAME).Target
			reply.Authoritative = true
			reply.Answer = append(dname, &dns.CNAME{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 60}, Target: target})
			return
		}
		if !exists(cut) {
			source = "*." + above
		}
	}
	reply.Authoritative = true
	kind := q.Qtype
	if cname := at(source, dns.TypeCNAME); cname != nil {
		kind = dns.TypeCNAME
		reply.Answer = at(cname[0].(*dns.CNAME).Target, q.Qtype)
	}
	for _, rr := range at(source, kind) {
		rr = dns.Copy(rr)
		rr.Header().Name = q.Name
		reply.Answer = append(reply.Answer, rr)
	}
	if len(reply.Answer) == 0 {
		reply.Ns = at(zone, dns.TypeSOA)
		if !exists(source) {
			reply.Rcode = dns.RcodeNameError
		}
	}
}
