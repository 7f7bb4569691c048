package create

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/spf13/cobra"

	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/explain"
)

// identityOptions are what users, roles and policies have in common.
type identityOptions struct {
	path     string
	tags     map[string]string
	policies []string
}

func (o *identityOptions) register(command *cobra.Command, policies bool) {
	set := command.Flags()
	set.StringVar(&o.path, "path", "/", "path in the ARN, between slashes")
	set.StringToStringVar(&o.tags, "tags", nil, "tags, as team=web,tier=front")
	if policies {
		set.StringSliceVar(&o.policies, "policy", nil, "managed policies to attach: an ARN, or the name of one that comes with Naru, as AdministratorAccess")
	}
	command.ValidArgsFunction = cobra.NoFileCompletions
}

func (o *identityOptions) sdkTags() []types.Tag {
	var tags []types.Tag
	for key, value := range o.tags {
		tags = append(tags, types.Tag{Key: aws.String(key), Value: aws.String(value)})
	}
	return tags
}

// policyARNs are the ARNs of the policies that were named.
func (o *identityOptions) policyARNs() []string {
	var arns []string
	for _, name := range o.policies {
		if !strings.HasPrefix(name, "arn:") {
			name = "arn:aws:iam::aws:policy/" + name
		}
		arns = append(arns, name)
	}
	return arns
}

// checkPolicies finds out whether all of them exist, before anything is made.
func (o *identityOptions) checkPolicies(ctx context.Context, client *iam.Client) error {
	for _, arn := range o.policyARNs() {
		if _, err := client.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn}); err != nil {
			return backend.IdentityError(err)
		}
	}
	return nil
}

func identities(command *cobra.Command) (*iam.Client, error) {
	session, err := flags.Open()
	if err != nil {
		return nil, err
	}
	return session.Identities(command.Context())
}

func newUser() *cobra.Command {
	var o identityOptions
	command := &cobra.Command{
		Use:   "user NAME",
		Short: "Create an IAM user",
		Example: `  naru create user alice --policy AdministratorAccess
  naru create accesskey alice`,
		Args: flags.OneName("user"),
		RunE: func(command *cobra.Command, args []string) error { return o.createUser(command, args[0]) },
	}
	o.register(command, true)
	return command
}

func (o *identityOptions) createUser(command *cobra.Command, name string) error {
	client, err := identities(command)
	if err != nil {
		return err
	}
	ctx := command.Context()
	if err := o.checkPolicies(ctx, client); err != nil {
		return err
	}
	made, err := client.CreateUser(ctx, &iam.CreateUserInput{UserName: &name, Path: &o.path, Tags: o.sdkTags()})
	if err != nil {
		return backend.IdentityError(err)
	}
	for _, arn := range o.policyARNs() {
		if _, err := client.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: &name, PolicyArn: &arn}); err != nil {
			return backend.IdentityError(err)
		}
	}
	fmt.Fprintln(command.OutOrStdout(), aws.ToString(made.User.Arn))
	fmt.Fprintf(command.ErrOrStderr(), "A key to sign with: naru create accesskey %s\n", name)
	return nil
}

func newAccessKey() *cobra.Command {
	return &cobra.Command{
		Use:   "accesskey USER",
		Short: "Create an access key of a user, and print it once",
		Long: `Prints the key and its secret as JSON, as "aws iam create-access-key" does. The secret can't be read again with the API.
"naru configure-aws --user NAME" writes it into AWS's settings instead.`,
		Example:           `  naru create accesskey alice > alice.json`,
		Args:              flags.OneName("user"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, args []string) error {
			client, err := identities(command)
			if err != nil {
				return err
			}
			made, err := client.CreateAccessKey(command.Context(), &iam.CreateAccessKeyInput{UserName: &args[0]})
			if err != nil {
				return backend.IdentityError(err)
			}
			encoder := json.NewEncoder(command.OutOrStdout())
			encoder.SetIndent("", "    ")
			return encoder.Encode(map[string]any{"AccessKey": map[string]string{
				"UserName": aws.ToString(made.AccessKey.UserName), "AccessKeyId": aws.ToString(made.AccessKey.AccessKeyId),
				"SecretAccessKey": aws.ToString(made.AccessKey.SecretAccessKey), "Status": string(made.AccessKey.Status),
			}})
		},
	}
}

type roleOptions struct {
	identityOptions
	services, principals []string
	trust                string
	longest              time.Duration
}

