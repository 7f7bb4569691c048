package machine

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
)

func cluster(bootstrapped metav1.ConditionStatus) *v1alpha1.Cluster {
	return &v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "demo"},
		Status:     v1alpha1.ClusterStatus{Conditions: []metav1.Condition{{Type: v1alpha1.ClusterBootstrapped, Status: bootstrapped}}},
	}
}

func TestAhead(t *testing.T) {
	unclaimed := &v1alpha1.Machine{}
	claimed := &v1alpha1.Machine{Spec: v1alpha1.MachineSpec{Claim: v1alpha1.MachineClaim{Name: "c", UID: "u"}}}
	for name, c := range map[string]struct {
		scope scope
		want  bool
	}{
		"when a cluster is new and a machine has no claim, it is ahead":      {scope{machine: unclaimed, cluster: cluster(metav1.ConditionFalse)}, true},
		"when nothing is known of a cluster yet, it is ahead":                {scope{machine: unclaimed, cluster: &v1alpha1.Cluster{}}, true},
		"when the cluster answers, its machine is as any":                    {scope{machine: unclaimed, cluster: cluster(metav1.ConditionTrue)}, false},
		"when a machine has a claim, its cluster is down and not new":        {scope{machine: claimed, cluster: cluster(metav1.ConditionFalse)}, false},
		"when the cluster does not exist any more, there is nothing to come": {scope{machine: unclaimed}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.scope.ahead(); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
