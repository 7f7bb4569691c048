// Package token is `naru token`.
package token

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientauthentication "k8s.io/client-go/pkg/apis/clientauthentication/v1"

	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/iam/profile"
	"naru.dev/naru/internal/iam/token"
)

// execInfo is how kubectl tells a plugin which version it reads.
const execInfo = "KUBERNETES_EXEC_INFO"

type options struct{ cluster, profile, region string }

// New returns the command.
func New() *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:   "token --cluster CLUSTER",
		Short: "Print a token for kubectl, as \"aws eks get-token\" does",
		Long: `Signs a token with the credentials that AWS's own tools would use, from the environment or a profile, and prints
it as kubectl wants it from a credential plugin. Nothing is sent to anybody. In a kubeconfig of "aws eks update-kubeconfig" it can take
the place of "aws eks get-token": --cluster-name is --cluster, too.`,
		Example: `  naru token --cluster prod
  naru token --cluster prod --profile alice`,
		Args: flags.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return o.run(command) },
	}
	flags.Cluster(command, &o.cluster)
	command.Flags().SetNormalizeFunc(asCLI)
	command.Flags().StringVar(&o.profile, "profile", "", "profile of AWS's settings (default $AWS_PROFILE)")
	command.Flags().StringVar(&o.region, "region", "", "region (default $AWS_REGION, or the profile's)")
	command.ValidArgsFunction = cobra.NoFileCompletions
	return command
}

// asCLI takes the flag of "aws eks get-token" for Naru's.
func asCLI(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if name == "cluster-name" {
		name = "cluster"
	}
	return pflag.NormalizedName(name)
}

func (o *options) run(command *cobra.Command) error {
	settings, key, err := profile.Load(command.Context(), o.profile, o.region)
	if err != nil {
		return err
	}
	now := time.Now()
	text, err := token.Create(o.cluster, key, settings.Region, now)
	if err != nil {
		return err
	}
	expires := metav1.NewTime(now.Add(token.Life).UTC().Truncate(time.Second))
	version := schema.GroupVersion{Group: clientauthentication.SchemeGroupVersion.Group, Version: wantedVersion(os.Getenv(execInfo))}
	credential := clientauthentication.ExecCredential{
		TypeMeta: metav1.TypeMeta{APIVersion: version.String(), Kind: "ExecCredential"},
		Status:   &clientauthentication.ExecCredentialStatus{ExpirationTimestamp: &expires, Token: text},
	}
	if err := json.NewEncoder(command.OutOrStdout()).Encode(credential); err != nil {
		return fmt.Errorf("printing the token: %w", err)
	}
	return nil
}

// wantedVersion is the one that kubectl asks for. Both that there are have the same fields here.
func wantedVersion(info string) string {
	var asked metav1.TypeMeta
	if err := json.Unmarshal([]byte(info), &asked); err == nil && asked.GroupVersionKind().Version == "v1beta1" {
		return "v1beta1"
	}
	return clientauthentication.SchemeGroupVersion.Version
}
