package providers

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/dane"
)

// questioner asks one authoritative server, over TCP and with TSIG.
type questioner struct {
	server    string // ip:port
	key       string // absolute
	algorithm string // absolute
	secret    Secret
	timeout   time.Duration // of one question
}

// view is what a server shows at one owner name.
type view struct {
	set      dane.RRset
	obstacle string // why no TLSA record can stand there; "" if nothing is in the way
}

// look asks for the TLSA records of each owner, over one connection.
func (q questioner) look(ctx context.Context, zone string, owners []string) ([]view, error) {
	views := make([]view, len(owners))
	i := 0
	err := q.ask(ctx, dns.TypeTLSA, owners, func(owner string, answer *dns.Msg) (err error) {
		views[i], err = viewOf(answer, zone, owner)
		i++
		return err
	})
	return views, err
}

// sameZone makes sure that the owners lie in the zone itself and not in one
// below it that the same server holds: an update of the upper zone would put
// records where nobody sees them.
func (q questioner) sameZone(ctx context.Context, zone string, effects []effect) error {
	owners := make([]string, len(effects))
	for i, e := range effects {
		owners[i] = e.owner
	}
	return q.ask(ctx, dns.TypeSOA, owners, func(owner string, answer *dns.Msg) error {
		found := soaOwner(answer)
		switch found {
		case zone:
			return nil
		case "":
			return errors.New("the reply does not say which zone the name lies in")
		}
		return inTheWay(owner, "at the server it belongs to the zone "+found)
	})
}

// ask puts the same question about several names and hands each answer on.
func (q questioner) ask(ctx context.Context, kind uint16, owners []string, take func(owner string, answer *dns.Msg) error) error {
	l := &line{questioner: q}
	defer l.hangUp()
	for _, owner := range owners {
		answer, err := l.put(ctx, owner, kind)
		if err == nil {
			err = take(owner, answer)
		}
		if err != nil {
			return fmt.Errorf("ask for %s %s: %w", owner, dns.TypeToString[kind], q.failed(ctx, err))
		}
	}
	return nil
}

// line is a connection over which questions are put one after the other.
type line struct {
	questioner
	conn *dns.Conn
	used bool // a question has been answered over it
}

// put asks one question. Servers end connections after so many questions:
// then it is asked over a new one.
func (l *line) put(ctx context.Context, owner string, kind uint16) (*dns.Msg, error) {
	client := &dns.Client{Net: "tcp", Timeout: l.timeout, TsigSecret: map[string]string{l.key: l.secret.Reveal()}}
	if l.conn == nil {
		conn, err := client.DialContext(ctx, l.server)
		if err != nil {
			return nil, err
		}
		l.conn, l.used = conn, false
	}
	question := new(dns.Msg).SetQuestion(owner, kind)
	question.RecursionDesired = false
	question.SetTsig(l.key, l.algorithm, 300, time.Now().Unix())
	// The client looks at the deadline of ctx, but not at its end.
	conn := l.conn.Conn
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	// A dns.Conn signs a second message as if it continued the first (RFC 8945,
	// Section 5.3.1), so each question has its own over the one connection.
	answer, _, err := client.ExchangeWithConnContext(ctx, question, &dns.Conn{Conn: conn})
	if err != nil && l.used && ended(err) && ctx.Err() == nil {
		l.hangUp()
		return l.put(ctx, owner, kind)
	}
	l.used = true
	if err != nil {
		return nil, err
	}
	return answer, fits(question, answer)
}

func (l *line) hangUp() {
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
}

// failed names the server that failed.
func (q questioner) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err() // rather than the connection that it closed
	}
	return explain(q.server, err)
}

// fits checks that an answer belongs to the question and is a good one.
func fits(question, answer *dns.Msg) error {
	if !answer.Response || answer.Opcode != dns.OpcodeQuery || len(answer.Question) != 1 ||
		!strings.EqualFold(answer.Question[0].Name, question.Question[0].Name) || answer.Question[0].Qtype != question.Question[0].Qtype {
		return errors.New("the reply is not one to this question")
	}
	if answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError {
		return rcodeError(answer.Rcode)
	}
	return nil
}

// viewOf reads the answer to a question for TLSA records.
func viewOf(answer *dns.Msg, zone, owner string) (view, error) {
	v := view{set: dane.RRset{Owner: owner}}
	for _, rr := range answer.Answer {
		switch rr := rr.(type) {
		case *dns.CNAME:
			if strings.EqualFold(rr.Hdr.Name, owner) {
				v.obstacle = "it is a CNAME to " + strings.ToLower(rr.Target)
			}
		case *dns.TLSA:
			if !strings.EqualFold(rr.Hdr.Name, owner) {
				continue
			}
			data, err := hex.DecodeString(rr.Certificate)
			if err != nil {
				return view{}, fmt.Errorf("a TLSA record without hex data: %w", err)
			}
			p := dane.Params{Usage: dane.Usage(rr.Usage), Selector: dane.Selector(rr.Selector), Matching: dane.Matching(rr.MatchingType)}
			v.set.Records = append(v.set.Records, dane.NewRecord(p, data))
			v.set.TTL = max(v.set.TTL, rr.Hdr.Ttl)
		}
	}
	v.set.Records = dane.SortRecords(v.set.Records)
	if v.obstacle != "" {
		v.set = dane.RRset{Owner: owner} // what follows an alias stands elsewhere
		return v, nil
	}
	if answer.Authoritative {
		return v, nil
	}
	// RFC 1034, Section 4.3.2: below a zone cut the answer is a referral.
	for _, rr := range answer.Ns {
		if ns, ok := rr.(*dns.NS); ok && len(ns.Hdr.Name) > len(zone) {
			v.obstacle = "it belongs to the zone " + strings.ToLower(ns.Hdr.Name) + ", which has name servers of its own"
			return v, nil
		}
	}
	return view{}, hinted(fmt.Errorf("the server is not authoritative for %s", zone), "name the primary name server of the zone, not a resolver")
}

// soaOwner gives the zone whose SOA record a message holds, "" if there is none.
func soaOwner(m *dns.Msg) string {
	for _, section := range [][]dns.RR{m.Answer, m.Ns} {
		for _, rr := range section {
			if soa, ok := rr.(*dns.SOA); ok {
				return strings.ToLower(soa.Hdr.Name)
			}
		}
	}
	return ""
}
