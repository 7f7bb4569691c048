// Package install renders what Naru needs in any hosting cluster beside its kinds: the controller, the server of
// the EKS API, the authenticator that the API servers of clusters ask, the rights they have, and the policies that answer
// before anything is written. It knows nothing of how the hosting cluster came about; package standalone/base adds what the
// embedded one needs.
package install

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"naru.dev/naru/internal/kube/manifest"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// Data is what the manifests depend on.
type Data struct {
	// Image is the reference of the image naru.
	Image string
	// Replicas of the controller, of which one works: as many as there are hosts, up to 3.
	Replicas int
	// ServerPort on the machine's loopback address is where users reach the EKS API.
	ServerPort int
	// Authenticator is the address, in the hosting cluster's service range, that the API servers of clusters ask.
	Authenticator string
	// PodRoles is the address, in the hosting cluster, where nodes of managed clusters reach naru server.
	PodRoles string
}

// Render returns all objects in the order in which they are to be applied, after the CustomResourceDefinitions. The
// namespace naru-system must exist.
func Render(data Data) ([]*unstructured.Unstructured, error) {
	names, err := fs.Glob(manifests, "manifests/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("listing manifests: %w", err)
	}
	slices.Sort(names)
	var objects []*unstructured.Unstructured
	for _, name := range names {
		text, err := manifests.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading a manifest: %w", err)
		}
		rendered, err := manifest.Render("install/"+name, string(text), data)
		if err != nil {
			return nil, err
		}
		objects = append(objects, rendered...)
	}
	return objects, nil
}
