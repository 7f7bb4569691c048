// Package base is what the embedded hosting cluster gets. Around package
// install, which any hosting cluster gets, it has what one on a single machine
// lacks: a storage class, a registry with credentials in the state folder and
// a published port, and the release that was built here.
package base

import (
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/config"
	"naru.dev/naru/internal/install"
	"naru.dev/naru/internal/kube/manifest"
	"naru.dev/naru/internal/standalone/layout"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// Namespace is where Naru's own pods run.
const Namespace = v1alpha1.SystemNamespace

// Input is what the manifests depend on.
type Input struct {
	// Minor and Kubernetes are 1.37 and v1.37.1.
	Minor      string
	Kubernetes string
	// Images maps short names to references.
	Images map[string]string
	// Hosts decides how many controllers there are.
	Hosts int
	// RegistryChecksum changes with the registry's credentials.
	RegistryChecksum string
}

// Objects returns everything but Secrets, in the order in which it is applied.
func Objects(in Input) ([]*unstructured.Unstructured, error) {
	crds, err := manifest.Decode(config.HostingCRDs())
	if err != nil {
		return nil, fmt.Errorf("reading CRDs: %w", err)
	}
	objects := crds
	names, err := fs.Glob(manifests, "manifests/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("listing manifests: %w", err)
	}
	slices.Sort(names)
	data := map[string]any{
		"Images":            in.Images,
		"RegistryAddress":   layout.RegistryAddress,
		"RegistryChecksum":  in.RegistryChecksum,
		"PublishAnnotation": v1alpha1.AnnotationPublishPort,
		"PushPort":          layout.PushPort,
	}
	for _, name := range names {
		text, err := manifests.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading manifest: %w", err)
		}
		rendered, err := manifest.Render(name, string(text), data)
		if err != nil {
			return nil, err
		}
		objects = append(objects, rendered...)
	}
	controller, err := install.Render(install.Data{Image: in.Images["naru"], Replicas: in.Hosts, ServerPort: layout.ServerPort,
		Authenticator: layout.AuthenticatorAddress, PodRoles: layout.PodRolesAddress})
	if err != nil {
		return nil, err
	}
	return append(objects, controller...), nil
}

// NamespaceObject returns Naru's namespace, which Secrets need before the rest is applied.
func NamespaceObject() ([]*unstructured.Unstructured, error) {
	text, err := manifests.ReadFile("manifests/01-namespace.yaml")
	if err != nil {
		return nil, fmt.Errorf("reading manifest: %w", err)
	}
	return manifest.Decode(text)
}

// Release returns the objects that tell the controller what clusters are made of.
func Release(in Input) (*v1alpha1.Release, *v1alpha1.NodeImage) {
	version := strings.TrimPrefix(in.Kubernetes, "v")
	release := &v1alpha1.Release{
		ObjectMeta: metav1.ObjectMeta{Name: in.Minor},
		Spec:       v1alpha1.ReleaseSpec{Version: version, Images: in.Images},
	}
	image := &v1alpha1.NodeImage{
		ObjectMeta: metav1.ObjectMeta{Name: in.Minor},
		Spec: v1alpha1.NodeImageSpec{KubernetesVersion: version, OS: "Debian GNU/Linux 12 (bookworm)",
			Image: in.Images["node"]},
	}
	return release, image
}

// Workloads names the Deployments among objects, sorted: what has to be
// available before Naru is up.
func Workloads(objects []*unstructured.Unstructured) []string {
	var names []string
	for _, object := range objects {
		if object.GetKind() == "Deployment" {
			names = append(names, object.GetName())
		}
	}
	slices.SortFunc(names, cmp.Compare[string])
	return names
}
