package create

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/spf13/cobra"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/backend"
)

type podIdentityOptions struct {
	cluster, namespace, account, role string
}

func newPodIdentity() *cobra.Command {
	var o podIdentityOptions
	command := &cobra.Command{
		Use:   "podidentity --cluster CLUSTER --service-account NAME --role ROLE",
		Short: "Give the pods of a service account an IAM role",
		Long: `Pods of the service account that are made from now on get the role's credentials by themselves: AWS's SDKs find them.
The role has to trust pods.eks.amazonaws.com with sts:AssumeRole and sts:TagSession.`,
		Example: `  naru create role app --service pods.eks.amazonaws.com
  naru create podidentity --cluster prod --namespace web --service-account app --role app`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return o.run(command) },
	}
	set := command.Flags()
	flags.Cluster(command, &o.cluster)
	set.StringVarP(&o.namespace, "namespace", "n", "default", "namespace of the service account, in the cluster")
	set.StringVar(&o.account, "service-account", "", "the service account")
	set.StringVar(&o.role, "role", "", "name or ARN of the role")
	for _, name := range []string{"service-account", "role"} {
		cobra.CheckErr(command.MarkFlagRequired(name))
	}
	command.ValidArgsFunction = cobra.NoFileCompletions
	return command
}

func (o *podIdentityOptions) run(command *cobra.Command) error {
	session, err := flags.Open()
	if err != nil {
		return err
	}
	ctx := command.Context()
	client, err := session.Identities(ctx)
	if err != nil {
		return err
	}
	name := o.role[strings.LastIndexByte(o.role, '/')+1:]
	found, err := client.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	if err != nil {
		return backend.IdentityError(err)
	}
	association := &v1alpha1.PodIdentityAssociation{}
	association.Namespace = v1alpha1.Namespace(o.cluster)
	association.Spec = v1alpha1.PodIdentityAssociationSpec{Namespace: o.namespace, ServiceAccount: o.account, RoleARN: *found.Role.Arn}
	if err := session.CreatePodIdentityAssociation(ctx, association); err != nil {
		return err
	}
	fmt.Fprintln(command.OutOrStdout(), association.Name)
	return nil
}
