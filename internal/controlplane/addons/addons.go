// Package addons is what Naru puts into every managed cluster: its access rules, CoreDNS, the storage provisioner
// and metrics-server. Rendering is pure.
package addons

import (
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"naru.dev/naru/internal/controlplane/component"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/kube/manifest"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// Data is what the manifests of a cluster's add-ons depend on.
type Data struct {
	component.Scope
	// CA holds the cluster's authorities that are trusted, PEM.
	CA []byte
	// Metrics is the certificate of metrics-server.
	Metrics pki.Material
}

// Base64 encodes for a Secret's data.
func (Data) Base64(content []byte) string { return base64.StdEncoding.EncodeToString(content) }

// MetricsHash rolls metrics-server when its certificate is renewed, or others are trusted.
func (d Data) MetricsHash() string {
	return component.ContentHash(append(pki.Sorted(d.CA), d.Metrics.Certificate...))
}

// TrustHash rolls what reads once whom to trust.
func (d Data) TrustHash() string { return component.ContentHash(pki.Sorted(d.CA)) }

// Namespace is where the add-ons' workloads are in the cluster.
const Namespace = "kube-system"

// Workloads are the add-ons that read once whom to trust, when their pods start.
func Workloads() []component.Component {
	of := func(kind, name string) component.Component {
		return component.Component{Name: name, Workload: component.Workload{Kind: kind, Name: name}}
	}
	return []component.Component{of("Deployment", "coredns"), of("Deployment", "metrics-server")}
}

// Render returns all objects, in the order in which they are to be applied, but for those of the add-ons that are named: who
// names one has it kept by itself, see Configured.
func Render(data Data, but ...string) ([]*unstructured.Unstructured, error) {
	names, err := fs.Glob(manifests, "manifests/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("listing add-ons: %w", err)
	}
	slices.Sort(names)
	var objects []*unstructured.Unstructured
	for _, name := range names {
		if slices.Contains(but, componentOf(name)) {
			continue
		}
		rendered, err := render(name, data)
		if err != nil {
			return nil, err
		}
		objects = append(objects, rendered...)
	}
	return objects, nil
}

// Retired are objects that older versions of Naru made: konnectivity's agents were pods, and machines joined with tokens.
func Retired() []*unstructured.Unstructured {
	var objects []*unstructured.Unstructured
	for _, one := range []struct{ version, kind, namespace, name string }{
		{"apps/v1", "DaemonSet", Namespace, "konnectivity-agent"},
		{"v1", "Secret", Namespace, "konnectivity-agent"},
		{"v1", "ConfigMap", Namespace, "konnectivity-ca"},
		{"rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", "naru:machine-bootstrap"},
		{"rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", "naru:machine-client-certificate"},
	} {
		object := &unstructured.Unstructured{}
		object.SetAPIVersion(one.version)
		object.SetKind(one.kind)
		object.SetNamespace(one.namespace)
		object.SetName(one.name)
		objects = append(objects, object)
	}
	return objects
}

// Only returns the objects of one add-on, as Render has them.
func Only(data Data, name string) ([]*unstructured.Unstructured, error) {
	names, err := fs.Glob(manifests, "manifests/*-"+name+".yaml")
	if err != nil {
		return nil, fmt.Errorf("listing add-ons: %w", err)
	}
	if len(names) != 1 {
		return nil, fmt.Errorf("add-on %s has %d manifests, and not one", name, len(names))
	}
	return render(names[0], data)
}

// componentOf is what the objects of a file are of: coredns where it is manifests/30-coredns.yaml.
func componentOf(file string) string {
	_, name, _ := strings.Cut(strings.TrimSuffix(path.Base(file), ".yaml"), "-")
	return name
}

func render(name string, data Data) ([]*unstructured.Unstructured, error) {
	text, err := manifests.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading add-on: %w", err)
	}
	return manifest.Render("addons/"+name, string(text), data)
}
