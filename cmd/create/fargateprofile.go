package create

import (
	"fmt"

	"github.com/spf13/cobra"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/backend"
)

type fargateProfileOptions struct {
	cluster    string
	namespaces []string
	labels     map[string]string
	zones      []string
}

func newFargateProfile() *cobra.Command {
	var o fargateProfileOptions
	command := &cobra.Command{
		Use:     "fargateprofile NAME --cluster CLUSTER --namespace NAMESPACE",
		Aliases: []string{"fargateprofiles", "fp"},
		Short:   "Give pods of a cluster a machine of their own each",
		Long: `Pods of these namespaces that are made from now on run on a machine of their own each, which comes and goes with the pod.
In namespaces and labels * stands for any characters and ? for one.`,
		Example: `  naru create fargateprofile web --cluster prod --namespace web --namespace 'team-*'
  naru create fargateprofile jobs --cluster prod --namespace default --labels isolated=yes`,
		Args: flags.OneName("Fargate profile"),
		RunE: func(command *cobra.Command, args []string) error { return o.run(command, args[0]) },
	}
	set := command.Flags()
	flags.Cluster(command, &o.cluster)
	set.StringSliceVarP(&o.namespaces, "namespace", "n", nil, "namespaces of the pods, at most five")
	set.StringToStringVar(&o.labels, "labels", nil, "labels that the pods must have, too, as tier=front")
	set.StringSliceVar(&o.zones, "zones", nil, "zones of the machines (default: all)")
	cobra.CheckErr(command.MarkFlagRequired("namespace"))
	command.ValidArgsFunction = cobra.NoFileCompletions
	return command
}

func (o *fargateProfileOptions) run(command *cobra.Command, name string) error {
	session, err := flags.Open()
	if err != nil {
		return err
	}
	spec := v1alpha1.FargateProfileSpec{Zones: o.zones}
	for _, namespace := range o.namespaces {
		selector := v1alpha1.FargateProfileSelector{Namespace: namespace}
		for key, value := range o.labels {
			if selector.Labels == nil {
				selector.Labels = map[string]v1alpha1.LabelPattern{}
			}
			selector.Labels[key] = v1alpha1.LabelPattern(value)
		}
		spec.Selectors = append(spec.Selectors, selector)
	}
	if err := session.CreateFargateProfile(command.Context(), backend.NewFargateProfile(o.cluster, name, spec)); err != nil {
		return err
	}
	fmt.Fprintf(command.OutOrStdout(), "Fargate profile %q is being created: watch it with \"naru get fargateprofiles --cluster %s -w\"\n", name, o.cluster)
	return nil
}
