//go:build lab

package lab

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Message is one message to a host, or one attempt to reach it as a message would.
type Message struct {
	To     string    // "m7@mx1.example.test": unique
	At     time.Time // when it was handed over
	Status string    // "sent"; "deferred" and the like for a failure; empty: not decided yet
	Relay  string    // the host and address tried, where known
	Reason string    // the reply, or why it failed

	number int
}

// Counts sums up messages.
type Counts struct {
	Injected, Sent, Failed, Pending int
	Reasons                         map[string]int // of the failures, without host names and addresses
}

// stream is a steady flow of messages to some hosts, and what became of them.
type stream struct {
	cancel chan struct{}
	done   chan struct{} // closed when the flow has ended

	mutex    sync.Mutex
	messages map[string]Message // by recipient
	err      error              // why the flow broke off
}

// begin starts the flow: rate messages a second to each of the hosts, evenly
// spread, each handed to submit, until end.
func (s *stream) begin(t testing.TB, rate int, hosts []string, submit func(to string) error) {
	t.Helper()
	if s.cancel != nil {
		t.Fatal("messages are flowing already")
	}
	if rate <= 0 || len(hosts) == 0 {
		t.Fatalf("cannot send %d messages a second to %d hosts", rate, len(hosts))
	}
	s.cancel, s.done = make(chan struct{}), make(chan struct{})
	t.Cleanup(s.end)
	go s.flow(time.Second/time.Duration(rate*len(hosts)), hosts, submit)
}

// flow runs until it is cancelled or a message cannot be handed over.
func (s *stream) flow(interval time.Duration, hosts []string, submit func(to string) error) {
	defer close(s.done)
	start := time.Now()
	for n := 0; ; n++ {
		// Each message has its own moment: a late one does not push back the rest.
		select {
		case <-s.cancel:
			return
		case <-time.After(time.Until(start.Add(time.Duration(n) * interval))):
		}
		if err := submit(s.register(hosts[n%len(hosts)])); err != nil {
			s.mutex.Lock()
			s.err = err
			s.mutex.Unlock()
			return
		}
	}
}

// register notes a new message before anybody else knows of it, so that no
// result is about an unknown one, and gives its recipient.
func (s *stream) register(host string) string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.messages == nil {
		s.messages = make(map[string]Message)
	}
	number := len(s.messages) + 1
	m := Message{To: "m" + strconv.Itoa(number) + "@" + host, At: time.Now(), number: number}
	s.messages[m.To] = m
	return m.To
}

// decide notes what became of a message. Its first result counts.
func (s *stream) decide(d delivery) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if m, ok := s.messages[d.to]; ok && m.Status == "" {
		m.Status, m.Relay, m.Reason = d.status, d.relay, d.reason
		s.messages[d.to] = m
	}
}

// end ends the flow, if there is one.
func (s *stream) end() {
	if s.cancel != nil {
		close(s.cancel)
		<-s.done
		s.cancel = nil
	}
}

// counts sums up what has become of the messages.
func (s *stream) counts() Counts {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	c := Counts{Injected: len(s.messages), Reasons: make(map[string]int)}
	for _, m := range s.messages {
		switch m.Status {
		case "":
			c.Pending++
		case "sent":
			c.Sent++
		default:
			c.Failed++
			c.Reasons[plainReason(m.Reason)]++
		}
	}
	return c
}

// list gives the messages in the order in which they were handed over.
func (s *stream) list() []Message {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.SortedFunc(maps.Values(s.messages), func(a, b Message) int { return cmp.Compare(a.number, b.number) })
}

// broken gives why the flow broke off.
func (s *stream) broken() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.err
}

// plainReason makes the reasons of like failures alike: a host with its address
// becomes "HOST".
func plainReason(reason string) string {
	words := strings.Fields(reason)
	for i, word := range words {
		if strings.Contains(word, "[") && strings.Contains(word, "]") {
			words[i] = "HOST"
		}
	}
	return strings.Join(words, " ")
}
