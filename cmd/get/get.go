// Package get is `naru get`.
package get

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/explain"
	"naru.dev/naru/internal/kube/table"
	"naru.dev/naru/internal/printer"
)

// kind is one that can be listed.
type kind struct {
	plural, singular, kind, words string
	aliases                       []string
	namespaced                    bool
	list                          func() client.ObjectList
	create                        string
	// also is the kind that is shown after this one, where there are any.
	also string
}

func kinds() []kind {
	return []kind{
		{plural: "clusters", singular: "cluster", kind: "Cluster", words: "cluster",
			list: func() client.ObjectList { return &v1alpha1.ClusterList{} }, create: "naru create cluster NAME", also: "connectedclusters"},
		{plural: "connectedclusters", singular: "connectedcluster", kind: "ConnectedCluster", words: "connected cluster",
			list: func() client.ObjectList { return &v1alpha1.ConnectedClusterList{} }, create: "naru register cluster NAME"},
		{plural: "nodegroups", singular: "nodegroup", kind: "NodeGroup", words: "node group", aliases: []string{"ng"}, namespaced: true,
			list: func() client.ObjectList { return &v1alpha1.NodeGroupList{} }, create: "naru create nodegroup NAME --cluster CLUSTER --nodes 2"},
		{plural: "fargateprofiles", singular: "fargateprofile", kind: "FargateProfile", words: "Fargate profile", aliases: []string{"fp"}, namespaced: true,
			list: func() client.ObjectList { return &v1alpha1.FargateProfileList{} }, create: "naru create fargateprofile NAME --cluster CLUSTER --namespace NAMESPACE"},
		{plural: "machines", singular: "machine", kind: "Machine", words: "machine", namespaced: true,
			list: func() client.ObjectList { return &v1alpha1.MachineList{} }},
		{plural: "machineclasses", singular: "machineclass", kind: "MachineClass", words: "machine class", aliases: []string{"mc"},
			list: func() client.ObjectList { return &v1alpha1.MachineClassList{} }},
		{plural: "releases", singular: "release", kind: "Release", words: "release",
			list: func() client.ObjectList { return &v1alpha1.ReleaseList{} }, create: "naru release build"},
	}
}

type options struct {
	cluster, output string
	watch           bool
}

// New returns the command.
func New() *cobra.Command {
	command := &cobra.Command{
		Use:   "get",
		Short: "List clusters, connected clusters, node groups, Fargate profiles, machines, machine classes or releases",
		Example: `  naru get clusters
  naru get machines --cluster prod -o wide
  naru get cluster prod -o yaml`,
	}
	var subcommands []*cobra.Command
	for _, kind := range kinds() {
		subcommands = append(subcommands, newKind(kind))
	}
	return flags.Group(command, append(subcommands, newEvents())...)
}

func newKind(k kind) *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:     k.plural + " [NAME]",
		Aliases: append([]string{k.singular}, k.aliases...),
		Short:   "List " + k.words + "s",
		Args: func(command *cobra.Command, args []string) error {
			if len(args) > 1 {
				return explain.Usagef("one name is wanted, %d were given: %s", len(args), command.UseLine())
			}
			return nil
		},
		RunE: func(command *cobra.Command, args []string) error { return o.run(command, k, args) },
	}
	if k.namespaced {
		flags.OptionalCluster(command, &o.cluster, "only those of this cluster")
	}
	flags.Output(command, &o.output, string(printer.Table), printer.Formats...)
	command.Flags().BoolVarP(&o.watch, "watch", "w", false, "go on showing changes")
	command.ValidArgsFunction = func(command *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		return flags.InCluster(k.list())(command, args, typed)
	}
	return command
}

func (o *options) run(command *cobra.Command, k kind, args []string) error {
	format, err := flags.Format(o.output)
	if err != nil {
		return err
	}
	if o.watch && !format.IsTable() {
		return explain.Usagef("-w goes with -o table or wide: changes are rows")
	}
	session, err := flags.Open()
	if err != nil {
		return err
	}
	g := getter{session: session, kind: k, format: format, command: command, query: table.Query{Resource: k.plural}}
	if len(args) == 1 {
		g.query.Name = args[0]
	}
	ctx := command.Context()
	if o.cluster != "" {
		if _, err := session.Cluster(ctx, o.cluster); err != nil {
			return err
		}
		g.query.Namespace = v1alpha1.Namespace(o.cluster)
	}
	if !format.IsTable() {
		return g.objects(ctx)
	}
	return g.tables(ctx, o.watch)
}

