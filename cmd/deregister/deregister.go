// Package deregister is `naru deregister`.
package deregister

import (
	"fmt"

	"github.com/spf13/cobra"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/kubeconfig"
)

// New returns the command.
func New() *cobra.Command {
	return flags.Group(&cobra.Command{
		Use:   "deregister",
		Short: "Forget a connected cluster",
	}, newCluster())
}

func newCluster() *cobra.Command {
	return &cobra.Command{
		Use:   "cluster NAME",
		Short: "Forget a connected cluster: its connection ends, and its agent is let in no more",
		Long: `Forgets a connected cluster. Its connection ends at once, and its agent is let in no more; nothing in the cluster is changed. To
take the agent away, delete there what the manifest made.`,
		Args: flags.OneName("cluster"),
		RunE: func(command *cobra.Command, args []string) error {
			session, err := flags.Open()
			if err != nil {
				return err
			}
			if _, err := session.DeregisterCluster(command.Context(), args[0]); err != nil {
				return err
			}
			path := kubeconfig.DefaultPath()
			if _, err := kubeconfig.Remove(command.Context(), path, args[0]); err != nil {
				return fmt.Errorf("cluster %q is deregistered, but its entries stay in the kubeconfig: %w", args[0], err)
			}
			fmt.Fprintf(command.OutOrStdout(), "cluster %q is deregistered; take its agent away with \"kubectl delete namespace naru-connector\" and \"kubectl delete clusterrole,clusterrolebinding naru-connector naru-connector-viewers\" there\n", args[0])
			return nil
		},
		ValidArgsFunction: flags.InCluster(&v1alpha1.ConnectedClusterList{}),
	}
}
