package component

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/manifest"
)

// Component is one part of a control plane.
type Component struct {
	// Name is the value of its label naru.dev/component.
	Name string
	// Manifests holds YAML templates of a Scope, manifests/*.yaml; they are rendered in the order of
	// their names.
	Manifests fs.FS
	// Workload is what has to be available for the component to be ready.
	Workload Workload
}

// Workload names a Deployment, StatefulSet or DaemonSet.
type Workload struct {
	Kind string
	Name string
}

// Render returns the component's objects, all in the cluster's namespace, labelled, and with pods
// that meet the rules of Harden.
func (c Component) Render(scope Scope) ([]*unstructured.Unstructured, error) {
	names, err := fs.Glob(c.Manifests, "manifests/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("listing the manifests of %s: %w", c.Name, err)
	}
	slices.Sort(names)
	var objects []*unstructured.Unstructured
	for _, name := range names {
		text, err := fs.ReadFile(c.Manifests, name)
		if err != nil {
			return nil, fmt.Errorf("reading a manifest of %s: %w", c.Name, err)
		}
		rendered, err := manifest.Render(c.Name+"/"+name, string(text), scope)
		if err != nil {
			return nil, err
		}
		objects = append(objects, rendered...)
	}
	config, err := configHash(objects)
	if err != nil {
		return nil, fmt.Errorf("hashing the configuration of %s: %w", c.Name, err)
	}
	for _, object := range objects {
		object.SetNamespace(scope.Namespace)
		label(object, scope.Cluster, c.Name)
		if err := Harden(object, config); err != nil {
			return nil, fmt.Errorf("hardening %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return objects, nil
}

func label(object *unstructured.Unstructured, cluster, component string) {
	labels := object.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[v1alpha1.LabelCluster] = cluster
	labels[v1alpha1.LabelComponent] = component
	object.SetLabels(labels)
}

// configHash covers the ConfigMaps among objects; empty where there is none.
func configHash(objects []*unstructured.Unstructured) (string, error) {
	var all []any
	for _, object := range objects {
		if object.GetKind() == "ConfigMap" {
			all = append(all, object.Object["data"])
		}
	}
	if len(all) == 0 {
		return "", nil
	}
	content, err := json.Marshal(all)
	if err != nil {
		return "", err
	}
	return ContentHash(content), nil
}

// ContentHash is a short hash for annotations that roll pods.
func ContentHash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])[:16]
}
