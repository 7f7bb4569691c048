package autoscale

import (
	"slices"
	"testing"
)

func TestKinds(t *testing.T) {
	got := kinds()
	for version, resources := range map[string][]string{
		"naru.dev/v1alpha1": {"narunodeclasses"}, "karpenter.sh/v1": {"nodepools", "nodeclaims"},
	} {
		for _, resource := range resources {
			if !slices.Contains(got[version], resource) {
				t.Errorf("when kinds are waited for, %s of %s is one of them: got %v", resource, version, got[version])
			}
		}
	}
}
