// Package apiserver is the API servers of a control plane, each with a konnectivity server beside it.
package apiserver

import (
	"embed"

	"naru.dev/naru/internal/controlplane/component"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// Name of the Deployment and of its headless Service.
const Name = "kube-apiserver"

// New returns the component.
func New() component.Component {
	return component.Component{
		Name: Name, Manifests: manifests,
		Workload: component.Workload{Kind: "Deployment", Name: Name},
	}
}
