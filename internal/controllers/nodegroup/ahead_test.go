package nodegroup

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	karpenter "sigs.k8s.io/karpenter/pkg/apis/v1"

	"naru.dev/naru/api/v1alpha1"
)

func TestAhead(t *testing.T) {
	several := func(s *v1alpha1.NodeGroupSpec) { s.MachineClasses = []string{"t3.medium", "t3.large"} }
	unknown := func(s *v1alpha1.NodeGroupSpec) { s.MachineClasses = []string{"x9.none"} }
	oneZone := func(s *v1alpha1.NodeGroupSpec) { s.Zones = []string{"naru-1b"} }
	noZone := func(s *v1alpha1.NodeGroupSpec) { s.Zones = []string{"naru-1z"} }
	for name, c := range map[string]struct {
		group *v1alpha1.NodeGroup
		zones []string
	}{
		"when a size is fixed, there are as many, in zones in turn": {group(v1alpha1.ScalingSpec{Max: 5, Desired: ptr.To[int32](3)}), []string{"naru-1a", "naru-1b", "naru-1a"}},
		"when a group is elastic, there are min":                    {group(v1alpha1.ScalingSpec{Min: 1, Max: 5}), []string{"naru-1a"}},
		"when min is 0, there is none":                              {group(v1alpha1.ScalingSpec{Max: 5}), nil},
		"when a group is large, there are ten at most":              {group(v1alpha1.ScalingSpec{Min: 40, Max: 40}, oneZone), []string{"naru-1b", "naru-1b", "naru-1b", "naru-1b", "naru-1b", "naru-1b", "naru-1b", "naru-1b", "naru-1b", "naru-1b"}},
		"when there are several classes, Karpenter chooses":         {group(v1alpha1.ScalingSpec{Min: 1, Max: 1}, several), nil},
		"when a class does not exist, there is none":                {group(v1alpha1.ScalingSpec{Min: 1, Max: 1}, unknown), nil},
		"when a zone does not exist, there is none":                 {group(v1alpha1.ScalingSpec{Min: 1, Max: 1}, noZone), nil},
	} {
		t.Run(name, func(t *testing.T) {
			c.group.UID = "u-1"
			var zones []string
			names := map[string]bool{}
			for _, machine := range Ahead(c.group, image, catalogue) {
				zones = append(zones, machine.Spec.Zone)
				names[machine.Name] = true
			}
			if diff := cmp.Diff(c.zones, zones); diff != "" || len(names) != len(zones) {
				t.Errorf("%d names; zones (-want +got):\n%s", len(names), diff)
			}
			if diff := cmp.Diff(Ahead(c.group, image, catalogue), Ahead(c.group, image, catalogue)); diff != "" {
				t.Errorf("when it is asked twice, it says the same:\n%s", diff)
			}
		})
	}
}

func TestAheadMachine(t *testing.T) {
	g := group(v1alpha1.ScalingSpec{Min: 1, Max: 1}, func(s *v1alpha1.NodeGroupSpec) {
		s.Labels = map[string]string{"team": "a"}
		s.Taints = []corev1.Taint{{Key: "gpu", Effect: corev1.TaintEffectNoSchedule}}
	})
	want := v1alpha1.MachineSpec{
		NodeGroup: "workers", MachineClass: "t3.medium", Zone: "naru-1a", Image: image,
		Labels: map[string]string{"team": "a", "naru.dev/nodegroup": "workers", "naru.dev/machine-class": "t3.medium",
			"node.kubernetes.io/instance-type": "t3.medium", "topology.kubernetes.io/zone": "naru-1a"},
		Taints: []corev1.Taint{{Key: "gpu", Effect: corev1.TaintEffectNoSchedule}, karpenter.UnregisteredNoExecuteTaint},
	}
	machines := Ahead(g, image, catalogue)
	if len(machines) != 1 {
		t.Fatalf("got %d machines", len(machines))
	}
	if diff := cmp.Diff(want, machines[0].Spec); diff != "" || machines[0].Claimed() {
		t.Errorf("when a machine is made ahead, it is the group's and no claim's (-want +got):\n%s", diff)
	}
	g.UID = "u-2"
	if Ahead(g, image, catalogue)[0].Name == machines[0].Name {
		t.Error("when a group of that name is made again, its machines have other names")
	}
}

func TestStarting(t *testing.T) {
	cluster := func(reason string, observed int64) *v1alpha1.Cluster {
		c := &v1alpha1.Cluster{Status: v1alpha1.ClusterStatus{ObservedGeneration: observed}}
		if reason != "" {
			c.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ClusterControlPlaneReady, Reason: reason}}
		}
		return c
	}
	for name, c := range map[string]struct {
		cluster *v1alpha1.Cluster
		want    bool
	}{
		"when nothing is known of its servers, it has not begun": {cluster("", 0), false},
		"when its servers wait for something, it has not begun":  {cluster(v1alpha1.ReasonWaiting, 0), false},
		"when its servers can't be written, it has not begun":    {cluster(v1alpha1.ReasonFailed, 0), false},
		"when its servers start, it has begun":                   {cluster(v1alpha1.ReasonProgressing, 0), true},
		"when its servers are there, it has begun":               {cluster(v1alpha1.ReasonReady, 0), true},
		"when it was ready before, it is not new":                {cluster(v1alpha1.ReasonProgressing, 1), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := starting(c.cluster); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
