// Package member decides how an etcd member starts. The decision is pure; Start carries it out.
//
//	                 data directory
//	                 has data                       empty
//	peers know it    start                          published before: replace, else join or form
//	peers don't      forget the data, then join     join
//	surplus          start, unless removed          stay away
//	no peer answers  start                          formed before: wait, else form
package member

import (
	"slices"
)

// Peer is a member as another member lists it.
type Peer struct {
	ID       uint64
	Name     string
	PeerURLs []string
	// Published says that the member has told its client URLs, which it does once it runs: it may
	// have acknowledged writes.
	Published bool
	Learner   bool
}

// Facts are what is known when a member starts.
type Facts struct {
	// Name and PeerURL are the member's own.
	Name    string
	PeerURL string
	// HasData says that its data directory holds a member.
	HasData bool
	// Bootstrapped says that the cluster was once seen to have a quorum.
	Bootstrapped bool
	// Surplus says that the member is not among those that are wanted.
	Surplus bool
	// Peers is the member list that another member gave; nil: none answered.
	Peers []Peer
}

// Action is how a member starts.
type Action string

// Actions.
const (
	// Start with the data that is there.
	Start Action = "start"
	// Form the cluster together with the other initial members.
	Form Action = "form"
	// Join the cluster in a place that the member list has already.
	Join Action = "join"
	// Add itself to the cluster as a learner, then join.
	Add Action = "add"
	// Replace removes the member that it was, whose data is lost, then adds itself.
	Replace Action = "replace"
	// Reset forgets the data of a member that was removed, then adds itself.
	Reset Action = "reset"
	// Stay away: the member is removed, or about to be, and its pod goes.
	Stay Action = "stay away"
	// Wait: without data, and without a peer that answers, anything else could lose writes.
	Wait Action = "wait"
)

// Decide says how to start, and why. For Replace, stale is the ID to remove.
//
// A member that lost its data must never come back under its old ID: it may have acknowledged writes, or voted, and
// has forgotten it (https://etcd.io/docs/v3.6/op-guide/runtime-configuration/).
func Decide(f Facts) (action Action, why string, stale uint64) {
	own, known := find(f)
	switch {
	case f.Surplus && !known && f.Peers != nil:
		return Stay, "it was removed", 0
	case f.Surplus && !f.HasData:
		return Stay, "it is about to be removed", 0
	case f.HasData && f.Peers != nil && !known:
		return Reset, "the other members have removed this one", 0
	case f.HasData:
		return Start, "its data is there", 0
	case f.Peers == nil && f.Bootstrapped:
		return Wait, "its data is lost and no other member answers", 0
	case f.Peers == nil:
		return Form, "the cluster was never formed", 0
	case !known:
		return Add, "the other members don't know it", 0
	case own.Published:
		return Replace, "its data is lost", own.ID
	case own.Name == "":
		return Join, "it was added and has not run yet", 0
	case f.Bootstrapped:
		return Replace, "it belongs to the first members and its data is lost", own.ID
	default:
		return Form, "the other first members have begun", 0
	}
}

func find(f Facts) (Peer, bool) {
	for _, peer := range f.Peers {
		// A member that was added and has not run has no name yet.
		if peer.Name == f.Name || slices.Contains(peer.PeerURLs, f.PeerURL) {
			return peer, true
		}
	}
	return Peer{}, false
}
