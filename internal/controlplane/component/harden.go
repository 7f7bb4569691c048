package component

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"naru.dev/naru/api/v1alpha1"
)

// PriorityClass of every control-plane pod.
const PriorityClass = "naru-control-plane"

// nonRoot is the user and group of every control-plane process.
const nonRoot = int64(65532)

// Harden gives the pods of a Deployment, StatefulSet or DaemonSet what every control-plane pod has: no
// root, no capability, a read-only root file system, seccomp, no service-account token, a priority, names that
// are looked up as they stand, and spreading over hosts and zones. What a manifest says already stays. Other kinds are left alone. A
// container without requests and limits is an error. config is a hash of the configuration that the pods read
// when they start: another one rolls them.
func Harden(object *unstructured.Unstructured, config string) error {
	if !slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet"}, object.GetKind()) {
		return nil
	}
	template, ok, err := unstructured.NestedMap(object.Object, "spec", "template")
	if err != nil || !ok {
		return fmt.Errorf("reading its pod template: %w", err)
	}
	pod, ok := template["spec"].(map[string]any)
	if !ok {
		return fmt.Errorf("its pod template has no spec")
	}
	labels, _, err := unstructured.NestedStringMap(object.Object, "spec", "selector", "matchLabels")
	if err != nil {
		return fmt.Errorf("reading its selector: %w", err)
	}
	hardenPod(pod)
	if object.GetKind() != "DaemonSet" {
		spread(pod, labels)
	}
	for _, list := range []string{"initContainers", "containers"} {
		if err := hardenContainers(pod, list); err != nil {
			return err
		}
	}
	metadata := child(template, "metadata")
	podLabels := child(metadata, "labels")
	for key, value := range labels {
		setDefault(podLabels, key, value)
	}
	setDefault(podLabels, v1alpha1.LabelCluster, object.GetLabels()[v1alpha1.LabelCluster])
	if config != "" {
		setDefault(child(metadata, "annotations"), "naru.dev/config", config)
	}
	return unstructured.SetNestedMap(object.Object, template, "spec", "template")
}

func hardenPod(pod map[string]any) {
	setDefault(pod, "automountServiceAccountToken", false)
	setDefault(pod, "enableServiceLinks", false)
	setDefault(pod, "priorityClassName", PriorityClass)
	// API servers look etcd's members up for each of some 270 connections: by the default of five dots, first in three
	// domains that don't have them.
	setDefault(pod, "dnsConfig", map[string]any{"options": []any{map[string]any{"name": "ndots", "value": "1"}}})
	setDefault(pod, "securityContext", map[string]any{
		"runAsNonRoot": true, "runAsUser": nonRoot, "runAsGroup": nonRoot, "fsGroup": nonRoot,
		"fsGroupChangePolicy": "OnRootMismatch",
		"seccompProfile":      map[string]any{"type": "RuntimeDefault"},
	})
}

// spread prefers other hosts and other zones, but a pod that has to share one is better than none.
func spread(pod map[string]any, labels map[string]string) {
	selector := map[string]any{}
	for key, value := range labels {
		selector[key] = value
	}
	constraint := func(topology string) any {
		return map[string]any{
			"maxSkew": int64(1), "topologyKey": topology, "whenUnsatisfiable": "ScheduleAnyway",
			"labelSelector": map[string]any{"matchLabels": selector},
		}
	}
	setDefault(pod, "topologySpreadConstraints", []any{
		constraint("topology.kubernetes.io/zone"), constraint("kubernetes.io/hostname"),
	})
	setDefault(pod, "affinity", map[string]any{"podAntiAffinity": map[string]any{
		"preferredDuringSchedulingIgnoredDuringExecution": []any{map[string]any{
			"weight": int64(100),
			"podAffinityTerm": map[string]any{
				"topologyKey":   "kubernetes.io/hostname",
				"labelSelector": map[string]any{"matchLabels": selector},
			},
		}},
	}})
}

func hardenContainers(pod map[string]any, list string) error {
	containers, _ := pod[list].([]any)
	for _, each := range containers {
		container, ok := each.(map[string]any)
		if !ok {
			return fmt.Errorf("reading %s: %T is no container", list, each)
		}
		for _, kind := range []string{"requests", "limits"} {
			if _, ok, _ := unstructured.NestedMap(container, "resources", kind); !ok {
				return fmt.Errorf("container %s has no resources.%s", container["name"], kind)
			}
		}
		setDefault(container, "imagePullPolicy", "IfNotPresent")
		setDefault(container, "terminationMessagePolicy", "FallbackToLogsOnError")
		setDefault(container, "securityContext", map[string]any{
			"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "privileged": false,
			"capabilities": map[string]any{"drop": []any{"ALL"}},
		})
	}
	return nil
}

// child is the map under a key, made when it is missing.
func child(m map[string]any, key string) map[string]any {
	if existing, ok := m[key].(map[string]any); ok {
		return existing
	}
	made := map[string]any{}
	m[key] = made
	return made
}

func setDefault(m map[string]any, key string, value any) {
	if _, ok := m[key]; !ok {
		m[key] = value
	}
}
