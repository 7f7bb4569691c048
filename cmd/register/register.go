// Package register is `naru register`.
package register

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/connector"
	"naru.dev/naru/internal/explain"
	"naru.dev/naru/internal/iam/access"
	"naru.dev/naru/internal/standalone/layout"
)

type options struct {
	provider, answer, server, image string
	viewers                         []string
}

// New returns the command.
func New() *cobra.Command {
	return flags.Group(&cobra.Command{
		Use:   "register",
		Short: "Register a cluster that is not Naru's, so that it is seen through Naru",
	}, newCluster())
}

func newCluster() *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:   "cluster NAME",
		Short: "Register a cluster, and print the manifest of the agent that connects it",
		Long: `Registers a Kubernetes cluster that somebody else runs, and prints the manifest of the agent that connects it. Apply that to the
cluster within three days; it holds the activation code, which is told once. The agent dials out, and the cluster needs no way in.
Of a cluster that was registered by RegisterCluster of the EKS API, the manifest is printed with --answer.
To let users look at the cluster with "naru kubeconfig NAME", name them with --viewer: they get its role "view".`,
		Example: `  naru register cluster shop --provider GKE --viewer arn:aws:iam::111122223333:user/alice > connector.yaml
  kubectl --context shop apply -f connector.yaml
  aws eks register-cluster --name shop --connector-config roleArn=…,provider=GKE > answer.json
  naru register cluster shop --answer answer.json | kubectl --context shop apply -f -`,
		Args: flags.OneName("cluster"),
		RunE: func(command *cobra.Command, args []string) error { return o.run(command, args[0]) },
	}
	set := command.Flags()
	set.StringVar(&o.provider, "provider", "OTHER", "who runs the cluster: EKS_ANYWHERE, ANTHOS, GKE, AKS, OPENSHIFT, TANZU, RANCHER, EC2 or OTHER")
	set.StringSliceVar(&o.viewers, "viewer", nil, "ARN of a user or role who may look at the cluster through Naru")
	set.StringVar(&o.answer, "answer", "", "file with the answer of RegisterCluster; -: standard input. Nothing is registered then")
	set.StringVar(&o.server, "server", "https://"+layout.PodRolesAddress, "where the cluster reaches naru server's port for nodes; Naru listens on 127.0.0.1 and for its own clusters only, so that another cluster needs a way that you make")
	set.StringVar(&o.image, "image", "", "image of naru, as the cluster pulls it (default: the one in Naru's registry)")
	command.MarkFlagsMutuallyExclusive("provider", "answer")
	cobra.CheckErr(command.RegisterFlagCompletionFunc("provider", cobra.FixedCompletions(backend.Providers(), cobra.ShellCompDirectiveNoFileComp)))
	command.ValidArgsFunction = cobra.NoFileCompletions
	return command
}

func (o *options) run(command *cobra.Command, name string) error {
	if server, err := url.Parse(o.server); err != nil || server.Scheme != "https" || server.Host == "" {
		return explain.Usagef("--server %q can't be: it is a URL as https://192.0.2.1", o.server)
	}
	for _, viewer := range o.viewers {
		if _, _, err := access.PrincipalName(viewer); err != nil {
			return explain.Usagef("--viewer: %v (\"naru whoami\" prints yours)", err)
		}
	}
	session, err := flags.Open()
	if err != nil {
		return err
	}
	server, err := session.ConnectorServer(command.Context())
	if err != nil {
		return err
	}
	manifest := connector.Manifest{Cluster: name, Image: server.Image, CA: server.CA, Server: o.server, ServerName: layout.PodRolesAddress, Viewers: o.viewers}
	if o.image != "" {
		manifest.Image = o.image
	}
	expires := "the activation expires three days after the registration"
	if o.answer != "" {
		manifest.Activation, err = o.registered(command.InOrStdin(), name)
	} else {
		cluster := backend.NewConnectedCluster(name, o.provider, "")
		manifest.Activation.Code, err = session.RegisterCluster(command.Context(), cluster, time.Now())
		manifest.Activation.ID = cluster.Spec.Activation.ID
		expires = "the activation expires at " + cluster.Spec.Activation.Expires.UTC().Format(time.RFC3339)
	}
	if err != nil {
		return err
	}
	text, err := manifest.Render()
	if err != nil {
		return err
	}
	fmt.Fprint(command.OutOrStdout(), text)
	fmt.Fprintf(command.ErrOrStderr(), "Apply the manifest to the cluster; %s. Then look at it with \"naru describe cluster %s\".\n", expires, name)
	return nil
}

// maxAnswer is more than an answer of RegisterCluster has.
const maxAnswer = 1 << 20

// registered reads the activation out of an answer of RegisterCluster.
func (o *options) registered(in io.Reader, name string) (connector.Activation, error) {
	if o.answer != "-" {
		file, err := os.Open(o.answer)
		if err != nil {
			return connector.Activation{}, fmt.Errorf("reading the answer of RegisterCluster: %w", err)
		}
		defer file.Close()
		in = file
	}
	var answer struct {
		Cluster struct {
			Name   string               `json:"name"`
			Config connector.Activation `json:"connectorConfig"`
		} `json:"cluster"`
	}
	text, err := io.ReadAll(io.LimitReader(in, maxAnswer))
	if err != nil {
		return connector.Activation{}, fmt.Errorf("reading the answer of RegisterCluster: %w", err)
	}
	err = json.Unmarshal(text, &answer)
	shown := answer.Cluster.Config
	switch {
	case err != nil || shown.ID == "" || shown.Code == "":
		return shown, explain.Usagef("--answer: it is no answer of RegisterCluster, as \"aws eks register-cluster --output json\" prints: it has no connectorConfig with activationId and activationCode")
	case answer.Cluster.Name != name:
		return shown, explain.Usagef("--answer: it is of cluster %q, not %q", answer.Cluster.Name, name)
	}
	return shown, nil
}
