// Package connector is the command `naru connector`.
package connector

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/connector"
	"naru.dev/naru/internal/explain"
)

type options struct {
	kubeconfig, server, ca, code string
	connector.Options
}

// New returns the command that the agent in a connected cluster runs.
func New() *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:    "connector",
		Short:  "Connect the cluster that this runs in to Naru",
		Long:   `Runs in the cluster that is connected, by the manifest that "naru register cluster" prints.`,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(command *cobra.Command, _ []string) error { return run(command.Context(), o) },
	}
	set := command.Flags()
	set.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig of the cluster; empty: the pod's own service account")
	set.StringVar(&o.server, "server", "", "URL of naru server")
	set.StringVar(&o.ServerName, "server-name", "", "the name in its certificate")
	set.StringVar(&o.ca, "ca", "/etc/naru/server/ca.crt", "file of what signed it")
	set.StringVar(&o.Activation.ID, "activation-id", "", "id of the activation")
	set.StringVar(&o.code, "activation-code", "/etc/naru/activation/code", "file of its code")
	set.StringVar(&o.Namespace, "namespace", "naru-connector", "namespace of the Secret that the agent keeps its key in")
	set.StringVar(&o.Secret, "secret", "naru-connector-key", "that Secret, which has to exist")
	for _, name := range []string{"server", "server-name", "activation-id"} {
		cobra.CheckErr(command.MarkFlagRequired(name))
	}
	return command
}

func run(ctx context.Context, o options) error {
	o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	server, err := url.Parse(o.server)
	if err != nil || server.Scheme != "https" || server.Host == "" {
		return explain.Usagef("--server %q can't be: it is a URL as https://192.0.2.1", o.server)
	}
	o.Options.Server = server
	if o.CA, err = os.ReadFile(o.ca); err != nil {
		return fmt.Errorf("reading what signed naru server's certificate: %w", err)
	}
	code, err := os.ReadFile(o.code)
	if err != nil {
		return fmt.Errorf("reading the activation code: %w", err)
	}
	o.Activation.Code = strings.TrimSpace(string(code))
	if o.Cluster, err = flags.Connect(o.kubeconfig); err != nil {
		return err
	}
	o.Cluster.UserAgent = "naru-connector"
	return connector.Run(ctx, o.Options)
}
