package generate

import (
	"slices"

	"github.com/tlsamgr/tlsamgr/dane"
)

// sets collects records by owner, each once and in the order in which they
// come. Small numbers are looked through, large ones indexed.
type sets struct {
	list    []Set
	byOwner map[string]int
	seen    []map[dane.Record]bool // of each set; nil while it is small
}

// small is how many things are looked through rather than indexed.
const small = 16

// reset empties the sets and keeps their room.
func (s *sets) reset() {
	*s = sets{list: s.list[:0]}
}

func (s *sets) add(owners []string, records []dane.Record) {
	for _, owner := range owners {
		i := s.find(owner)
		for _, r := range records {
			if !s.has(i, r) {
				s.list[i].Records = append(s.list[i].Records, r)
			}
		}
	}
}

// find gives the index of an owner's set.
func (s *sets) find(owner string) int {
	if len(s.list) <= small {
		if i := slices.IndexFunc(s.list, func(set Set) bool { return set.Owner == owner }); i >= 0 {
			return i
		}
	} else if i, ok := s.byOwner[owner]; ok {
		return i
	}
	s.grow(owner)
	if len(s.list) > small {
		if s.byOwner == nil {
			s.byOwner = map[string]int{}
			for i, set := range s.list {
				s.byOwner[set.Owner] = i
			}
		}
		s.byOwner[owner] = len(s.list) - 1
	}
	return len(s.list) - 1
}

// grow appends a set, in the room of one before where there is some.
func (s *sets) grow(owner string) {
	n := len(s.list)
	if n == cap(s.list) {
		s.list = append(s.list, Set{Records: make([]dane.Record, 0, 4)})
	}
	s.list = s.list[:n+1]
	s.list[n] = Set{Owner: owner, Records: s.list[n].Records[:0]}
}

// has says whether a set holds a record, and assumes that it is about to.
func (s *sets) has(i int, r dane.Record) bool {
	records := s.list[i].Records
	if len(records) < small {
		return slices.Contains(records, r)
	}
	for len(s.seen) <= i {
		s.seen = append(s.seen, nil)
	}
	if s.seen[i] == nil {
		s.seen[i] = make(map[dane.Record]bool, 2*small)
		for _, old := range records {
			s.seen[i][old] = true
		}
	}
	found := s.seen[i][r]
	s.seen[i][r] = true
	return found
}
