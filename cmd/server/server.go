// Package server is the command `naru server`.
package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/eks/assembly"
	"naru.dev/naru/internal/eks/server"
	"naru.dev/naru/internal/podroles"
)

const qps, burst = 200, 400

type options struct {
	kubeconfig, address, nodes, audit string
	assembly.Options
}

// New returns the command that the Deployment naru-server runs.
func New() *cobra.Command {
	o := options{Options: assembly.Options{Limits: server.DefaultLimits()}}
	command := &cobra.Command{
		Use:    "server",
		Short:  "Serve the EKS API, and the parts of IAM, STS, ECR and EC2 that its users need",
		Long:   `Runs in the hosting cluster, started by "naru up".`,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(command *cobra.Command, _ []string) error { return run(command.Context(), o) },
	}
	set := command.Flags()
	set.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig of the hosting cluster; empty: the pod's own service account")
	set.StringVar(&o.address, "address", ":8443", "where to listen")
	set.StringVar(&o.nodes, "nodes-address", ":8444", "where to listen for nodes and pods of managed clusters: they get pods' roles and STS; empty: nowhere")
	set.StringSliceVar(&o.Nodes.Names, "nodes-names", []string{"100.65.0.22"}, "what they call the server by, for the certificate that they see")
	set.StringVar(&o.audit, "audit", "-", "file that a line of JSON is written to for each call; -: standard output")
	set.StringSliceVar(&o.Names, "names", []string{"127.0.0.1", "localhost", "naru-server.naru-system.svc"}, "what clients call the server by, for its certificate")
	set.StringVar(&o.Site.Account, "account", "", "account id in ARNs, 12 digits; it can't be changed later (default: one that Naru chooses once)")
	set.StringVar(&o.Site.Region, "region", podroles.DefaultRegion, "region in ARNs")
	set.IntVar(&o.Limits.PerSecond, "calls-per-second", o.Limits.PerSecond, "how many calls one access key may make")
	set.IntVar(&o.Limits.Burst, "burst", o.Limits.Burst, "how many calls one access key may make at once")
	return command
}

func run(ctx context.Context, o options) error {
	o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctrl.SetLogger(logr.FromSlogHandler(o.Log.Handler()))
	klog.SetLogger(logr.FromSlogHandler(o.Log.Handler()))
	var err error
	if o.Hosting, err = flags.Connect(o.kubeconfig); err != nil {
		return err
	}
	o.Hosting.QPS, o.Hosting.Burst, o.Hosting.UserAgent = qps, burst, "naru-server"
	if o.Audit, err = auditFile(o.audit); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.address)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", o.address, err)
	}
	if o.nodes != "" {
		if o.Nodes.Listener, err = net.Listen("tcp", o.nodes); err != nil {
			return fmt.Errorf("listening on %s: %w", o.nodes, err)
		}
	}
	return assembly.Run(ctx, listener, o.Options)
}

func auditFile(path string) (io.Writer, error) {
	if path == "-" {
		return os.Stdout, nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	return file, nil
}
