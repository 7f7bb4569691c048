// Package api is the command `naru api`.
package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"naru.dev/naru/internal/eks/call"
	"naru.dev/naru/internal/eks/wire"
	"naru.dev/naru/internal/explain"
)

// New returns the command.
func New() *cobra.Command {
	var options call.Options
	command := &cobra.Command{
		Use:   "api eks OPERATION [MEMBER=VALUE]...",
		Short: "Call one operation of the EKS API, and print the answer as it came",
		Long: `Signs one request with the credentials, region and endpoint that AWS's own tools would use, from the
environment or a profile. A member that is no string or list of strings is written as JSON.`,
		Example: `  naru api eks ListClusters
  naru api eks DescribeCluster name=prod
  naru api eks CreateNodegroup clusterName=prod nodegroupName=web subnets=subnet-0123456789abcdef0 \
    nodeRole=arn:aws:iam::111122223333:role/node scalingConfig='{"minSize":1,"maxSize":3,"desiredSize":2}'`,
		ValidArgsFunction: complete,
		RunE:              func(command *cobra.Command, args []string) error { return run(command, options, args) },
	}
	set := command.Flags()
	set.StringVar(&options.Profile, "profile", "", "profile of AWS's settings (default $AWS_PROFILE)")
	set.StringVar(&options.Region, "region", "", "region (default $AWS_REGION, or the profile's)")
	set.StringVar(&options.Endpoint, "endpoint-url", "", "where Naru is (default $AWS_ENDPOINT_URL, or the profile's)")
	return command
}

func run(command *cobra.Command, options call.Options, args []string) error {
	if len(args) < 2 || args[0] != "eks" {
		return explain.Usagef("a service and an operation are wanted: naru api eks ListClusters")
	}
	model, err := wire.NewModel()
	if err != nil {
		return err
	}
	operation, ok := model.Operation(args[1])
	if !ok {
		return explain.Usagef("EKS has no operation %s: its API has %s", args[1], strings.Join(names(model), ", "))
	}
	input, err := parse(operation, args[2:])
	if err != nil {
		return explain.Usage(err)
	}
	if _, err := operation.EncodeInput(input); err != nil {
		return explain.Usage(err)
	}
	client, err := call.New(command.Context(), options)
	if err != nil {
		return err
	}
	answer, err := client.Do(command.Context(), operation, input)
	if err != nil {
		return err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, answer, "", "    "); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", operation.Name, err)
	}
	fmt.Fprintln(command.OutOrStdout(), pretty.String())
	return nil
}

func parse(operation *wire.Operation, args []string) (any, error) {
	members := map[string]string{}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, fmt.Errorf("%q is no MEMBER=VALUE; %s has %s", arg, operation.Name, strings.Join(operation.Members(), ", "))
		}
		if _, twice := members[name]; twice {
			return nil, errors.New(name + " is there twice")
		}
		members[name] = value
	}
	return operation.ParseMembers(members)
}

func names(model *wire.Model) []string {
	var list []string
	for _, operation := range model.Operations() {
		list = append(list, operation.Name)
	}
	return list
}

func complete(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	model, err := wire.NewModel()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	switch len(args) {
	case 0:
		return []string{"eks"}, cobra.ShellCompDirectiveNoFileComp
	case 1:
		return names(model), cobra.ShellCompDirectiveNoFileComp
	}
	operation, ok := model.Operation(args[1])
	if !ok {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var members []string
	for _, name := range operation.Members() {
		members = append(members, name+"=")
	}
	return members, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}
