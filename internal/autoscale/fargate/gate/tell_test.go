package gate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
)

func classes() []v1alpha1.MachineClass {
	var all []v1alpha1.MachineClass
	for name, size := range map[string][2]string{"t3.small": {"2", "2Gi"}, "t3.medium": {"2", "4Gi"}, "m5.xlarge": {"4", "16Gi"}} {
		all = append(all, v1alpha1.MachineClass{ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: v1alpha1.MachineClassSpec{CPU: resource.MustParse(size[0]), Memory: resource.MustParse(size[1]), Pods: 110}})
	}
	return all
}

func waiting(requests ...corev1.ResourceList) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", UID: "uid-of-p"}, Spec: corev1.PodSpec{
		NodeSelector:    map[string]string{v1alpha1.LabelFargateProfile: "web"},
		SchedulingGates: []corev1.PodSchedulingGate{{Name: "other.dev/gate"}, {Name: v1alpha1.FargateGate}},
	}}
	for _, r := range requests {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Resources: corev1.ResourceRequirements{Requests: r}})
	}
	return pod
}

func asks(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

func TestTellSizes(t *testing.T) {
	all := []string{"m5.xlarge", "t3.medium", "t3.small"}
	for reason, test := range map[string]struct {
		pod  *corev1.Pod
		want []string
	}{
		"when nothing is requested, every class will do":                 {waiting(nil), all},
		"when it fits beside the machine's own, it may":                  {waiting(asks("1", "1792Mi")), all},
		"when it would leave nothing for the machine, it may not":        {waiting(asks("1", "1793Mi")), []string{"m5.xlarge", "t3.medium"}},
		"when its containers are too much together, it is too large":     {waiting(asks("1500m", "64Mi"), asks("600m", "64Mi")), []string{"m5.xlarge"}},
		"when a container that runs first needs more, that counts":       {withInit(waiting(asks("1", "64Mi")), asks("3", "64Mi")), []string{"m5.xlarge"}},
		"when no class is large enough, it can't be":                     {waiting(asks("5", "64Mi")), nil},
		"when it asks for what no machine has, it can't be":              {waiting(corev1.ResourceList{"example.com/gpu": resource.MustParse("1")}), nil},
		"when it asks for more disk than a machine has, it can't be too": {waiting(corev1.ResourceList{corev1.ResourceEphemeralStorage: resource.MustParse("1Ti")}), nil},
	} {
		t.Run(reason, func(t *testing.T) {
			told, err := tell(test.pod, classes())
			if test.want == nil {
				if err == nil || !strings.Contains(err.Error(), "no machine class") {
					t.Errorf("got %v, %v", told, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := told.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0].MatchExpressions[0].Values
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func withInit(pod *corev1.Pod, requests corev1.ResourceList) *corev1.Pod {
	pod.Spec.InitContainers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: requests}}}
	return pod
}

func TestTell(t *testing.T) {
	own := corev1.NodeSelectorRequirement{Key: "x", Operator: corev1.NodeSelectorOpExists}
	pod := waiting(nil)
	pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{own}}, {MatchFields: []corev1.NodeSelectorRequirement{own}}}}}}
	before := pod.DeepCopy()
	told, err := tell(pod, classes()[:1])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, pod); diff != "" {
		t.Errorf("when a pod is told, the one that was read stays as it is (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{v1alpha1.LabelFargateProfile: "web", v1alpha1.LabelFargatePod: "uid-of-p"}, told.Spec.NodeSelector); diff != "" {
		t.Errorf("its machine is its own (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]corev1.PodSchedulingGate{{Name: "other.dev/gate"}}, told.Spec.SchedulingGates); diff != "" {
		t.Errorf("the gates of others stay (-want +got):\n%s", diff)
	}
	terms := told.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	if len(terms) != 2 || len(terms[0].MatchExpressions) != 2 || len(terms[1].MatchExpressions) != 1 {
		t.Errorf("every way to schedule it has the size: %+v", terms)
	}
}

func TestWaits(t *testing.T) {
	gated, open, another := waiting(nil), waiting(nil), waiting(nil)
	open.Spec.SchedulingGates = open.Spec.SchedulingGates[:1]
	another.Spec.NodeSelector = nil
	if !waits(gated) || waits(open) || waits(another) {
		t.Errorf("got %v, %v, %v", waits(gated), waits(open), waits(another))
	}
}
