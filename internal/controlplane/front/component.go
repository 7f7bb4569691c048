// Package front is what stands before a cluster's API servers: on every host a proxy that checks each of them
// actively. It forwards TCP and holds no key.
package front

import (
	"embed"

	"naru.dev/naru/internal/controlplane/component"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// Name of the DaemonSet and of its Service.
const Name = "front"

// New returns the component.
func New() component.Component {
	return component.Component{
		Name: Name, Manifests: manifests,
		Workload: component.Workload{Kind: "DaemonSet", Name: Name},
	}
}
