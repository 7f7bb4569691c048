package nodegroup

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"naru.dev/naru/api/v1alpha1"
)

// Karpenter's kinds, as objects without a type name them.
var (
	nodePoolKind  = schema.GroupVersionKind{Group: "karpenter.sh", Version: "v1", Kind: "NodePool"}
	nodeClaimKind = schema.GroupVersionKind{Group: "karpenter.sh", Version: "v1", Kind: "NodeClaim"}
	nodeClassKind = v1alpha1.GroupVersion.WithKind("NaruNodeClass")
)

const (
	// dynamicSuffix makes the name of a group's second pool. A group's name has no dot, so no two pools meet.
	dynamicSuffix = ".dynamic"
	// consolidateAfter is how long a node must have been idle, or fit elsewhere, before it goes.
	consolidateAfter = "30s"
	// drainLimit is how long pods may resist before a node goes all the same; EKS gives managed node groups as much:
	// https://docs.aws.amazon.com/eks/latest/userguide/managed-node-update-behavior.html
	drainLimit = "15m"
)

// Catalogue is what a group can refer to: the machine classes and zones that exist.
type Catalogue struct {
	Classes []string
	Zones   []string
}

// NotFoundError says that a group names what does not exist, and names what does.
type NotFoundError struct {
	Field    string
	Missing  []string
	Existing []string
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("%s names %s, which does not exist; there are %s", e.Field, strings.Join(e.Missing, ", "), strings.Join(e.Existing, ", "))
}

// Render returns what a group is in its cluster, in the order in which it is to be applied: the NaruNodeClass, a static
// NodePool of the size that is always there, and a dynamic one of what may come and go. It is pure. A class or a
// zone that does not exist is a NotFoundError.
//
// Karpenter knows no least size for a dynamic pool, and no pool can change between static and dynamic. So a group is
// two pools side by side: the static one has the fixed size or min, the dynamic one adds up to max - min.
func Render(group *v1alpha1.NodeGroup, image string, catalogue Catalogue) ([]*unstructured.Unstructured, error) {
	if missing := without(group.Spec.MachineClasses, catalogue.Classes); len(missing) > 0 {
		return nil, &NotFoundError{Field: "spec.machineClasses", Missing: missing, Existing: sorted(catalogue.Classes)}
	}
	if missing := without(group.Spec.Zones, catalogue.Zones); len(missing) > 0 {
		return nil, &NotFoundError{Field: "spec.zones", Missing: missing, Existing: sorted(catalogue.Zones)}
	}
	static, dynamic := sizes(group.Spec.Scaling)
	objects := []*unstructured.Unstructured{nodeClass(group, image)}
	if static > 0 || dynamic == 0 {
		pool := nodePool(group, group.Name)
		spec(pool)["replicas"] = int64(static)
		objects = append(objects, pool)
	}
	if dynamic > 0 {
		pool := nodePool(group, group.Name+dynamicSuffix)
		spec(pool)["limits"] = map[string]any{"nodes": fmt.Sprint(dynamic)}
		objects = append(objects, pool)
	}
	return objects, nil
}

// sizes splits a group into machines that are always there and machines that may come.
func sizes(scaling v1alpha1.ScalingSpec) (static, dynamic int32) {
	if size, fixed := scaling.FixedSize(); fixed {
		return size, 0
	}
	return scaling.Min, scaling.Max - scaling.Min
}

func nodeClass(group *v1alpha1.NodeGroup, image string) *unstructured.Unstructured {
	return object(nodeClassKind, group, group.Name, map[string]any{
		"nodeGroup":      group.Name,
		"machineClasses": list(sorted(group.Spec.MachineClasses)),
		"image":          image,
	})
}

func nodePool(group *v1alpha1.NodeGroup, name string) *unstructured.Unstructured {
	labels := map[string]any{v1alpha1.LabelNodeGroup: group.Name}
	for key, value := range group.Spec.Labels {
		labels[key] = value
	}
	requirements := []any{requirement(corev1.LabelInstanceTypeStable, group.Spec.MachineClasses)}
	if len(group.Spec.Zones) > 0 {
		requirements = append(requirements, requirement(corev1.LabelTopologyZone, group.Spec.Zones))
	}
	template := map[string]any{
		"nodeClassRef":           map[string]any{"group": nodeClassKind.Group, "kind": nodeClassKind.Kind, "name": group.Name},
		"requirements":           requirements,
		"expireAfter":            "Never",
		"terminationGracePeriod": drainLimit,
	}
	if len(group.Spec.Taints) > 0 {
		template["taints"] = taints(group.Spec.Taints)
	}
	return object(nodePoolKind, group, name, map[string]any{
		"template": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": template},
		"disruption": map[string]any{
			"consolidationPolicy": "WhenEmptyOrUnderutilized",
			"consolidateAfter":    consolidateAfter,
			// Empty nodes may all go at once, those with pods as many at a time as the group says.
			"budgets": []any{
				map[string]any{"nodes": "100%", "reasons": []any{"Empty"}},
				map[string]any{"nodes": atOnce(group), "reasons": []any{"Drifted", "Underutilized"}},
			},
		},
	})
}

// atOnce is one in ten where the group says nothing.
func atOnce(group *v1alpha1.NodeGroup) string {
	if group.Spec.MaxUnavailable == "" {
		return "10%"
	}
	return group.Spec.MaxUnavailable
}

func object(kind schema.GroupVersionKind, group *v1alpha1.NodeGroup, name string, spec map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	o.SetGroupVersionKind(kind)
	o.SetName(name)
	o.SetLabels(map[string]string{v1alpha1.LabelNodeGroup: group.Name})
	return o
}

func spec(o *unstructured.Unstructured) map[string]any {
	return o.Object["spec"].(map[string]any)
}

func requirement(key string, values []string) map[string]any {
	return map[string]any{"key": key, "operator": string(corev1.NodeSelectorOpIn), "values": list(sorted(values))}
}

func taints(all []corev1.Taint) []any {
	var rendered []any
	for _, taint := range all {
		t := map[string]any{"key": taint.Key, "effect": string(taint.Effect)}
		if taint.Value != "" {
			t["value"] = taint.Value
		}
		rendered = append(rendered, t)
	}
	return rendered
}

func list(values []string) []any {
	var all []any
	for _, value := range values {
		all = append(all, value)
	}
	return all
}

func sorted(values []string) []string { return slices.Sorted(slices.Values(values)) }

// without returns those of wanted that are not among existing, sorted.
func without(wanted, existing []string) []string {
	var missing []string
	for _, name := range wanted {
		if !slices.Contains(existing, name) {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing
}
