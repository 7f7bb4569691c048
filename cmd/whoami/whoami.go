// Package whoami is `naru whoami`.
package whoami

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"

	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/explain"
	"naru.dev/naru/internal/iam/profile"
)

// patience is how long the server may take to answer.
const patience = 10 * time.Second

type options struct{ profile, endpoint string }

// New returns the command.
func New() *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:   "whoami",
		Short: "Print who you are to Naru's API",
		Long:  `Asks the API who the credentials belong to that AWS's own tools would use, from the environment or a profile.`,
		Example: `  naru whoami
  naru whoami --profile alice`,
		Args: flags.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return o.run(command) },
	}
	command.Flags().StringVar(&o.profile, "profile", "", "profile of AWS's settings (default $AWS_PROFILE)")
	command.Flags().StringVar(&o.endpoint, "endpoint-url", "", "where Naru is (default $AWS_ENDPOINT_URL, or the profile's)")
	command.ValidArgsFunction = cobra.NoFileCompletions
	return command
}

func (o *options) run(command *cobra.Command) error {
	settings, _, err := profile.Load(command.Context(), o.profile, "")
	if err != nil {
		return err
	}
	client := sts.NewFromConfig(settings, func(s *sts.Options) {
		if o.endpoint != "" {
			s.BaseEndpoint = aws.String(o.endpoint)
		}
	})
	if client.Options().BaseEndpoint == nil {
		// Without one the question, and a signature, would go to AWS.
		return explain.Usagef("AWS's settings do not say where Naru is: \"naru configure-aws\" writes a profile that does, or give --endpoint-url")
	}
	ctx, cancel := context.WithTimeout(command.Context(), patience)
	defer cancel()
	me, err := client.GetCallerIdentity(ctx, nil)
	var problem smithy.APIError
	if errors.As(err, &problem) {
		return fmt.Errorf("the API does not know these credentials: %s (%s)", problem.ErrorMessage(), problem.ErrorCode())
	}
	if err != nil {
		return fmt.Errorf("asking the API at %s: %w", aws.ToString(client.Options().BaseEndpoint), profile.Explain(err))
	}
	fmt.Fprintf(command.OutOrStdout(), "ARN      %s\nAccount  %s\nUser ID  %s\n", aws.ToString(me.Arn), aws.ToString(me.Account), aws.ToString(me.UserId))
	return nil
}
