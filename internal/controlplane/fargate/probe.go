package fargate

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"naru.dev/naru/api/v1alpha1"
)

// Probe is a pod that is to be shown to a cluster as a dry run. What it says of itself means nothing when a pod is really made.
type Probe struct {
	Pod *corev1.Pod
	// Passed tells, by the pod that came back or the API server's refusal of it, whether the policy that the probe is meant for is
	// in force and knows the profile.
	Passed func(answer *corev1.Pod, refusal error) bool
}

// Probes are what all pass when each of a cluster's policies is in force and knows the profile. An API server takes in each policy
// for itself, in no order, some seconds after it was written.
func Probes(profile *v1alpha1.FargateProfile) []Probe {
	chosen := probe(profile)
	privileged := probe(profile)
	privileged.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: ptr.To(true)}
	// A DaemonSet's is no profile's, also of one that chooses all of the namespace.
	other := probe(profile)
	other.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "naru-fargate-probe", UID: profile.UID}}
	return []Probe{
		// One that tolerates everything is kept away from Fargate by a policy that does not know its profile yet.
		{chosen, func(answer *corev1.Pod, refusal error) bool {
			return refusal == nil && runsBy(answer, profile.Name) && !staysAway(answer)
		}},
		{other, func(answer *corev1.Pod, refusal error) bool { return refusal == nil && staysAway(answer) }},
		{privileged, func(_ *corev1.Pod, refusal error) bool {
			return apierrors.IsInvalid(refusal) && strings.Contains(refusal.Error(), "fields: Privileged")
		}},
	}
}

func probe(profile *v1alpha1.FargateProfile) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: ProbeNamespace, GenerateName: "naru-fargate-probe-", Labels: map[string]string{
			v1alpha1.LabelFargateProbe:   string(profile.UID),
			v1alpha1.LabelFargateProfile: profile.Name, // of several that choose it
		}},
		Spec: corev1.PodSpec{
			Containers:  []corev1.Container{{Name: "probe", Image: "none"}},
			Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
		},
	}
}

// runsBy tells whether a pod came back as one that runs by the named profile.
func runsBy(pod *corev1.Pod, profile string) bool {
	gated, tolerates := false, false
	for _, gate := range pod.Spec.SchedulingGates {
		gated = gated || gate.Name == v1alpha1.FargateGate
	}
	for _, toleration := range pod.Spec.Tolerations {
		tolerates = tolerates || toleration.Key == v1alpha1.LabelComputeType && toleration.Value == v1alpha1.FargateComputeType
	}
	return gated && tolerates && pod.Labels[v1alpha1.LabelFargateProfile] == profile && pod.Spec.NodeSelector[v1alpha1.LabelFargateProfile] == profile
}

// staysAway tells whether every way to schedule a pod leaves machines of Fargate out.
func staysAway(pod *corev1.Pod) bool {
	affinity := pod.Spec.Affinity
	if affinity == nil || affinity.NodeAffinity == nil || affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return false
	}
	for _, term := range affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		last := len(term.MatchExpressions) - 1
		if last < 0 || term.MatchExpressions[last].Key != v1alpha1.LabelComputeType || term.MatchExpressions[last].Operator != corev1.NodeSelectorOpNotIn {
			return false
		}
	}
	return true
}
