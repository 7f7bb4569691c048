package fargate

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controllers/nodegroup"
)

// Karpenter's kinds, as objects without a type name them.
var (
	nodePoolKind  = schema.GroupVersionKind{Group: "karpenter.sh", Version: "v1", Kind: "NodePool"}
	nodeClaimKind = schema.GroupVersionKind{Group: "karpenter.sh", Version: "v1", Kind: "NodeClaim"}
	nodeClassKind = v1alpha1.GroupVersion.WithKind("NaruNodeClass")
)

const (
	// poolPrefix begins the name of a profile's pool and class. A group's name has no dot, so that no two meet.
	poolPrefix = "fargate."
	// doneFor is how long the machine of a pod that is done stays, so that its logs can be read.
	doneFor = "60s"
	// drainLimit is how long a pod may resist before its machine goes all the same, as in node groups.
	drainLimit = "15m"
	// mostMachines bounds a profile, as AWS's quota does:
	// https://docs.aws.amazon.com/general/latest/gr/eks.html
	mostMachines = "100"
)

func poolName(profile string) string { return poolPrefix + profile }

// Render returns what a profile is for Karpenter, in the order in which it is to be applied: a NaruNodeClass of all machine
// classes, and a dynamic NodePool. It is pure. A zone that does not exist is a nodegroup.NotFoundError.
//
// The pool takes pods that ask for a node with their own UID only. Its machines are never replaced while their pod runs: there is no
// other pod to take its place on another one.
func Render(profile *v1alpha1.FargateProfile, image string, catalogue nodegroup.Catalogue) ([]*unstructured.Unstructured, error) {
	zones := slices.Sorted(slices.Values(profile.Spec.Zones))
	if missing := slices.DeleteFunc(slices.Clone(zones), func(z string) bool { return slices.Contains(catalogue.Zones, z) }); len(missing) > 0 {
		return nil, &nodegroup.NotFoundError{Field: "spec.zones", Missing: missing, Existing: slices.Sorted(slices.Values(catalogue.Zones))}
	}
	class := object(nodeClassKind, profile.Name, map[string]any{
		"fargateProfile": profile.Name,
		"machineClasses": list(slices.Sorted(slices.Values(catalogue.Classes))),
		"image":          image,
	})
	requirements := []any{map[string]any{"key": v1alpha1.LabelFargatePod, "operator": string(corev1.NodeSelectorOpExists)}}
	if len(zones) > 0 {
		requirements = append(requirements, map[string]any{"key": corev1.LabelTopologyZone, "operator": string(corev1.NodeSelectorOpIn), "values": list(zones)})
	}
	pool := object(nodePoolKind, profile.Name, map[string]any{
		"limits": map[string]any{"nodes": mostMachines},
		"template": map[string]any{
			"metadata": map[string]any{"labels": map[string]any{
				v1alpha1.LabelComputeType: v1alpha1.FargateComputeType, v1alpha1.LabelFargateProfile: profile.Name,
			}},
			"spec": map[string]any{
				"nodeClassRef":           map[string]any{"group": nodeClassKind.Group, "kind": nodeClassKind.Kind, "name": class.GetName()},
				"requirements":           requirements,
				"taints":                 []any{map[string]any{"key": v1alpha1.LabelComputeType, "value": v1alpha1.FargateComputeType, "effect": string(corev1.TaintEffectNoSchedule)}},
				"expireAfter":            "Never",
				"terminationGracePeriod": drainLimit,
			},
		},
		"disruption": map[string]any{
			"consolidationPolicy": "WhenEmpty",
			"consolidateAfter":    doneFor,
			"budgets": []any{
				map[string]any{"nodes": "100%", "reasons": []any{"Empty"}},
				map[string]any{"nodes": "0", "reasons": []any{"Drifted", "Underutilized"}},
			},
		},
	})
	return []*unstructured.Unstructured{class, pool}, nil
}

func object(kind schema.GroupVersionKind, profile string, spec map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	o.SetGroupVersionKind(kind)
	o.SetName(poolName(profile))
	o.SetLabels(map[string]string{v1alpha1.LabelFargateProfile: profile})
	return o
}

func list(values []string) []any {
	var all []any
	for _, value := range values {
		all = append(all, value)
	}
	return all
}
