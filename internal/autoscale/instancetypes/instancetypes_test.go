package instancetypes

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"naru.dev/naru/api/v1alpha1"
)

func class(name, cpu, memory string) v1alpha1.MachineClass {
	return v1alpha1.MachineClass{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1alpha1.MachineClassSpec{CPU: resource.MustParse(cpu), Memory: resource.MustParse(memory), Pods: 110},
	}
}

func zones(names ...string) []Zone {
	var all []Zone
	for _, name := range names {
		all = append(all, Zone{Name: name, Region: "naru-1", Available: true})
	}
	return all
}

func TestBuildCapacity(t *testing.T) {
	got := Build([]v1alpha1.MachineClass{class("t3.medium", "1500m", "4Gi")}, zones("a"))[0]
	want := map[corev1.ResourceName]string{"cpu": "2", "memory": "3996Mi", "pods": "110", "ephemeral-storage": "20Gi"}
	for name, text := range want {
		quantity := got.Allocatable()[name]
		if quantity.Cmp(resource.MustParse(text)) != 0 {
			t.Errorf("when a class has 1.5 cores and 4Gi, it promises %s of %s; got %s", text, name, quantity.String())
		}
	}
}

func TestChoose(t *testing.T) {
	small, large := class("small", "1", "2Gi"), class("large", "4", "8Gi")
	cheapLarge := class("large", "4", "8Gi")
	price := resource.MustParse("0.001")
	cheapLarge.Spec.PricePerHour = &price
	down := []Zone{{Name: "a", Region: "r"}, {Name: "b", Region: "r", Available: true}}
	for name, c := range map[string]struct {
		classes      []v1alpha1.MachineClass
		zones        []Zone
		requirements scheduling.Requirements
		requests     string
		machines     map[string]int
		want         string
	}{
		"when both fit, it takes the cheaper":                         {[]v1alpha1.MachineClass{large, small}, zones("a"), scheduling.NewRequirements(), "500m", nil, "small/a"},
		"when a class has its own price, it counts":                   {[]v1alpha1.MachineClass{small, cheapLarge}, zones("a"), scheduling.NewRequirements(), "500m", nil, "large/a"},
		"when the smaller does not fit, it takes the larger":          {[]v1alpha1.MachineClass{large, small}, zones("a"), scheduling.NewRequirements(), "2", nil, "large/a"},
		"when nothing fits, it takes none":                            {[]v1alpha1.MachineClass{large, small}, zones("a"), scheduling.NewRequirements(), "20", nil, ""},
		"when zones are equal, it takes the one with fewest machines": {[]v1alpha1.MachineClass{small}, zones("a", "b", "c"), scheduling.NewRequirements(), "1", map[string]int{"a": 1, "b": 1}, "small/c"},
		"when a zone is asked for, it takes that":                     {[]v1alpha1.MachineClass{small}, zones("a", "b"), scheduling.NewRequirements(in(corev1.LabelTopologyZone, "b")), "1", map[string]int{"b": 9}, "small/b"},
		"when a zone has no host that runs, it avoids it":             {[]v1alpha1.MachineClass{small}, down, scheduling.NewRequirements(), "1", nil, "small/b"},
		"when a class is asked for, it takes that":                    {[]v1alpha1.MachineClass{small, large}, zones("a"), scheduling.NewRequirements(in(corev1.LabelInstanceTypeStable, "large")), "1", nil, "large/a"},
		"when there are no zones, nothing is available":               {[]v1alpha1.MachineClass{small}, nil, scheduling.NewRequirements(), "1", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			requests := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(c.requests)}
			choice, ok := Choose(Build(c.classes, c.zones), c.requirements, requests, c.machines)
			got := ""
			if ok {
				got = choice.Type.Name + "/" + choice.Zone
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestChoiceLabels(t *testing.T) {
	choice, _ := Choose(Build([]v1alpha1.MachineClass{class("m5.large", "2", "8Gi")}, zones("naru-1a", "naru-1b")), scheduling.NewRequirements(), nil, map[string]int{"naru-1a": 1})
	want := map[string]string{
		"node.kubernetes.io/instance-type": "m5.large",
		"naru.dev/machine-class":           "m5.large",
		"kubernetes.io/arch":               "amd64",
		"kubernetes.io/os":                 "linux",
		"karpenter.sh/capacity-type":       "on-demand",
		"topology.kubernetes.io/zone":      "naru-1b",
		"topology.kubernetes.io/region":    "naru-1",
	}
	want["kubernetes.io/arch"] = choice.Labels["kubernetes.io/arch"] // the machine's own
	if diff := cmp.Diff(want, choice.Labels); diff != "" {
		t.Errorf("when a zone was chosen, its labels say which (-want +got):\n%s", diff)
	}
}

func TestZones(t *testing.T) {
	host := func(zone string, ready corev1.ConditionStatus, cordoned bool) corev1.Node {
		return corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{corev1.LabelTopologyZone: zone, corev1.LabelTopologyRegion: "naru-1"}},
			Spec:       corev1.NodeSpec{Unschedulable: cordoned},
			Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}},
		}
	}
	got := Zones([]corev1.Node{
		host("c", corev1.ConditionTrue, true),
		host("b", corev1.ConditionUnknown, false),
		host("a", corev1.ConditionFalse, false), host("a", corev1.ConditionTrue, false),
		{},
	})
	want := []Zone{{"a", "naru-1", true}, {"b", "naru-1", false}, {"c", "naru-1", false}, {NoZone, NoZone, false}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("when hosts are down, cordoned or without zone, it says so (-want +got):\n%s", diff)
	}
}
