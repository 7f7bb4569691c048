// Package scheduler is the schedulers of a control plane.
package scheduler

import (
	"embed"

	"naru.dev/naru/internal/controlplane/component"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// Name of the Deployment.
const Name = "kube-scheduler"

// New returns the component.
func New() component.Component {
	return component.Component{
		Name: Name, Manifests: manifests,
		Workload: component.Workload{Kind: "Deployment", Name: Name},
	}
}
