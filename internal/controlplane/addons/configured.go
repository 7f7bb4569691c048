package addons

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/json"

	"naru.dev/naru/internal/addon"
	"naru.dev/naru/internal/controlplane/component"
)

// annotationConfiguration on an add-on's pods replaces them when a file that they read was configured otherwise.
const annotationConfiguration = "naru.dev/addon-configuration"

// Configured returns the objects of one add-on, as it is configured, and those that it has in other configurations and not in
// this one.
func Configured(data Data, a addon.Addon, configuration addon.Configuration) (wanted, unwanted []*unstructured.Unstructured, err error) {
	if wanted, err = Only(data, a.Name); err != nil {
		return nil, nil, err
	}
	c := configured{addon: a, configuration: configuration}
	for _, object := range wanted {
		if err := c.change(object); err != nil {
			return nil, nil, fmt.Errorf("configuring %s: %w", a.Name, err)
		}
	}
	return c.budget(wanted)
}

type configured struct {
	addon         addon.Addon
	configuration addon.Configuration
}

func (c configured) change(object *unstructured.Unstructured) error {
	switch {
	case object.GetKind() == "Deployment" && object.GetName() == c.addon.Deployment:
		return c.deployment(object.Object)
	case object.GetKind() == "ConfigMap" && c.corefile():
		text, _, err := unstructured.NestedString(object.Object, "data", "Corefile")
		if err != nil {
			return err
		}
		if c.configuration.Corefile != "" {
			text = c.configuration.Corefile
		}
		if additions := strings.TrimSpace(c.configuration.CorefileAdditions); additions != "" {
			text = strings.TrimRight(text, "\n") + "\n" + additions + "\n"
		}
		return unstructured.SetNestedField(object.Object, text, "data", "Corefile")
	}
	return nil
}

func (c configured) corefile() bool {
	return c.configuration.Corefile != "" || c.configuration.CorefileAdditions != ""
}

func (c configured) deployment(object map[string]any) error {
	set := func(value any, fields ...string) error {
		plain, err := toJSON(value)
		if err != nil || plain == nil {
			return err
		}
		return unstructured.SetNestedField(object, plain, fields...)
	}
	pod := []string{"spec", "template", "spec"}
	for field, value := range map[string]any{
		"tolerations": c.configuration.Tolerations, "nodeSelector": c.configuration.NodeSelector, "affinity": c.configuration.Affinity,
		"topologySpreadConstraints": c.configuration.TopologySpreadConstraints,
	} {
		if err := set(value, append(slices.Clone(pod), field)...); err != nil {
			return err
		}
	}
	replicas := c.configuration.ReplicaCount
	if replicas == nil {
		replicas = c.configuration.Replicas
	}
	if err := set(replicas, "spec", "replicas"); err != nil {
		return err
	}
	annotations := maps.Clone(c.configuration.PodAnnotations)
	if c.corefile() {
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[annotationConfiguration] = component.ContentHash([]byte(c.configuration.Corefile + "\x00" + c.configuration.CorefileAdditions))
	}
	for field, added := range map[string]map[string]string{"labels": c.configuration.PodLabels, "annotations": annotations} {
		if err := merge(object, added, "spec", "template", "metadata", field); err != nil {
			return err
		}
	}
	return c.resources(object)
}

// merge adds to a map of strings.
func merge(object map[string]any, added map[string]string, fields ...string) error {
	if len(added) == 0 {
		return nil
	}
	all, _, err := unstructured.NestedStringMap(object, fields...)
	if err != nil {
		return err
	}
	if all == nil {
		all = map[string]string{}
	}
	for key, value := range added {
		if _, own := all[key]; !own { // those that it comes with are how its pods are found and replaced
			all[key] = value
		}
	}
	return unstructured.SetNestedStringMap(object, all, fields...)
}

// resources of the one container: requests and limits that are not named stay as they come.
func (c configured) resources(object map[string]any) error {
	if c.configuration.Resources == nil {
		return nil
	}
	plain, err := toJSON(c.configuration.Resources)
	if err != nil {
		return err
	}
	containers, _, err := unstructured.NestedSlice(object, "spec", "template", "spec", "containers")
	if err != nil {
		return err
	}
	container, ok := containers[0].(map[string]any)
	asked, isMap := plain.(map[string]any)
	if !ok || !isMap {
		return fmt.Errorf("%s has no container", c.addon.Deployment)
	}
	for _, which := range []string{"requests", "limits"} {
		amounts, _, err := unstructured.NestedMap(asked, which)
		if err != nil {
			return err
		}
		for name, amount := range amounts {
			if err := unstructured.SetNestedField(container, amount, "resources", which, name); err != nil {
				return err
			}
		}
	}
	return unstructured.SetNestedSlice(object, containers, "spec", "template", "spec", "containers")
}

// budget makes, changes or takes away the add-on's PodDisruptionBudget. Without a configuration it is as the add-on comes.
func (c configured) budget(objects []*unstructured.Unstructured) (wanted, unwanted []*unstructured.Unstructured, err error) {
	isBudget := func(o *unstructured.Unstructured) bool { return o.GetKind() == "PodDisruptionBudget" }
	asked, comes := c.configuration.PodDisruptionBudget, slices.ContainsFunc(objects, isBudget)
	if asked == nil && comes {
		return objects, nil, nil
	}
	enabled := comes || asked != nil && (asked.MaxUnavailable != nil || asked.MinAvailable != nil)
	if asked != nil && asked.Enabled != nil {
		enabled = *asked.Enabled
	}
	made, err := c.newBudget(objects)
	if err != nil {
		return nil, nil, err
	}
	wanted = slices.DeleteFunc(slices.Clone(objects), isBudget)
	if enabled {
		return append(wanted, made), nil, nil
	}
	return wanted, []*unstructured.Unstructured{made}, nil
}

func (c configured) newBudget(objects []*unstructured.Unstructured) (*unstructured.Unstructured, error) {
	i := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "Deployment" })
	if i < 0 {
		return nil, fmt.Errorf("%s has no Deployment", c.addon.Name)
	}
	labels, _, err := unstructured.NestedStringMap(objects[i].Object, "spec", "selector", "matchLabels")
	if err != nil {
		return nil, err
	}
	budget := &policyv1.PodDisruptionBudget{Spec: policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}}}
	if asked := c.configuration.PodDisruptionBudget; asked != nil {
		budget.Spec.MaxUnavailable, budget.Spec.MinAvailable = asked.MaxUnavailable, asked.MinAvailable
	}
	if budget.Spec.MaxUnavailable == nil && budget.Spec.MinAvailable == nil {
		one := intstr.FromInt32(1)
		budget.Spec.MaxUnavailable = &one
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(budget)
	if err != nil {
		return nil, fmt.Errorf("making a budget: %w", err)
	}
	delete(content, "status")
	made := &unstructured.Unstructured{Object: content}
	made.SetGroupVersionKind(policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"))
	made.SetNamespace(Namespace)
	made.SetName(c.addon.Deployment)
	unstructured.RemoveNestedField(made.Object, "metadata", "creationTimestamp")
	return made, nil
}

// toJSON is a value as JSON has it; nil where it is nothing.
func toJSON(value any) (any, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encoding %T: %w", value, err)
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		return nil, fmt.Errorf("decoding %T: %w", value, err)
	}
	return plain, nil
}
