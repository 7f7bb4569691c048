// Package configureaws is `naru configure-aws`.
package configureaws

import (
	"fmt"

	"github.com/spf13/cobra"

	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/iam/bootstrap"
	"naru.dev/naru/internal/iam/profile"
	"naru.dev/naru/internal/standalone/layout"
)

type options struct{ profile, user, region, endpoint string }

// New returns the command.
func New() *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:   "configure-aws",
		Short: "Write a profile for AWS's tools, so that they call Naru",
		Long: `Writes a profile with the access key of a user, Naru's address and the CA of its certificate into the files
that AWS's command line, SDKs and Terraform read. What else is in them stays; a profile of that name that is
for something else is left alone.`,
		Example: `  naru configure-aws
  AWS_PROFILE=naru aws eks list-clusters
  naru configure-aws --user alice --profile alice`,
		Args: flags.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return o.run(command) },
	}
	set := command.Flags()
	set.StringVar(&o.profile, "profile", "naru", "name of the profile")
	set.StringVar(&o.user, "user", bootstrap.AdminUser, "the user whose access key it gets")
	set.StringVar(&o.region, "region", "naru-kr-1", "region, as in ARNs")
	set.StringVar(&o.endpoint, "endpoint-url", fmt.Sprintf("https://127.0.0.1:%d", layout.ServerPort), "where the API is reached from here")
	command.ValidArgsFunction = cobra.NoFileCompletions
	return command
}

func (o *options) run(command *cobra.Command) error {
	session, err := flags.Open()
	if err != nil {
		return err
	}
	signer, err := session.Signer(command.Context(), o.user)
	if err != nil {
		return err
	}
	files, err := profile.DefaultFiles()
	if err != nil {
		return err
	}
	err = files.Write(profile.Profile{Name: o.profile, Region: o.region, Endpoint: o.endpoint, CA: signer.CA, Key: signer.Key})
	if err != nil {
		return err
	}
	fmt.Fprintf(command.ErrOrStderr(), "profile %q is in %s. Go on with:\n\n  export AWS_PROFILE=%s\n  naru whoami\n  aws eks list-clusters\n", o.profile, files.Config, o.profile)
	return nil
}
