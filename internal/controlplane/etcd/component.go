// Package etcd is the store of a control plane: one member a pod, each with a volume that outlives it.
package etcd

import (
	"embed"

	"naru.dev/naru/internal/controlplane/component"
)

//go:embed manifests/*.yaml
var manifests embed.FS

const (
	// Name of the StatefulSet and of its headless Service.
	Name = "etcd"
	// StateConfigMap tells members, when they start, whether the cluster was ever formed. The controller
	// writes it; it isn't part of the manifests, as it must not be written back.
	StateConfigMap = "etcd-state"
	// InitialMembersKey holds how many members form the cluster at first.
	InitialMembersKey = "initial-members"
	// MembersKey holds how many members there are to be. One whose number is above does not join (again): it is removed,
	// or about to be.
	MembersKey = "members"
	// BootstrappedKey is "true" as soon as the members were seen to have a quorum. From then on a member
	// without data joins and never forms a cluster.
	BootstrappedKey = "bootstrapped"
)

// New returns the component.
func New() component.Component {
	return component.Component{
		Name: Name, Manifests: manifests,
		Workload: component.Workload{Kind: "StatefulSet", Name: Name},
	}
}
