// Package kubeconfig is `naru kubeconfig`.
package kubeconfig

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/eks/connected"
	"naru.dev/naru/internal/explain"
	"naru.dev/naru/internal/kubeconfig"
	"naru.dev/naru/internal/platform"
	"naru.dev/naru/internal/standalone/layout"
)

// hostingContext is what the hosting cluster is called in a kubeconfig.
const hostingContext = "naru-hosting"

type options struct {
	hosting               bool
	output, file, profile string
}

// New returns the command.
func New() *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:   "kubeconfig {CLUSTER | --hosting}",
		Short: "Give kubectl access to a cluster",
		Long: `Merges the access to a cluster, as its administrator, into the kubeconfig, as a context of the cluster's
name, and makes it the current one. What else is in the file stays. Of a connected cluster it is the access of whoever uses it, by
tokens of the EKS API that "naru token" signs with AWS's settings: the cluster's own rules say what that user may do there.`,
		Example: `  naru kubeconfig prod
  naru kubeconfig prod -o - > prod.kubeconfig
  naru kubeconfig --hosting -o -`,
		Args: func(command *cobra.Command, args []string) error {
			if o.hosting {
				return flags.NoArgs(command, args)
			}
			return flags.OneName("cluster")(command, args)
		},
		RunE:              o.run,
		ValidArgsFunction: flags.Clusters,
	}
	set := command.Flags()
	set.BoolVar(&o.hosting, "hosting", false, "the hosting cluster's, which Naru's own pods run in")
	set.StringVarP(&o.output, "output", "o", "", "- prints it instead of merging it")
	set.StringVar(&o.profile, "profile", "", "of a connected cluster: the profile of AWS's settings that signs (default $AWS_PROFILE, when it is used)")
	set.StringVar(&o.file, "file", "", "the file to merge it into (default $KUBECONFIG or ~/.kube/config)")
	return command
}

func (o *options) run(command *cobra.Command, args []string) error {
	if o.output != "" && o.output != "-" {
		return explain.Usagef("-o %q can't be: -o - prints the kubeconfig, --file %s merges it into a file", o.output, o.output)
	}
	name := hostingContext
	if !o.hosting {
		name = args[0]
	}
	raw, err := o.read(command, name)
	if err != nil {
		return err
	}
	config, err := kubeconfig.Rename(raw, name)
	if err != nil {
		return err
	}
	if o.output == "-" {
		data, err := clientcmd.Write(*config)
		if err != nil {
			return fmt.Errorf("encoding a kubeconfig: %w", err)
		}
		_, err = command.OutOrStdout().Write(data)
		return err
	}
	path := o.file
	if path == "" {
		path = kubeconfig.DefaultPath()
	}
	if err := kubeconfig.Merge(command.Context(), path, config); err != nil {
		return err
	}
	fmt.Fprintf(command.ErrOrStderr(), "context %q is in %s and is the current one\n", name, path)
	return nil
}

func (o *options) read(command *cobra.Command, cluster string) ([]byte, error) {
	session, err := flags.Open()
	if err != nil {
		return nil, err
	}
	if o.hosting {
		return platform.HostingKubeconfig(session.State)
	}
	object, err := session.Cluster(command.Context(), cluster)
	if backend.IsConnected(err) {
		return o.connected(command.Context(), session, cluster)
	}
	if err != nil {
		return nil, err
	}
	return session.Kubeconfig(command.Context(), object)
}

// connected is the way to a connected cluster, through naru server.
func (o *options) connected(ctx context.Context, session flags.Session, cluster string) ([]byte, error) {
	ca, err := session.ServerCA(ctx)
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding naru itself, which signs the tokens: %w", err)
	}
	signs := &api.ExecConfig{APIVersion: "client.authentication.k8s.io/v1", Command: program, Args: []string{"token", "--cluster", cluster}, InteractiveMode: api.NeverExecInteractiveMode}
	if o.profile != "" {
		signs.Args = append(signs.Args, "--profile", o.profile)
	}
	config := api.NewConfig()
	config.Clusters[cluster] = &api.Cluster{Server: fmt.Sprintf("https://127.0.0.1:%d%s%s", layout.ServerPort, connected.Root, cluster), CertificateAuthorityData: ca}
	config.AuthInfos[cluster] = &api.AuthInfo{Exec: signs}
	config.Contexts[cluster] = &api.Context{Cluster: cluster, AuthInfo: cluster}
	config.CurrentContext = cluster
	return clientcmd.Write(*config)
}
