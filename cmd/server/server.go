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
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"naru.dev/naru/internal/eks/assembly"
	"naru.dev/naru/internal/eks/server"
)

const qps, burst = 200, 400

type flags struct {
	kubeconfig, address, audit string
	assembly.Options
}

// New returns the command that the Deployment naru-server runs.
func New() *cobra.Command {
	f := flags{Options: assembly.Options{Limits: server.DefaultLimits()}}
	command := &cobra.Command{
		Use:    "server",
		Short:  "Serve the EKS API, and the parts of IAM, STS and EC2 that its users need",
		Long:   `Runs in the hosting cluster, started by "naru up".`,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(command *cobra.Command, _ []string) error { return run(command.Context(), f) },
	}
	set := command.Flags()
	set.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig of the hosting cluster; empty: the pod's own service account")
	set.StringVar(&f.address, "address", ":8443", "where to listen")
	set.StringVar(&f.audit, "audit", "-", "file that a line of JSON is written to for each call; -: standard output")
	set.StringSliceVar(&f.Names, "names", []string{"127.0.0.1", "localhost", "naru-server.naru-system.svc"}, "what clients call the server by, for its certificate")
	set.StringVar(&f.Site.Account, "account", "", "account id in ARNs, 12 digits; it can't be changed later (default: one that Naru chooses once)")
	set.StringVar(&f.Site.Region, "region", "naru-kr-1", "region in ARNs")
	set.IntVar(&f.Limits.PerSecond, "calls-per-second", f.Limits.PerSecond, "how many calls one access key may make")
	set.IntVar(&f.Limits.Burst, "burst", f.Limits.Burst, "how many calls one access key may make at once")
	return command
}

func run(ctx context.Context, f flags) error {
	f.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctrl.SetLogger(logr.FromSlogHandler(f.Log.Handler()))
	klog.SetLogger(logr.FromSlogHandler(f.Log.Handler()))
	var err error
	if f.Hosting, err = connect(f.kubeconfig); err != nil {
		return err
	}
	if f.Audit, err = auditFile(f.audit); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", f.address)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", f.address, err)
	}
	return assembly.Run(ctx, listener, f.Options)
}

func connect(kubeconfig string) (*rest.Config, error) {
	config, err := rest.InClusterConfig()
	if kubeconfig != "" {
		config, err = clientcmd.BuildConfigFromFlags("", kubeconfig)
	}
	if err != nil {
		return nil, fmt.Errorf("connecting to the hosting cluster (outside of it, name one with --kubeconfig): %w", err)
	}
	config.QPS, config.Burst, config.UserAgent = qps, burst, "naru-server"
	return config, nil
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
