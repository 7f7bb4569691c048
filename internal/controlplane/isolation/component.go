// Package isolation is the network policy of a cluster's namespace: nothing reaches in or out of it but what a
// control plane and its nodes need.
package isolation

import (
	"embed"

	"naru.dev/naru/internal/controlplane/component"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// Name is the component's label.
const Name = "isolation"

// New returns the component. It has no workload.
func New() component.Component {
	return component.Component{Name: Name, Manifests: manifests}
}
