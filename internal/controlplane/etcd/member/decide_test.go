package member

import "testing"

func TestDecide(t *testing.T) {
	const url = "https://etcd-1.etcd:2380"
	other := Peer{ID: 1, Name: "etcd-0", PeerURLs: []string{"https://etcd-0.etcd:2380"}, Published: true}
	own := func(change func(*Peer)) []Peer {
		peer := Peer{ID: 2, Name: "etcd-1", PeerURLs: []string{url}, Published: true}
		change(&peer)
		return []Peer{other, peer}
	}
	same := func(*Peer) {}
	tests := map[string]struct {
		facts Facts
		want  Action
		stale uint64
	}{
		"when nothing was ever formed, it forms the cluster":                      {Facts{}, Form, 0},
		"when another first member was quicker, it forms the cluster with it":     {Facts{Peers: own(func(p *Peer) { p.Published = false })}, Form, 0},
		"when it has data and nobody answers, it starts":                          {Facts{HasData: true, Bootstrapped: true}, Start, 0},
		"when it has data and is known, it starts":                                {Facts{HasData: true, Bootstrapped: true, Peers: own(same)}, Start, 0},
		"when it has data of a member that was removed, it forgets them":          {Facts{HasData: true, Bootstrapped: true, Peers: []Peer{other}}, Reset, 0},
		"when its data is lost and nobody answers, it waits":                      {Facts{Bootstrapped: true}, Wait, 0},
		"when its data is lost, it takes the place of what it was":                {Facts{Bootstrapped: true, Peers: own(same)}, Replace, 2},
		"when its data is lost before the quorum was recorded, it still replaces": {Facts{Peers: own(same)}, Replace, 2},
		"when it never ran but the cluster did, it replaces":                      {Facts{Bootstrapped: true, Peers: own(func(p *Peer) { p.Published = false })}, Replace, 2},
		"when the cluster has grown, it adds itself":                              {Facts{Bootstrapped: true, Peers: []Peer{other}}, Add, 0},
		"when it was removed and starts again, it stays away":                     {Facts{HasData: true, Bootstrapped: true, Surplus: true, Peers: []Peer{other}}, Stay, 0},
		"when it is not wanted and has lost its data, it stays away":              {Facts{Bootstrapped: true, Surplus: true, Peers: own(same)}, Stay, 0},
		"when it is not wanted and not removed yet, it starts":                    {Facts{HasData: true, Bootstrapped: true, Surplus: true, Peers: own(same)}, Start, 0},
		"when it is not wanted and nobody answers, it starts: its vote may count": {Facts{HasData: true, Bootstrapped: true, Surplus: true}, Start, 0},
		"when it was added and then died, it joins":                               {Facts{Bootstrapped: true, Peers: own(func(p *Peer) { p.Name, p.Published = "", false })}, Join, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tc.facts.Name, tc.facts.PeerURL = "etcd-1", url
			got, why, stale := Decide(tc.facts)
			if got != tc.want || stale != tc.stale {
				t.Errorf("got %s (%s), stale %d; want %s, stale %d", got, why, stale, tc.want, tc.stale)
			}
		})
	}
}
