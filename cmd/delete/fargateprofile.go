package delete

import (
	"fmt"

	"github.com/spf13/cobra"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/cmd/flags"
)

func newFargateProfile() *cobra.Command {
	var cluster string
	command := &cobra.Command{
		Use:     "fargateprofile NAME --cluster CLUSTER",
		Aliases: []string{"fargateprofiles", "fp"},
		Short:   "Delete a Fargate profile: its pods are deleted, and their machines",
		Args:    flags.OneName("Fargate profile"),
		RunE: func(command *cobra.Command, args []string) error {
			session, err := flags.Open()
			if err != nil {
				return err
			}
			if _, err := session.DeleteFargateProfile(command.Context(), cluster, args[0]); err != nil {
				return err
			}
			fmt.Fprintf(command.OutOrStdout(), "Fargate profile %q is being deleted: watch it with \"naru get fargateprofiles --cluster %s -w\"\n", args[0], cluster)
			return nil
		},
	}
	flags.Cluster(command, &cluster)
	command.Flags().BoolP("yes", "y", false, "accepted for symmetry: a Fargate profile is deleted without asking")
	command.ValidArgsFunction = flags.InCluster(&v1alpha1.FargateProfileList{})
	return command
}
