package autoscale

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKinds(t *testing.T) {
	got, err := kinds()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"naru.dev/v1alpha1": {"narunodeclasses"}, "karpenter.sh/v1": {"nodepools", "nodeclaims"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("when kinds are waited for, they are those that a cluster is given (-want +got):\n%s", diff)
	}
}
