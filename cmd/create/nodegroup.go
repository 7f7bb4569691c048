package create

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/explain"
	"naru.dev/naru/internal/printer"
	"naru.dev/naru/internal/progress"
)

type nodeGroupOptions struct {
	cluster         string
	min, max, nodes int32
	classes, zones  []string
	labels          map[string]string
	taints          []string
	dryRun          bool
	output          string
	wait            flags.Wait
}

func newNodeGroup() *cobra.Command {
	var o nodeGroupOptions
	command := &cobra.Command{
		Use:     "nodegroup NAME --cluster CLUSTER {--nodes N | --min N --max N}",
		Aliases: []string{"nodegroups", "ng"},
		Short:   "Create a node group of a cluster",
		Example: `  naru create nodegroup web --cluster prod --nodes 3
  naru create nodegroup batch --cluster prod --min 0 --max 5 --machine-class m5.large --taint batch=yes:NoSchedule`,
		Args: flags.OneName("node group"),
		RunE: func(command *cobra.Command, args []string) error { return o.run(command, args[0]) },
	}
	set := command.Flags()
	flags.Cluster(command, &o.cluster)
	set.Int32Var(&o.nodes, "nodes", 0, "a fixed number of nodes; without it, pending pods decide between --min and --max")
	set.Int32Var(&o.min, "min", 0, "least number of nodes")
	set.Int32Var(&o.max, "max", 0, "greatest number of nodes (default: the greater of --nodes and 10)")
	set.StringSliceVar(&o.classes, "machine-class", []string{defaultClass}, "sizes that the nodes may have")
	set.StringSliceVar(&o.zones, "zones", nil, "zones of the nodes (default: all)")
	set.StringToStringVar(&o.labels, "labels", nil, "labels of the nodes, as team=web,tier=front")
	set.StringSliceVar(&o.taints, "taint", nil, "taints of the nodes, as key=value:NoSchedule")
	set.BoolVar(&o.dryRun, "dry-run", false, "print the manifest and change nothing")
	flags.Output(command, &o.output, string(printer.YAML), string(printer.YAML), string(printer.JSON))
	o.wait.Register(command, true, 10*time.Minute)
	cobra.CheckErr(command.RegisterFlagCompletionFunc("machine-class", flags.MachineClasses))
	command.ValidArgsFunction = cobra.NoFileCompletions
	return command
}

func (o *nodeGroupOptions) run(command *cobra.Command, name string) error {
	group, err := o.group(command, name)
	if err != nil {
		return err
	}
	if o.dryRun {
		format, err := flags.Format(o.output)
		if err != nil {
			return err
		}
		return printer.Manifests(command.OutOrStdout(), format, group)
	}
	session, err := flags.Open()
	if err != nil {
		return err
	}
	ctx, cancel := o.wait.Context(command.Context())
	defer cancel()
	if err := session.CreateNodeGroup(ctx, group); err != nil {
		return err
	}
	if !o.wait.Wanted() {
		fmt.Fprintf(command.OutOrStdout(), "node group %q is being created: watch it with \"naru get nodegroups --cluster %s -w\"\n", name, o.cluster)
		return nil
	}
	p := progress.ForStderr()
	defer p.Close()
	if err := awaitGroup(ctx, session.Backend, p, group); err != nil {
		return err
	}
	p.Close()
	fmt.Fprintf(command.OutOrStdout(), "Node group %q of cluster %q is ready.\n", name, o.cluster)
	return nil
}

func (o *nodeGroupOptions) group(command *cobra.Command, name string) (*v1alpha1.NodeGroup, error) {
	set := command.Flags()
	spec := v1alpha1.NodeGroupSpec{MachineClasses: o.classes, Zones: o.zones, Labels: o.labels}
	spec.Scaling = v1alpha1.ScalingSpec{Min: o.min, Max: o.max}
	switch {
	case set.Changed("nodes"):
		spec.Scaling.Desired = &o.nodes
		if !set.Changed("max") {
			spec.Scaling.Max = max(o.nodes, o.min, roomToGrow)
		}
	case !set.Changed("max"):
		return nil, explain.Usagef("say how many nodes: --nodes 2 for a fixed number, or --min 0 --max 5 to let pending pods decide")
	}
	for _, text := range o.taints {
		taint, err := parseTaint(text)
		if err != nil {
			return nil, err
		}
		spec.Taints = append(spec.Taints, taint)
	}
	return backend.NewNodeGroup(o.cluster, name, spec), nil
}

func parseTaint(text string) (corev1.Taint, error) {
	pair, effect, ok := strings.Cut(text, ":")
	key, value, _ := strings.Cut(pair, "=")
	taint := corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)}
	switch taint.Effect {
	case corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute:
		ok = ok && key != ""
	default:
		ok = false
	}
	if !ok {
		return taint, explain.Usagef("--taint %q can't be: write key=value:NoSchedule (or PreferNoSchedule, NoExecute)", text)
	}
	return taint, nil
}
