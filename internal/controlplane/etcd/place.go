package etcd

import (
	"cmp"
	"slices"
)

// Host is what the choice of a member's host depends on.
type Host struct {
	Name string
	Zone string
	// Pods is how many pods it has.
	Pods int
}

// Place chooses a host for each of a new cluster's members, which are spread over zones first and hosts second, and come
// where the fewest pods are. It is the same for the same hosts, and empty where there is none.
func Place(hosts []Host, members int32) []string {
	if len(hosts) == 0 {
		return nil
	}
	inZone, onHost := map[string]int{}, map[string]int{}
	places := make([]string, 0, members)
	for range members {
		chosen := slices.MinFunc(hosts, func(a, b Host) int {
			return cmp.Or(
				cmp.Compare(inZone[a.Zone], inZone[b.Zone]), cmp.Compare(onHost[a.Name], onHost[b.Name]),
				cmp.Compare(a.Pods, b.Pods), cmp.Compare(a.Name, b.Name))
		})
		inZone[chosen.Zone]++
		onHost[chosen.Name]++
		places = append(places, chosen.Name)
	}
	return places
}
