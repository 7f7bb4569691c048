package etcd

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlace(t *testing.T) {
	for name, c := range map[string]struct {
		hosts   []Host
		members int32
		want    []string
	}{
		"when there is no host, nothing is placed": {nil, 3, nil},
		"when there is one host, all members come to it": {
			[]Host{{Name: "a", Zone: "1"}}, 3, []string{"a", "a", "a"}},
		"when there are as many zones as members, each is in another": {
			[]Host{{Name: "a", Zone: "1"}, {Name: "b", Zone: "1"}, {Name: "c", Zone: "2"}, {Name: "d", Zone: "3"}}, 3, []string{"a", "c", "d"}},
		"when there are fewer zones, each host of a zone has its turn": {
			[]Host{{Name: "a", Zone: "1"}, {Name: "b", Zone: "1"}, {Name: "c", Zone: "2"}}, 3, []string{"a", "c", "b"}},
		"when a host has fewer pods, it is the first of its zone": {
			[]Host{{Name: "a", Zone: "1", Pods: 9}, {Name: "b", Zone: "1", Pods: 2}}, 1, []string{"b"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Place(c.hosts, c.members)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
