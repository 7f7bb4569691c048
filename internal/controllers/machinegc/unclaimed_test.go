package machinegc

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
)

func TestOverdue(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	cluster := func(bootstrapped metav1.ConditionStatus, ago time.Duration) *v1alpha1.Cluster {
		return &v1alpha1.Cluster{Status: v1alpha1.ClusterStatus{Conditions: []metav1.Condition{{
			Type: v1alpha1.ClusterBootstrapped, Status: bootstrapped, LastTransitionTime: metav1.NewTime(now.Add(-ago))}}}}
	}
	deleted := &v1alpha1.NodeGroup{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &metav1.Time{Time: now}}}
	for name, c := range map[string]struct {
		group   *v1alpha1.NodeGroup
		cluster *v1alpha1.Cluster
		want    bool
	}{
		"when its cluster is being made, it waits":                    {&v1alpha1.NodeGroup{}, cluster(metav1.ConditionFalse, time.Hour), false},
		"when nothing is known of its cluster, it waits":              {&v1alpha1.NodeGroup{}, &v1alpha1.Cluster{}, false},
		"when its cluster has just been made, it waits":               {&v1alpha1.NodeGroup{}, cluster(metav1.ConditionTrue, time.Minute), false},
		"when its cluster has been there for long, it goes":           {&v1alpha1.NodeGroup{}, cluster(metav1.ConditionTrue, 3*time.Minute), true},
		"when its group goes while its cluster is made, it goes, too": {deleted, cluster(metav1.ConditionFalse, 0), true},
		"when its group is gone, it goes":                             {nil, cluster(metav1.ConditionTrue, 0), true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := overdue(c.group, c.cluster, now); (got != "") != c.want {
				t.Errorf("got %q, want one: %v", got, c.want)
			}
		})
	}
}
