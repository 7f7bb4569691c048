package fargate

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"naru.dev/naru/api/v1alpha1"
)

// Probe is a pod that is to be shown to a cluster as a dry run: it comes back as the profile's when the cluster's
// policies know that. Nobody can have such a pod made.
func Probe(profile types.UID) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: ProbeNamespace, GenerateName: "naru-fargate-probe-", Labels: map[string]string{v1alpha1.LabelFargateProbe: string(profile)}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "probe", Image: "none"}}},
	}
}

// Seen tells whether a pod came back as one that runs by the named profile.
func Seen(pod *corev1.Pod, profile string) bool {
	gated, tolerates := false, false
	for _, gate := range pod.Spec.SchedulingGates {
		gated = gated || gate.Name == v1alpha1.FargateGate
	}
	for _, toleration := range pod.Spec.Tolerations {
		tolerates = tolerates || toleration.Key == v1alpha1.LabelComputeType && toleration.Value == v1alpha1.FargateComputeType
	}
	return gated && tolerates && pod.Labels[v1alpha1.LabelFargateProfile] == profile && pod.Spec.NodeSelector[v1alpha1.LabelFargateProfile] == profile
}
