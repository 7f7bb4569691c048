package etcd

import (
	"cmp"
	"slices"
)

// Member is what was observed of one member.
type Member struct {
	ID      uint64
	Ordinal int32
	// Learner members have no vote yet.
	Learner bool
	Leader  bool
}

// Observed is what a scaling decision is taken from.
type Observed struct {
	// Wanted is how many members the user asks for.
	Wanted int32
	// Running is the StatefulSet's replicas; 0: there is none yet.
	Running int32
	// Used is how many members the API servers are told of; 0: there are no API servers yet.
	Used int32
	// UsedEverywhere says that no API server runs any more that was told otherwise.
	UsedEverywhere bool
	// Bootstrapped says that the cluster was formed.
	Bootstrapped bool
	// Members is etcd's own list; nil: not observed.
	Members []Member
}

// Scaling says what to do now. At most one member is changed at a time; the rest follows from what is observed next.
//
//	grow:   more pods ─► they join as learners ─► promote one by one ─► tell the API servers
//	shrink: tell the API servers ─► move the lead to one that stays ─► remove one by one ─► fewer pods
type Scaling struct {
	// Replicas of the StatefulSet, Servers that the API servers are told of.
	Replicas, Servers int32
	// Promote, LeadTo and Remove are member IDs; 0: none.
	Promote, LeadTo, Remove uint64
	// Waiting says what is still to be done; empty: nothing.
	Waiting string
}

// Settled tells whether o needs no look at etcd's own members.
func (o Observed) Settled() bool {
	return o.Running == o.Wanted && (o.Used == 0 || o.Used == o.Wanted)
}

// Scale decides.
func Scale(o Observed) Scaling {
	keep := Scaling{Replicas: o.Running, Servers: o.Used}
	if o.Used == 0 {
		keep.Servers = max(o.Running, 1)
	}
	switch {
	case o.Running == 0:
		return Scaling{Replicas: o.Wanted, Servers: o.Wanted}
	case !o.Bootstrapped:
		if o.Running != o.Wanted {
			keep.Waiting = "etcd is formed before it is scaled"
		}
		return keep
	case o.Wanted < o.Running || o.Wanted < o.Used:
		return shrink(o, keep)
	default:
		return grow(o, keep)
	}
}

func grow(o Observed, keep Scaling) Scaling {
	keep.Replicas = o.Wanted
	voters := int32(0)
	for _, m := range o.Members {
		if m.Ordinal >= o.Wanted {
			// It came back after it was removed, and its pod goes: with a vote it would take the quorum with it.
			keep.Remove, keep.Promote = m.ID, 0
			keep.Waiting = "a member of etcd that is not wanted is being removed"
			return keep
		}
		if m.Learner {
			if keep.Promote == 0 {
				keep.Promote = m.ID
			}
			continue
		}
		voters++
	}
	if o.Members != nil && voters >= o.Wanted || o.Members == nil && o.Settled() {
		keep.Servers = o.Wanted
	} else if !o.Settled() {
		keep.Waiting = "new members of etcd are joining"
	}
	return keep
}

func shrink(o Observed, keep Scaling) Scaling {
	keep.Servers = o.Wanted
	keep.Waiting = "members of etcd are being removed"
	if o.Used != o.Wanted || !o.UsedEverywhere {
		keep.Waiting = "API servers are leaving the members of etcd that go"
		return keep
	}
	if o.Members == nil {
		return keep
	}
	members := slices.SortedFunc(slices.Values(o.Members), func(a, b Member) int { return cmp.Compare(b.Ordinal, a.Ordinal) })
	for _, m := range members {
		if m.Leader && m.Ordinal >= o.Wanted {
			keep.LeadTo = members[len(members)-1].ID
			return keep
		}
	}
	if last := members[0]; last.Ordinal >= o.Wanted {
		keep.Remove = last.ID
		return keep
	}
	keep.Replicas, keep.Waiting = o.Wanted, ""
	return keep
}