func newRole() *cobra.Command {
	var o roleOptions
	command := &cobra.Command{
		Use:   "role NAME {--service SERVICE | --principal ARN | --trust FILE}",
		Short: "Create an IAM role",
		Example: `  naru create role eks --service eks.amazonaws.com --policy AmazonEKSClusterPolicy
  naru create role dev --principal arn:aws:iam::111122223333:user/alice
  naru create role app --trust trust.json`,
		Args: flags.OneName("role"),
		RunE: func(command *cobra.Command, args []string) error { return o.run(command, args[0]) },
	}
	o.register(command, true)
	set := command.Flags()
	set.StringSliceVar(&o.services, "service", nil, "services that may assume it, as eks.amazonaws.com, ec2.amazonaws.com or pods.eks.amazonaws.com")
	set.StringSliceVar(&o.principals, "principal", nil, "users, roles or accounts that may assume it, by ARN")
	set.StringVar(&o.trust, "trust", "", "file with the trust policy, or - for standard input")
	set.DurationVar(&o.longest, "max-session", time.Hour, "how long a session may last, 1h to 12h")
	command.MarkFlagsMutuallyExclusive("trust", "service")
	command.MarkFlagsMutuallyExclusive("trust", "principal")
	return command
}

func (o *roleOptions) run(command *cobra.Command, name string) error {
	document, err := o.document(command.InOrStdin())
	if err != nil {
		return err
	}
	client, err := identities(command)
	if err != nil {
		return err
	}
	ctx := command.Context()
	if err := o.checkPolicies(ctx, client); err != nil {
		return err
	}
	made, err := client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, Path: &o.path, Tags: o.sdkTags(),
		AssumeRolePolicyDocument: &document, MaxSessionDuration: aws.Int32(int32(o.longest.Seconds()))})
	if err != nil {
		return backend.IdentityError(err)
	}
	for _, arn := range o.policyARNs() {
		if _, err := client.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: &arn}); err != nil {
			return backend.IdentityError(err)
		}
	}
	fmt.Fprintln(command.OutOrStdout(), aws.ToString(made.Role.Arn))
	return nil
}

// document is the trust policy that the flags say.
func (o *roleOptions) document(in io.Reader) (string, error) {
	if o.trust != "" {
		return readFile(o.trust, in)
	}
	if len(o.services)+len(o.principals) == 0 {
		return "", explain.Usagef("say who may assume the role: --service eks.amazonaws.com, --principal ARN, or --trust FILE")
	}
	principal := map[string][]string{}
	if len(o.services) > 0 {
		principal["Service"] = o.services
	}
	if len(o.principals) > 0 {
		principal["AWS"] = o.principals
	}
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{
		map[string]any{"Effect": "Allow", "Principal": principal, "Action": []string{"sts:AssumeRole", "sts:TagSession"}}}})
	if err != nil {
		return "", fmt.Errorf("writing the trust policy: %w", err)
	}
	return string(text), nil
}

func newPolicy() *cobra.Command {
	var o identityOptions
	var file string
	command := &cobra.Command{
		Use:     "policy NAME -f FILE",
		Short:   "Create a managed IAM policy",
		Example: `  naru create policy readers -f readers.json`,
		Args:    flags.OneName("policy"),
		RunE: func(command *cobra.Command, args []string) error {
			document, err := readFile(file, command.InOrStdin())
			if err != nil {
				return err
			}
			client, err := identities(command)
			if err != nil {
				return err
			}
			made, err := client.CreatePolicy(command.Context(), &iam.CreatePolicyInput{PolicyName: &args[0], Path: &o.path, Tags: o.sdkTags(), PolicyDocument: &document})
			if err != nil {
				return backend.IdentityError(err)
			}
			fmt.Fprintln(command.OutOrStdout(), aws.ToString(made.Policy.Arn))
			return nil
		},
	}
	o.register(command, false)
	command.Flags().StringVarP(&file, "filename", "f", "", "file with the policy, as JSON, or - for standard input")
	cobra.CheckErr(command.MarkFlagRequired("filename"))
	return command
}

func readFile(path string, in io.Reader) (string, error) {
	read := func() ([]byte, error) { return os.ReadFile(path) }
	if path == "-" {
		read = func() ([]byte, error) { return io.ReadAll(in) }
	}
	content, err := read()
	if err != nil {
		return "", explain.Usage(fmt.Errorf("reading the policy: %w", err))
	}
	return string(content), nil
}
