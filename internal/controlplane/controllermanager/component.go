// Package controllermanager is the controller managers of a control plane.
package controllermanager

import (
	"embed"

	"naru.dev/naru/internal/controlplane/component"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// Name of the Deployment.
const Name = "kube-controller-manager"

// New returns the component.
func New() component.Component {
	return component.Component{
		Name: Name, Manifests: manifests,
		Workload: component.Workload{Kind: "Deployment", Name: Name},
	}
}
