package etcd

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// simulation carries out what Scale decides, one step a turn, as the hosting cluster and etcd would.
type simulation struct {
	Observed
	turns []Scaling
}

func (s *simulation) turn() (changed bool) {
	before := s.Observed
	d := Scale(s.Observed)
	s.turns = append(s.turns, d)
	for o := s.Running; o < d.Replicas; o++ {
		s.Members = append(s.Members, Member{ID: uint64(o + 1), Ordinal: o, Learner: s.Bootstrapped})
	}
	s.Running = d.Replicas
	if s.Used != d.Servers {
		s.Used, s.UsedEverywhere = d.Servers, false
	} else {
		s.UsedEverywhere = true
	}
	var members []Member
	for _, m := range s.Members {
		if m.ID == d.Remove {
			continue
		}
		if m.ID == d.Promote {
			m.Learner = false
		}
		if d.LeadTo != 0 {
			m.Leader = m.ID == d.LeadTo
		}
		members = append(members, m)
	}
	s.Members = members
	s.Bootstrapped = true
	return !cmp.Equal(before, s.Observed)
}

func run(t *testing.T, s *simulation) {
	t.Helper()
	for range 30 {
		voters := int32(0)
		for _, m := range s.Members {
			if !m.Learner {
				voters++
			}
			if m.Ordinal >= s.Running {
				t.Fatalf("member %d is in the list but has no pod: %+v", m.Ordinal, s.Observed)
			}
		}
		if s.Used > voters && len(s.Members) > 0 {
			t.Fatalf("API servers use %d members, %d have a vote: %+v", s.Used, voters, s.Observed)
		}
		if !s.turn() {
			return
		}
	}
	t.Fatalf("did not settle: %+v", s.turns)
}

func TestScale(t *testing.T) {
	tests := map[string]struct{ from, to int32 }{
		"when there is nothing, it makes all members":    {0, 3},
		"when one is to become three, it promotes first": {1, 3},
		"when three are to become one, it removes first": {3, 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := &simulation{Observed: Observed{Wanted: tc.to, Running: tc.from, Used: tc.from, UsedEverywhere: true, Bootstrapped: tc.from > 0}}
			for o := range tc.from {
				s.Members = append(s.Members, Member{ID: uint64(o + 1), Ordinal: o, Leader: o == tc.from-1})
			}
			run(t, s)
			if s.Running != tc.to || s.Used != tc.to || int32(len(s.Members)) != tc.to {
				t.Errorf("ended with %+v", s.Observed)
			}
			if last := s.turns[len(s.turns)-1]; last.Waiting != "" {
				t.Errorf("still waiting: %s", last.Waiting)
			}
		})
	}
	t.Run("when the wish changes before the cluster was formed, it forms it first", func(t *testing.T) {
		d := Scale(Observed{Wanted: 1, Running: 3, Used: 3})
		if d.Replicas != 3 || d.Servers != 3 || d.Waiting == "" {
			t.Errorf("got %+v", d)
		}
	})
	t.Run("when a member that lost its data has joined again, it is promoted", func(t *testing.T) {
		d := Scale(Observed{Wanted: 3, Running: 3, Used: 3, UsedEverywhere: true, Bootstrapped: true,
			Members: []Member{{ID: 1}, {ID: 2, Ordinal: 1}, {ID: 9, Ordinal: 2, Learner: true}}})
		if d.Promote != 9 || d.Servers != 3 {
			t.Errorf("got %+v", d)
		}
	})
	t.Run("when a member that was removed has joined again, it is removed and never promoted", func(t *testing.T) {
		d := Scale(Observed{Wanted: 1, Running: 1, Used: 1, UsedEverywhere: true, Bootstrapped: true,
			Members: []Member{{ID: 1, Leader: true}, {ID: 9, Ordinal: 1, Learner: true}}})
		if d.Promote != 0 || d.Remove != 9 || d.Waiting == "" {
			t.Errorf("got %+v", d)
		}
	})
}