type getter struct {
	session flags.Session
	kind    kind
	format  printer.Format
	command *cobra.Command
	query   table.Query
}

func (g *getter) objects(ctx context.Context) error {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(g.kind.kind + "List"))
	options := []client.ListOption{client.InNamespace(g.query.Namespace)}
	if g.query.Name != "" {
		options = append(options, client.MatchingFields{"metadata.name": g.query.Name})
	}
	if err := g.session.Client.List(ctx, list, options...); err != nil {
		return fmt.Errorf("listing %s: %w", g.query.Resource, err)
	}
	if len(list.Items) == 0 && g.query.Name != "" {
		return g.notFound(ctx)
	}
	return printer.Objects(g.command.OutOrStdout(), g.format, g.query.Name != "", list.Items)
}

func (g *getter) tables(ctx context.Context, follow bool) error {
	reader, err := table.NewReader(g.session.Config, v1alpha1.GroupVersion)
	if err != nil {
		return err
	}
	out := printer.NewTables(g.command.OutOrStdout(), g.format)
	rows, err := reader.List(ctx, g.query)
	if err != nil {
		return err
	}
	if len(rows.Rows) == 0 {
		if g.query.Name != "" {
			return g.notFound(ctx)
		}
		fmt.Fprintln(g.command.ErrOrStderr(), g.none())
	} else if err := out.Print(g.decorate(rows)); err != nil {
		return err
	}
	if !follow {
		return g.others(ctx, reader)
	}
	return g.follow(ctx, reader, out, rows.ResourceVersion)
}

// others prints the objects of the kind that is shown, too, where no one of them was named.
func (g *getter) others(ctx context.Context, reader *table.Reader) error {
	if g.kind.also == "" || g.query.Name != "" {
		return nil
	}
	rows, err := reader.List(ctx, table.Query{Resource: g.kind.also})
	if err != nil || len(rows.Rows) == 0 {
		return err
	}
	fmt.Fprintln(g.command.OutOrStdout())
	return printer.NewTables(g.command.OutOrStdout(), g.format).Print(rows)
}

// again is how long a watch that ended rests before the next one.
const again = 300 * time.Millisecond

// follow prints each change after a version, until the user ends it or, of a single object, the
// object is gone.
func (g *getter) follow(ctx context.Context, reader *table.Reader, out *printer.Tables, version string) error {
	gone := false
	show := func(event watch.EventType, changed *metav1.Table) error {
		if event == watch.Deleted {
			for _, row := range changed.Rows {
				if o, ok := row.Object.Object.(*metav1.PartialObjectMetadata); ok {
					fmt.Fprintf(g.command.ErrOrStderr(), "%s %q is gone\n", g.kind.words, o.Name)
				}
			}
			gone = true
			if g.query.Name != "" {
				return table.ErrStop
			}
			return nil
		}
		return out.Print(g.decorate(changed))
	}
	for {
		if err := reader.Watch(ctx, g.query, version, show); err != nil {
			return err
		}
		if gone && g.query.Name != "" {
			return nil // another one of this name may come, but that is not what was asked for
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(again):
		}
		rows, err := reader.List(ctx, g.query)
		if err != nil {
			return err
		}
		version = rows.ResourceVersion
	}
}

// decorate shows the cluster of objects of several clusters.
func (g *getter) decorate(rows *metav1.Table) *metav1.Table {
	if g.kind.namespaced && g.query.Namespace == "" {
		printer.AddColumn(rows, "Cluster", func(o *metav1.PartialObjectMetadata) string { return v1alpha1.ClusterOf(o.Namespace) })
	}
	return rows
}

func (g *getter) none() string {
	text := "There are no " + g.kind.words + "s."
	if g.kind.create != "" {
		text += fmt.Sprintf(" Make one with %q.", g.kind.create)
	}
	return text
}

func (g *getter) notFound(ctx context.Context) error {
	if _, err := g.session.Cluster(ctx, g.query.Name); g.kind.also != "" && backend.IsConnected(err) {
		return err
	}
	list := g.kind.list()
	if err := g.session.Client.List(ctx, list, client.InNamespace(g.query.Namespace)); err != nil {
		return fmt.Errorf("listing %s: %w", g.query.Resource, err)
	}
	names := flags.NamesOf(list)
	slices.Sort(names)
	return &backend.NotFoundError{Kind: g.kind.words, Name: g.query.Name, Next: strings.Join([]string{backend.Enumerate(names), fmt.Sprintf("(see %q)", "naru get "+g.kind.plural)}, " ")}
}
