// Package scale is `naru scale`.
package scale

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/explain"
	"naru.dev/naru/internal/progress"
	"naru.dev/naru/internal/rollout"
)

// New returns the command.
func New() *cobra.Command {
	return flags.Group(&cobra.Command{
		Use:   "scale",
		Short: "Change the size of a node group or of a control plane",
	}, newCluster(), newNodeGroup())
}

func newCluster() *cobra.Command {
	var replicas int32
	var tier string
	var wait flags.Wait
	command := &cobra.Command{
		Use:   "cluster NAME {--control-plane-replicas {1|3} | --tier TIER}",
		Short: "Change the number of etcd members and API servers, or what they can do, without a failed request",
		Example: `  naru scale cluster prod --control-plane-replicas 1
  naru scale cluster prod --tier tier-xl`,
		Args: flags.OneName("cluster"),
		RunE: func(command *cobra.Command, args []string) error {
			session, err := flags.Open()
			if err != nil {
				return err
			}
			ctx, cancel := wait.Context(command.Context())
			defer cancel()
			cluster, err := session.ScaleCluster(ctx, args[0], replicas, tier)
			if err != nil || !wait.Wanted() {
				return err
			}
			p := progress.ForStderr()
			defer p.Close()
			shown := rollout.NewCluster(p, cluster.Name)
			err = session.AwaitCluster(ctx, cluster.Name, shown.Observe)
			shown.End(err)
			if err != nil {
				return err
			}
			p.Close()
			fmt.Fprintf(command.OutOrStdout(), "The control plane of cluster %q has the size that was asked for.\n", cluster.Name)
			return nil
		},
	}
	flags.Replicas(command, &replicas, 0)
	flags.Tier(command, &tier, "")
	command.MarkFlagsOneRequired("control-plane-replicas", "tier")
	wait.Register(command, true, 10*time.Minute)
	command.ValidArgsFunction = flags.Clusters
	return command
}

type nodeGroupOptions struct {
	cluster         string
	min, max, nodes int32
	dynamic         bool
	wait            flags.Wait
}

func newNodeGroup() *cobra.Command {
	var o nodeGroupOptions
	command := &cobra.Command{
		Use:     "nodegroup NAME --cluster CLUSTER {--nodes N | --min N --max N}",
		Aliases: []string{"nodegroups", "ng"},
		Short:   "Change the number of nodes of a group",
		Example: `  naru scale nodegroup default --cluster prod --nodes 3
  naru scale nodegroup default --cluster prod --autoscale --min 1 --max 5`,
		Args: flags.OneName("node group"),
		RunE: func(command *cobra.Command, args []string) error { return o.run(command, args[0]) },
	}
	set := command.Flags()
	flags.Cluster(command, &o.cluster)
	set.Int32Var(&o.nodes, "nodes", 0, "fix the number of nodes")
	set.Int32Var(&o.min, "min", 0, "least number of nodes")
	set.Int32Var(&o.max, "max", 0, "greatest number of nodes")
	set.BoolVar(&o.dynamic, "autoscale", false, "let pending pods decide between --min and --max")
	command.MarkFlagsMutuallyExclusive("nodes", "autoscale")
	command.MarkFlagsOneRequired("nodes", "min", "max", "autoscale")
	o.wait.Register(command, true, 10*time.Minute)
	command.ValidArgsFunction = flags.InCluster(&v1alpha1.NodeGroupList{})
	return command
}

func (o *nodeGroupOptions) run(command *cobra.Command, name string) error {
	if o.nodes < 0 {
		return explain.Usagef("--nodes %d is below 0", o.nodes)
	}
	session, err := flags.Open()
	if err != nil {
		return err
	}
	ctx, cancel := o.wait.Context(command.Context())
	defer cancel()
	if _, err := session.ScaleNodeGroup(ctx, o.cluster, name, o.scaling(command)); err != nil || !o.wait.Wanted() {
		return err
	}
	p := progress.ForStderr()
	defer p.Close()
	shown := rollout.NewNodeGroup(p, name)
	err = session.AwaitNodeGroup(ctx, o.cluster, name, shown.Observe)
	shown.End(err)
	if err != nil {
		return err
	}
	p.Close()
	fmt.Fprintf(command.OutOrStdout(), "Node group %q of cluster %q has the size that was asked for.\n", name, o.cluster)
	return nil
}

func (o *nodeGroupOptions) scaling(command *cobra.Command) backend.Scaling {
	given := func(name string, value *int32) *int32 {
		if command.Flags().Changed(name) {
			return value
		}
		return nil
	}
	return backend.Scaling{Min: given("min", &o.min), Max: given("max", &o.max), Desired: given("nodes", &o.nodes), Dynamic: o.dynamic}
}
