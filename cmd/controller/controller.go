// Package controller is the command `naru controller`.
package controller

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/controllers"
	"naru.dev/naru/internal/controllers/cluster"
)

const (
	qps, burst = 100, 200
	// Another controller takes over this soon after one is gone without a word.
	leaseDuration, renewDeadline, retryPeriod = 15 * time.Second, 10 * time.Second, 2 * time.Second
)

type options struct {
	kubeconfig, metrics, health string
	leaderElection, verbose     bool
	settings                    cluster.Settings
}

// NewControllerCommand returns the command that the Deployment naru-controller runs.
func NewControllerCommand() *cobra.Command {
	o := options{settings: cluster.DefaultSettings()}
	cmd := &cobra.Command{
		Use:   "controller",
		Short: "Run Naru's controllers, which make clusters and their machines",
		Long: `Runs in the hosting cluster, started by "naru up". Of several, one works and the others wait to
take over.`,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	set := cmd.Flags()
	set.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig of the hosting cluster; empty: the pod's own service account")
	set.StringVar(&o.metrics, "metrics-address", ":8080", "where metrics are served; 0: nowhere")
	set.StringVar(&o.health, "health-address", ":8081", "where /healthz and /readyz are served")
	set.BoolVar(&o.leaderElection, "leader-election", true, "let one of several controllers work at a time")
	set.BoolVarP(&o.verbose, "verbose", "v", false, "log every step")
	set.StringVar(&o.settings.HostingPods, "hosting-pod-cidr", o.settings.HostingPods, "pod range of the hosting cluster")
	set.StringVar(&o.settings.HostingServices, "hosting-service-cidr", o.settings.HostingServices, "service range of the hosting cluster")
	set.StringVar(&o.settings.HostingDNS, "hosting-dns", o.settings.HostingDNS, "address of the hosting cluster's DNS")
	set.StringVar(&o.settings.Registry, "registry", o.settings.Registry, "address of Naru's registry in the hosting cluster")
	set.StringVar(&o.settings.Authenticator, "authenticator", o.settings.Authenticator, "address of Naru's authenticator in the hosting cluster")
	set.StringVar(&o.settings.PodRoles, "pod-roles", o.settings.PodRoles, "address of naru server for nodes, in the hosting cluster")
	set.StringVar(&o.settings.ServerURL, "server-url", o.settings.ServerURL, "where users reach naru server; new clusters' tokens are issued below it")
	set.StringVar(&o.settings.Region, "region", o.settings.Region, "region that pods are told")
	set.Int32Var(&o.settings.FirstPort, "first-port", o.settings.FirstPort, "lowest port on 127.0.0.1 for a cluster's API")
	return cmd
}

func run(ctx context.Context, o options) error {
	level := slog.LevelInfo
	if o.verbose {
		level = slog.LevelDebug
	}
	logger := logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	config, err := flags.Connect(o.kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = qps, burst
	manager, err := newManager(config, o)
	if err != nil {
		return err
	}
	if err := controllers.Add(ctx, manager, o.settings); err != nil {
		return err
	}
	if err := manager.Start(ctx); err != nil {
		return fmt.Errorf("running controllers: %w", err)
	}
	return nil
}

func newManager(config *rest.Config, o options) (ctrl.Manager, error) {
	scheme, err := controllers.NewScheme()
	if err != nil {
		return nil, err
	}
	lease, renew, retry := leaseDuration, renewDeadline, retryPeriod
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme,
		Cache:                         controllers.CacheOptions(),
		Metrics:                       server.Options{BindAddress: o.metrics},
		HealthProbeBindAddress:        o.health,
		LeaderElection:                o.leaderElection,
		LeaderElectionID:              "naru-controller",
		LeaderElectionNamespace:       v1alpha1.SystemNamespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &lease, RenewDeadline: &renew, RetryPeriod: &retry,
	})
	if err != nil {
		return nil, fmt.Errorf("making the manager: %w", err)
	}
	for _, add := range []func(string, healthz.Checker) error{manager.AddHealthzCheck, manager.AddReadyzCheck} {
		if err := add("ping", healthz.Ping); err != nil {
			return nil, fmt.Errorf("adding a health check: %w", err)
		}
	}
	return manager, nil
}
