// Package karpenter is the node autoscaler of one cluster: `naru karpenter`, beside the control plane.
package karpenter

import (
	"embed"

	"naru.dev/naru/internal/controlplane/component"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// Name of the Deployment.
const Name = "karpenter"

// New returns the component.
func New() component.Component {
	return component.Component{
		Name: Name, Manifests: manifests,
		Workload: component.Workload{Kind: "Deployment", Name: Name},
	}
}
