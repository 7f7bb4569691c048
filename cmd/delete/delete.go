// Package delete is `naru delete`.
package delete

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/explain"
	"naru.dev/naru/internal/kubeconfig"
	"naru.dev/naru/internal/progress"
	"naru.dev/naru/internal/rollout"
)

// New returns the command.
func New() *cobra.Command {
	return flags.Group(&cobra.Command{
		Use:   "delete",
		Short: "Delete a cluster, a node group or a Fargate profile",
	}, newCluster(), newNodeGroup(), newFargateProfile())
}

func newCluster() *cobra.Command {
	var yes bool
	var wait flags.Wait
	command := &cobra.Command{
		Use:   "cluster NAME",
		Short: "Delete a cluster with its nodes, volumes and data",
		Long: `Deletes a cluster with everything in it: nodes, volumes and all data. On a terminal it asks for
the cluster's name; elsewhere --yes is needed. Its entries leave the kubeconfig.`,
		Args: flags.OneName("cluster"),
		RunE: func(command *cobra.Command, args []string) error {
			name := args[0]
			session, err := flags.Open()
			if err != nil {
				return err
			}
			ctx, cancel := wait.Context(command.Context())
			defer cancel()
			cluster, err := session.Cluster(ctx, name)
			if err != nil {
				return err
			}
			if err := backend.Deletable(cluster); err != nil {
				return err
			}
			if !yes {
				if err := confirm(ctx, command.InOrStdin(), command.ErrOrStderr(), name); err != nil {
					return err
				}
			}
			return deleteCluster(ctx, command.OutOrStdout(), session.Backend, name, wait.Wanted())
		},
	}
	command.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	wait.Register(command, true, 5*time.Minute)
	command.ValidArgsFunction = flags.Clusters
	return command
}

// confirm has the user type the name. Errors: a usage error where nobody can be asked or the name
// is another; ctx's when it ends first.
func confirm(ctx context.Context, in io.Reader, out io.Writer, name string) error {
	if file, ok := in.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		return explain.Usagef("deleting cluster %q needs --yes, as there is no terminal to ask on", name)
	}
	fmt.Fprintf(out, "This deletes cluster %q with its nodes, volumes and all data.\nType its name to go on: ", name)
	typed := make(chan string, 1)
	go func() {
		// An error leaves what was typed before it, which is then not the name.
		line, _ := bufio.NewReader(in).ReadString('\n')
		typed <- strings.TrimSpace(line)
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(out)
		return ctx.Err()
	case answer := <-typed:
		if answer != name {
			return explain.Usagef("that is not %q: nothing was deleted", name)
		}
		return nil
	}
}

func deleteCluster(ctx context.Context, w io.Writer, b *backend.Backend, name string, wait bool) error {
	if err := b.DeleteCluster(ctx, name); err != nil {
		return err
	}
	path := kubeconfig.DefaultPath()
	removed, err := kubeconfig.Remove(ctx, path, name)
	if err != nil {
		return fmt.Errorf("cluster %q is being deleted, but its entries stay in the kubeconfig: %w", name, err)
	}
	if removed {
		fmt.Fprintf(w, "context %q removed from %s\n", name, path)
	}
	if !wait {
		fmt.Fprintf(w, "cluster %q is being deleted: watch it with \"naru get cluster %s -w\"\n", name, name)
		return nil
	}
	p := progress.ForStderr()
	defer p.Close()
	shown := rollout.NewDeletion(p, "cluster "+name)
	err = b.AwaitClusterGone(ctx, name, func(c *v1alpha1.Cluster) { shown.Observe(c) })
	shown.End(err)
	if err != nil {
		return err
	}
	p.Close()
	fmt.Fprintf(w, "cluster %q is deleted\n", name)
	return nil
}

func newNodeGroup() *cobra.Command {
	var cluster string
	var wait flags.Wait
	command := &cobra.Command{
		Use:     "nodegroup NAME --cluster CLUSTER",
		Aliases: []string{"nodegroups", "ng"},
		Short:   "Delete a node group: its nodes are drained, then their machines go",
		Args:    flags.OneName("node group"),
		RunE: func(command *cobra.Command, args []string) error {
			name := args[0]
			session, err := flags.Open()
			if err != nil {
				return err
			}
			ctx, cancel := wait.Context(command.Context())
			defer cancel()
			if err := session.DeleteNodeGroup(ctx, cluster, name); err != nil {
				return err
			}
			if !wait.Wanted() {
				fmt.Fprintf(command.OutOrStdout(), "node group %q is being deleted: watch it with \"naru get nodegroups --cluster %s -w\"\n", name, cluster)
				return nil
			}
			p := progress.ForStderr()
			defer p.Close()
			shown := rollout.NewDeletion(p, "node group "+name)
			err = session.AwaitNodeGroupGone(ctx, cluster, name, func(g *v1alpha1.NodeGroup) { shown.Observe(g) })
			shown.End(err)
			if err != nil {
				return err
			}
			p.Close()
			fmt.Fprintf(command.OutOrStdout(), "node group %q of cluster %q is deleted\n", name, cluster)
			return nil
		},
	}
	flags.Cluster(command, &cluster)
	command.Flags().BoolP("yes", "y", false, "accepted for symmetry: a node group is deleted without asking")
	wait.Register(command, true, 5*time.Minute)
	command.ValidArgsFunction = flags.InCluster(&v1alpha1.NodeGroupList{})
	return command
}
