// Package karpenter is `naru karpenter`, the autoscaler of one managed cluster's nodes.
package karpenter

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"naru.dev/naru/internal/autoscale"
)

// NewKarpenterCommand returns the command. It is not for users: each managed cluster has a Deployment that runs it.
func NewKarpenterCommand() *cobra.Command {
	var cluster, tenant, hosting, health, metrics string
	c := &cobra.Command{
		Use:    "karpenter",
		Short:  "Scale the nodes of one managed cluster",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			tenantConfig, err := clientcmd.BuildConfigFromFlags("", tenant)
			if err != nil {
				return fmt.Errorf("reading kubeconfig of cluster %s: %w", cluster, err)
			}
			hostingConfig, err := hostingConfig(hosting)
			if err != nil {
				return err
			}
			return autoscale.Run(c.Context(), autoscale.Config{
				Cluster:        cluster,
				Tenant:         tenantConfig,
				Hosting:        hostingConfig,
				HealthAddress:  health,
				MetricsAddress: metrics,
				Log:            zap.New(zap.ConsoleEncoder()),
			})
		},
	}
	c.Flags().StringVar(&cluster, "cluster", "", "the managed cluster's name")
	c.Flags().StringVar(&tenant, "kubeconfig", "", "kubeconfig of the managed cluster")
	c.Flags().StringVar(&hosting, "hosting-kubeconfig", "", "kubeconfig of the hosting cluster (default: the pod's service account)")
	c.Flags().StringVar(&health, "health-address", ":8081", "where /healthz and /readyz are served; 0: nowhere")
	c.Flags().StringVar(&metrics, "metrics-address", "0", "where /metrics is served; 0: nowhere")
	for _, flag := range []string{"cluster", "kubeconfig"} {
		if err := c.MarkFlagRequired(flag); err != nil {
			panic(err) // the flag is defined above
		}
	}
	return c
}

func hostingConfig(path string) (*rest.Config, error) {
	if path != "" {
		config, err := clientcmd.BuildConfigFromFlags("", path)
		if err != nil {
			return nil, fmt.Errorf("reading kubeconfig of the hosting cluster: %w", err)
		}
		return config, nil
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the hosting cluster (outside a pod give --hosting-kubeconfig): %w", err)
	}
	return config, nil
}
