package gate

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/karpenter/pkg/utils/resources"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/autoscale/instancetypes"
)

// overhead is the memory that a machine of one pod has beside what the pod requests, for the kubelet, containerd and kube-proxy:
// https://docs.aws.amazon.com/eks/latest/userguide/fargate-pod-configuration.html
const overhead = "256Mi"

// waits tells whether a pod waits to be told which machine is its own.
func waits(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp.IsZero() && pod.Spec.NodeSelector[v1alpha1.LabelFargateProfile] != "" && slices.ContainsFunc(pod.Spec.SchedulingGates, ours)
}

func ours(gate corev1.PodSchedulingGate) bool { return gate.Name == v1alpha1.FargateGate }

// tell returns the pod with its own machine, of one of the classes that can hold it, and without the gate. It errs where no class
// can. It is pure.
func tell(pod *corev1.Pod, classes []v1alpha1.MachineClass) (*corev1.Pod, error) {
	requests := resources.Merge(resources.Ceiling(pod).Requests, corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(overhead)})
	large := holding(classes, requests)
	if len(large) == 0 {
		return nil, fmt.Errorf("no machine class of this Naru holds the pod: it requests %s, of which %s of memory are the machine's own", text(requests), overhead)
	}
	told := pod.DeepCopy()
	told.Spec.SchedulingGates = slices.DeleteFunc(told.Spec.SchedulingGates, ours)
	told.Spec.NodeSelector[v1alpha1.LabelFargatePod] = string(pod.UID)
	require(&told.Spec, corev1.NodeSelectorRequirement{Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpIn, Values: large})
	return told, nil
}

// holding are the names of the classes whose machines have what is requested. Karpenter takes the cheapest of them.
func holding(classes []v1alpha1.MachineClass, requests corev1.ResourceList) []string {
	var names []string
	for i := range classes {
		if capacity := instancetypes.Capacity(classes[i].Spec); resources.Fits(requests, capacity) {
			names = append(names, classes[i].Name)
		}
	}
	slices.Sort(names)
	return names
}

// require adds to every term of the pod's required node affinity, which is all that may be changed of a pod behind a gate.
func require(spec *corev1.PodSpec, requirement corev1.NodeSelectorRequirement) {
	if spec.Affinity == nil {
		spec.Affinity = &corev1.Affinity{}
	}
	if spec.Affinity.NodeAffinity == nil {
		spec.Affinity.NodeAffinity = &corev1.NodeAffinity{}
	}
	if spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution = &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{}}}
	}
	terms := spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	for i := range terms {
		terms[i].MatchExpressions = append(terms[i].MatchExpressions, requirement)
	}
}

func text(requests corev1.ResourceList) string {
	var all []string
	for name, quantity := range requests {
		all = append(all, string(name)+" "+quantity.String())
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
