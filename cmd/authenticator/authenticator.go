// Package authenticator is the command `naru authenticator`.
package authenticator

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/iam/authenticator"
)

type options struct {
	kubeconfig, address, health string
	authenticator.Settings
}

// New returns the command that the Deployment naru-authenticator runs.
func New() *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:   "authenticator",
		Short: "Tell the API servers of clusters whose tokens they are shown, and what access policies allow",
		Long: `Runs in the hosting cluster, started by "naru up". It answers API servers that show the certificate of their cluster,
about that cluster only, and writes nothing but a line for each token, where a cluster asks for it.`,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(command *cobra.Command, _ []string) error { return o.run(command.Context()) },
	}
	set := command.Flags()
	set.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig of the hosting cluster; empty: the pod's own service account")
	set.StringVar(&o.address, "address", ":8443", "where API servers ask")
	set.StringVar(&o.health, "health-address", ":8081", "where /healthz and /readyz are served")
	set.StringSliceVar(&o.Hosts, "hosts", []string{"naru-server.naru-system.svc"},
		"names, with ports where they are not 443, that clients call the STS of naru server by, beside 127.0.0.1 and localhost")
	return command
}

func (o *options) run(ctx context.Context) error {
	o.Log, o.Out = slog.New(slog.NewTextHandler(os.Stderr, nil)), os.Stdout
	ctrl.SetLogger(logr.FromSlogHandler(o.Log.Handler()))
	klog.SetLogger(logr.FromSlogHandler(o.Log.Handler()))
	var err error
	if o.Hosting, err = flags.Connect(o.kubeconfig); err != nil {
		return err
	}
	o.Hosting.UserAgent = "naru-authenticator"
	if o.Health, err = net.Listen("tcp", o.health); err != nil {
		return fmt.Errorf("listening on %s: %w", o.health, err)
	}
	if o.Webhooks, err = net.Listen("tcp", o.address); err != nil {
		return fmt.Errorf("listening on %s: %w", o.address, err)
	}
	return authenticator.Run(ctx, o.Settings)
}
