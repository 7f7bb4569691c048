package cluster

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
)

// made are revisions r0, r1 … of which each is a minute younger than the one before, the youngest in the middle.
func made(n int) []v1alpha1.ClusterRevision {
	first := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	var revisions []v1alpha1.ClusterRevision
	for i := range n {
		revisions = append(revisions, v1alpha1.ClusterRevision{ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("r%d", i), CreationTimestamp: metav1.NewTime(first.Add(time.Duration(i) * time.Minute)),
		}})
	}
	return append(revisions[n/2:], revisions[:n/2]...)
}

func TestSurplus(t *testing.T) {
	leaving := made(4)
	for i := range leaving {
		if leaving[i].Name == "r0" {
			leaving[i].DeletionTimestamp = &metav1.Time{Time: time.Now()}
		}
	}
	twins := made(4)
	for i := range twins {
		twins[i].CreationTimestamp = metav1.Time{}
	}
	for name, c := range map[string]struct {
		revisions []v1alpha1.ClusterRevision
		active    string
		want      []string
	}{
		"when there are none, none goes":                           {nil, "r0", nil},
		"when there are no more than are kept, none goes":          {made(3), "r2", nil},
		"when there are more, the oldest go":                       {made(6), "r5", []string{"r2", "r1", "r0"}},
		"when the oldest is the active one, it stays":              {made(6), "r0", []string{"r3", "r2", "r1"}},
		"when none is active yet, the newest are kept":             {made(3), "", []string{"r0"}},
		"when one is being deleted, it is not deleted again":       {leaving, "r3", nil},
		"when several are of one time, the choice is always alike": {twins, "r0", []string{"r3"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, revision := range surplus(c.revisions, c.active, 2) {
				got = append(got, revision.Name)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
