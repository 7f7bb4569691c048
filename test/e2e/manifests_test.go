//go:build e2e

package e2e

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// smallManifest is a cluster of the small form with one machine.
func smallManifest(name string) string {
	return clusterManifest(name, "controlPlane: {replicas: 1}") + "---\n" + groupManifest(name, "default", "min: 1, max: 1")
}

// clusterManifest has one more field in its spec.
func clusterManifest(name, field string) string {
	return fmt.Sprintf(`apiVersion: naru.dev/v1alpha1
kind: Cluster
metadata: {name: %s}
spec:
  version: %q
  %s
`, name, version, field)
}

func groupManifest(cluster, name, scaling string) string {
	return fmt.Sprintf(`apiVersion: naru.dev/v1alpha1
kind: NodeGroup
metadata: {name: %s, namespace: naru-%s}
spec:
  machineClasses: [t3.medium]
  scaling: {%s}
`, name, cluster, scaling)
}

// pod is a small pod that runs a command until it is deleted.
func pod(name, image string, command ...string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"e2e": name}},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: ptr.To[int64](0),
			Containers:                    []corev1.Container{{Name: "main", Image: image, Command: command}},
		},
	}
}

// forever is a command that waits to be exec'ed into.
func forever() []string { return []string{"sleep", "2147483647"} }

func quantity(text string) resource.Quantity { return resource.MustParse(text) }
