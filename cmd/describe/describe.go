// Package describe is `naru describe`.
package describe

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/describe"
	"naru.dev/naru/internal/explain"
)

// New returns the command.
func New() *cobra.Command {
	return flags.Group(&cobra.Command{
		Use:   "describe",
		Short: "Tell everything about a cluster, a node group or a machine",
	}, newCluster(), newNodeGroup(), newMachine())
}

func describer(session flags.Session) *describe.Describer {
	return &describe.Describer{Client: session.Client, Now: time.Now}
}

func newCluster() *cobra.Command {
	return &cobra.Command{
		Use:     "cluster NAME",
		Aliases: []string{"clusters"},
		Short:   "Tell a cluster's conditions, endpoint, control plane, node groups, machines and recent events",
		Args:    flags.OneName("cluster"),
		RunE: func(command *cobra.Command, args []string) error {
			session, err := flags.Open()
			if err != nil {
				return err
			}
			cluster, err := session.Cluster(command.Context(), args[0])
			if backend.IsConnected(err) {
				connected, err := session.ConnectedCluster(command.Context(), args[0])
				if err != nil {
					return err
				}
				return describer(session).ConnectedCluster(command.OutOrStdout(), connected)
			}
			if err != nil {
				return err
			}
			return describer(session).Cluster(command.Context(), command.OutOrStdout(), cluster)
		},
		ValidArgsFunction: flags.Clusters,
	}
}

func newNodeGroup() *cobra.Command {
	return newMember(member{
		use: "nodegroup NAME", aliases: []string{"nodegroups", "ng"}, words: "node group", plural: "nodegroups",
		list: &v1alpha1.NodeGroupList{},
		write: func(ctx context.Context, w io.Writer, s flags.Session, key client.ObjectKey) error {
			group := &v1alpha1.NodeGroup{}
			if err := s.Client.Get(ctx, key, group); err != nil {
				return fmt.Errorf("reading node group: %w", err)
			}
			return describer(s).NodeGroup(ctx, w, group)
		},
	})
}

func newMachine() *cobra.Command {
	return newMember(member{
		use: "machine NAME", aliases: []string{"machines"}, words: "machine", plural: "machines",
		list: &v1alpha1.MachineList{},
		write: func(ctx context.Context, w io.Writer, s flags.Session, key client.ObjectKey) error {
			machine := &v1alpha1.Machine{}
			if err := s.Client.Get(ctx, key, machine); err != nil {
				return fmt.Errorf("reading machine: %w", err)
			}
			return describer(s).Machine(ctx, w, machine)
		},
	})
}

// member is a kind whose objects belong to a cluster.
type member struct {
	use, words, plural string
	aliases            []string
	list               client.ObjectList
	write              func(context.Context, io.Writer, flags.Session, client.ObjectKey) error
}

func newMember(m member) *cobra.Command {
	var cluster string
	command := &cobra.Command{
		Use:     m.use,
		Aliases: m.aliases,
		Short:   "Tell a " + m.words + "'s conditions and recent events",
		Args:    flags.OneName(m.words),
		RunE: func(command *cobra.Command, args []string) error {
			session, err := flags.Open()
			if err != nil {
				return err
			}
			key, err := m.find(command.Context(), session, cluster, args[0])
			if err != nil {
				return err
			}
			return m.write(command.Context(), command.OutOrStdout(), session, key)
		},
		ValidArgsFunction: flags.InCluster(m.list),
	}
	flags.OptionalCluster(command, &cluster, "the cluster that it belongs to; needed where several have one of this name")
	return command
}

// find looks for an object by name, in one cluster or in all.
func (m member) find(ctx context.Context, session flags.Session, cluster, name string) (client.ObjectKey, error) {
	var options []client.ListOption
	if cluster != "" {
		if _, err := session.Cluster(ctx, cluster); err != nil {
			return client.ObjectKey{}, err
		}
		options = append(options, client.InNamespace(v1alpha1.Namespace(cluster)))
	}
	if err := session.Client.List(ctx, m.list, options...); err != nil {
		return client.ObjectKey{}, fmt.Errorf("listing %s: %w", m.plural, err)
	}
	keys := flags.KeysOf(m.list)
	found := slices.DeleteFunc(slices.Clone(keys), func(key client.ObjectKey) bool { return key.Name != name })
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return client.ObjectKey{}, &backend.NotFoundError{Kind: m.words, Name: name, Next: backend.Enumerate(flags.NamesOf(m.list)) + fmt.Sprintf(" (see %q)", "naru get "+m.plural)}
	}
	return client.ObjectKey{}, explain.Usagef("several clusters have a %s %q: say which with --cluster", m.words, name)
}
