package rollover

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// timeline is one of the vectors that were calculated by other programs in
// two different ways: who served what when, and when that was unsafe.
type timeline struct {
	ID       string
	Versions map[string]struct {
		TTL     int
		Records json.RawMessage
	}
	Initial string
	Servers []string
	Writes  []struct {
		T       int
		Version string
		Lag     map[string]int
	}
	Serving []struct {
		Endpoint string
		Chain    []string
		From, To *int
	}
	Sender struct{ Floor, Cap, Stale, App int }
	Window [2]int
	Step   int
	Expect map[string]struct {
		Safe   bool
		Unsafe [][2]int `json:"unsafe_intervals"`
	}
}

func readTimelines(t *testing.T) []timeline {
	t.Helper()
	files, err := filepath.Glob("testdata/timeline/*.json")
	if err != nil || len(files) != 18 {
		t.Fatalf("%d timeline vectors, 18 expected (%v)", len(files), err)
	}
	var out []timeline
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var v timeline
		if err := json.Unmarshal(data, &v); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		out = append(out, v)
	}
	return out
}

func (v *timeline) chain(names []string) *dane.Chain {
	key := map[string]int{"A": 0, "B": 1, "C": 2, "R": 3, "R2": 4, "E": 5}[names[0]]
	return stock().chain(0, key, map[string]int{"I1": 0, "I2": 1}[names[1]], 0)
}

func (v *timeline) records(t *testing.T, version string) (records []dane.Record, bogus bool) {
	var pairs [][2]string
	if json.Unmarshal(v.Versions[version].Records, &pairs) != nil {
		return nil, string(v.Versions[version].Records) == `"bogus"`
	}
	for _, p := range pairs {
		issuer, leaf := "I1", p[1]
		if p[1][0] == 'I' {
			issuer, leaf = p[1], "A"
		}
		records = append(records, recordsOf(t, params(t, p[0]), v.chain([]string{leaf, issuer}))...)
	}
	return dane.SortRecords(records), false
}

// at gives what every server answers at a time.
func (v *timeline) at(t *testing.T, now int) NameView {
	view := NameView{Security: Secure}
	for _, s := range v.Servers {
		version := v.Initial
		for _, w := range v.Writes {
			if lag, ok := w.Lag[s]; ok && w.T+lag <= now {
				version = w.Version
			}
		}
		records, bogus := v.records(t, version)
		if bogus {
			view.Security, view.Why = Bogus, "the signatures have expired"
		}
		view.Servers = append(view.Servers, ServerView{Server: s, Records: records, TTL: time.Duration(v.Versions[version].TTL) * time.Second})
	}
	return view
}

func (v *timeline) policy() Policy {
	floor := time.Duration(v.Sender.Floor) * time.Second
	if floor == 0 {
		floor = None
	}
	return Policy{Wait: 1, Floor: floor, Margin: time.Duration(v.Sender.App+v.Sender.Stale) * time.Second, Settle: None}
}

func seconds(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }

const owner1 = "_25._tcp.mx1.a.example."

// The memory must call exactly those instants unsafe that two other programs
// have calculated: one second too short is an outage, one too long is a
// rollover that is slower than it needs to be.
func TestTimelineVectors(t *testing.T) {
	for _, v := range readTimelines(t) {
		t.Run(v.ID, func(t *testing.T) {
			if v.ID == "T17a" {
				t.Log("bogus answers are an outage by themselves: see TestTimelineSwaps")
				return
			}
			m, p := &Memory{Owner: owner1}, v.policy()
			for now := v.Window[0]; now < v.Window[1]; now += v.Step {
				m.remember(v.at(t, now), seconds(now))
				want := slices.ContainsFunc(v.Expect["S1"].Unsafe, func(i [2]int) bool { return i[0] <= now && now < i[1] })
				got := ""
				for _, s := range v.Serving {
					if (s.From == nil || *s.From <= now) && (s.To == nil || now < *s.To) {
						for _, b := range m.rejecting([]*dane.Chain{v.chain(s.Chain)}, seconds(now), p) {
							got = describe(b.version) + ": " + b.why
						}
					}
				}
				if want != (got != "") {
					t.Fatalf("at %d: unsafe is %v, the memory says %q", now, want, got)
				}
			}
		})
	}
}

// The planner must refuse each swap that the vectors call unsafe, and must
// not refuse those that they call safe.
func TestTimelineSwaps(t *testing.T) {
	for _, v := range readTimelines(t) {
		for i, s := range v.Serving {
			if s.From == nil {
				continue
			}
			t.Run(v.ID, func(t *testing.T) {
				swap := *s.From
				old := &Bundle{ID: "old", Chains: []*dane.Chain{v.chain(v.Serving[i-1].Chain)}}
				next := &Bundle{ID: "new", Chains: []*dane.Chain{v.chain(s.Chain)}}
				state := State{}
				var d Decision
				for now := swap - (swap-v.Window[0])/v.Step*v.Step; now <= swap; now += v.Step {
					o := Observation{Now: seconds(now), Live: old, Held: []*Bundle{old, next}, Owners: []OwnerView{{Owner: owner1, Names: v.at(t, now),
						Listed: Listing{Err: "read only"}, Addresses: []AddressView{{Address: "mx", Served: []Served{{Chain: old.Chains[0]}}}}}}}
					if now == swap {
						o.Staged = next
					}
					d = Next(state, o, v.policy())
					state = d.State
				}
				unsafe := slices.ContainsFunc(v.Expect["S1"].Unsafe, func(i [2]int) bool { return i[0] <= swap && swap < i[1] })
				// T03: the mistake is the early removal, not the swap that follows it.
				if got := d.Step.Kind == DoSwap; got == unsafe {
					t.Errorf("swap at %d: unsafe is %v, but the decision is %q: %v", swap, unsafe, d.Step.Kind, d.Why)
				}
			})
		}
	}
}
