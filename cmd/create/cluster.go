package create

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/explain"
	"naru.dev/naru/internal/printer"
	"naru.dev/naru/internal/progress"
	"naru.dev/naru/internal/release"
	"naru.dev/naru/internal/rollout"
)

type clusterOptions struct {
	version    string
	replicas   int32
	tier       string
	networking v1alpha1.NetworkingSpec
	nodes      int32
	class      string
	zones      []string
	dryRun     bool
	output     string
	wait       flags.Wait
}

func newCluster() *cobra.Command {
	var o clusterOptions
	command := &cobra.Command{
		Use:   "cluster NAME",
		Short: "Create a cluster and a node group for it",
		Example: `  naru create cluster prod --nodes 2
  naru create cluster small --control-plane-replicas 1 --nodes 1
  naru create cluster prod --dry-run -o yaml > prod.yaml`,
		Args: flags.OneName("cluster"),
		RunE: func(command *cobra.Command, args []string) error { return o.run(command, args[0]) },
	}
	set := command.Flags()
	set.StringVar(&o.version, "version", release.DefaultMinor, "the Kubernetes version; \"naru get releases\" lists those that there are")
	flags.Replicas(command, &o.replicas, 3)
	flags.Tier(command, &o.tier, "")
	set.StringVar(&o.networking.PodCIDR, "pod-cidr", "", "IPv4 range of the pods (default 10.244.0.0/16)")
	set.StringVar(&o.networking.ServiceCIDR, "service-cidr", "", "IPv4 range of the Services (default 10.96.0.0/16)")
	set.Int32Var(&o.nodes, "nodes", 2, "nodes of the node group \""+backend.DefaultNodeGroup+"\"; 0: no node group")
	set.StringVar(&o.class, "machine-class", defaultClass, "size of the nodes; \"naru get machineclasses\" lists those that there are")
	set.StringSliceVar(&o.zones, "zones", nil, "zones of the nodes (default: all)")
	set.BoolVar(&o.dryRun, "dry-run", false, "print the manifests and change nothing")
	flags.Output(command, &o.output, string(printer.YAML), string(printer.YAML), string(printer.JSON))
	o.wait.Register(command, true, 10*time.Minute)
	cobra.CheckErr(command.RegisterFlagCompletionFunc("version", flags.Releases))
	cobra.CheckErr(command.RegisterFlagCompletionFunc("machine-class", flags.MachineClasses))
	command.ValidArgsFunction = cobra.NoFileCompletions
	return command
}

// defaultClass is the machine class of nodes for which none is named.
const defaultClass = "t3.medium"

// roomToGrow is the least maximum of a group of fixed size, so that it can be scaled without
// naming one.
const roomToGrow = 10

func (o *clusterOptions) run(command *cobra.Command, name string) error {
	if o.nodes < 0 {
		return explain.Usagef("--nodes %d is below 0", o.nodes)
	}
	cluster := backend.NewCluster(name, o.version, o.replicas, o.networking)
	cluster.Spec.ControlPlane.Tier = o.tier
	var groups []*v1alpha1.NodeGroup
	if o.nodes > 0 {
		groups = append(groups, backend.NewNodeGroup(name, backend.DefaultNodeGroup, v1alpha1.NodeGroupSpec{
			Scaling:        v1alpha1.ScalingSpec{Max: max(o.nodes, roomToGrow), Desired: &o.nodes},
			MachineClasses: []string{o.class}, Zones: o.zones,
		}))
	}
	if o.dryRun {
		return o.print(command.OutOrStdout(), cluster, groups)
	}
	session, err := flags.Open()
	if err != nil {
		return err
	}
	ctx, cancel := o.wait.Context(command.Context())
	defer cancel()
	if !o.wait.Wanted() {
		if err := session.CreateCluster(ctx, cluster, groups...); err != nil {
			return err
		}
		fmt.Fprintf(command.OutOrStdout(), "cluster %q is being created: watch it with \"naru get cluster %s -w\"\n", name, name)
		return nil
	}
	if err := createAndShow(ctx, session.Backend, cluster, groups); err != nil {
		return err
	}
	next(command.OutOrStdout(), name, len(groups) > 0)
	return nil
}

func createAndShow(ctx context.Context, b *backend.Backend, cluster *v1alpha1.Cluster, groups []*v1alpha1.NodeGroup) error {
	name := cluster.Name
	if err := b.CreateCluster(ctx, cluster, groups...); err != nil {
		return err
	}
	p := progress.ForStderr()
	defer p.Close()
	shown := rollout.NewCluster(p, name)
	err := b.AwaitCluster(ctx, name, shown.Observe)
	shown.End(err)
	if err != nil {
		return err
	}
	for _, group := range groups {
		if err := awaitGroup(ctx, b, p, group); err != nil {
			return err
		}
	}
	return nil
}

func awaitGroup(ctx context.Context, b *backend.Backend, p *progress.Progress, group *v1alpha1.NodeGroup) error {
	shown := rollout.NewNodeGroup(p, group.Name)
	err := b.AwaitNodeGroup(ctx, v1alpha1.ClusterOf(group.Namespace), group.Name, shown.Observe)
	shown.End(err)
	return err
}

func (o *clusterOptions) print(w io.Writer, cluster *v1alpha1.Cluster, groups []*v1alpha1.NodeGroup) error {
	format, err := flags.Format(o.output)
	if err != nil {
		return err
	}
	objects := []runtime.Object{cluster}
	for _, group := range groups {
		objects = append(objects, group)
	}
	return printer.Manifests(w, format, objects...)
}

func next(w io.Writer, name string, nodes bool) {
	fmt.Fprintf(w, "Cluster %q is ready. Go on with:\n\n  naru kubeconfig %s\n  kubectl get nodes\n", name, name)
	if !nodes {
		fmt.Fprintf(w, "  naru create nodegroup %s --cluster %s --nodes 2\n", backend.DefaultNodeGroup, name)
	}
}
