// Package create is `naru create`.
package create

import (
	"github.com/spf13/cobra"

	"naru.dev/naru/cmd/flags"
)

// New returns the command.
func New() *cobra.Command {
	return flags.Group(&cobra.Command{
		Use:   "create",
		Short: "Create a cluster, a node group, a Fargate profile, an identity of its API, or a role for pods",
	}, newCluster(), newNodeGroup(), newFargateProfile(), newUser(), newAccessKey(), newRole(), newPolicy(), newPodIdentity())
}
