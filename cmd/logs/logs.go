// Package logs is `naru logs`.
package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/explain"
	"naru.dev/naru/internal/iam/authenticator"
	"naru.dev/naru/internal/logs"
	"naru.dev/naru/internal/platform"
	"naru.dev/naru/internal/standalone/layout"
)

// Values of naru.dev/component and of the label app that have logs to show.
const (
	componentNode      = "node"
	componentServer    = "kube-apiserver"
	appLabel           = "app"
	controllerLabel    = "naru-controller"
	serverLabel        = "naru-server"
	authenticatorLabel = "naru-authenticator"
	registryLabel      = "registry"
	logSuffix          = ".log"
)

// componentAudit is not a component but the audit log, which API servers write beside their own.
const componentAudit = "audit"

// componentAuthenticator is what one of Naru's own parts, which all clusters share, has written down of a cluster.
const componentAuthenticator = "authenticator"

type options struct {
	follow bool
	tail   int64
	wanted func(line string) bool
}

// New returns the command.
func New() *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:   "logs {controller | server | authenticator | registry | daemon | HOST/PROCESS | cluster NAME [COMPONENT]}",
		Short: "Print logs of Naru's parts and of control planes",
		Example: `  naru logs cluster prod kube-apiserver -f
  naru logs controller --tail 50
  naru logs host-1/kubelet`,
		Args: func(command *cobra.Command, args []string) error {
			if len(args) == 0 {
				return explain.Usagef("say whose logs: %s", command.UseLine())
			}
			if len(args) > 1 {
				return explain.Usagef("%q is one argument too many: %s", args[1], command.UseLine())
			}
			return nil
		},
		RunE:              func(command *cobra.Command, args []string) error { return o.part(command, args[0]) },
		ValidArgsFunction: completeParts,
	}
	set := command.PersistentFlags()
	set.BoolVarP(&o.follow, "follow", "f", false, "go on printing what is written")
	set.Int64Var(&o.tail, "tail", 200, "how many lines of the past to print of each log; -1: all")
	command.AddCommand(newCluster(&o))
	return command
}

func (o *options) logs() logs.Options {
	return logs.Options{Follow: o.follow, Tail: o.tail, Wanted: o.wanted}
}

func newCluster(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "cluster NAME [COMPONENT]",
		Short: "Print the logs of a cluster's control plane",
		Long: "Print the logs of a cluster's control plane. COMPONENT audit is the audit log, one JSON object a line, where it is enabled " +
			"(spec.controlPlane.apiServer.auditLog, or logging of type audit in the EKS API): API servers write it between the lines of " +
			"their own log, so that --tail counts both. COMPONENT authenticator is whose tokens of the EKS API came to the cluster, and what " +
			"was decided, in the same way (spec.controlPlane.authenticatorLog, logging of type authenticator); --tail counts the lines of all clusters.",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(command *cobra.Command, args []string) error {
			session, err := flags.Open()
			if err != nil {
				return err
			}
			if _, err := session.Cluster(command.Context(), args[0]); err != nil {
				return err
			}
			component := ""
			if len(args) == 2 {
				component = args[1]
			}
			return o.component(command, session, args[0], component)
		},
		ValidArgsFunction: completeComponents,
	}
}

func (o *options) component(command *cobra.Command, session flags.Session, cluster, component string) error {
	if component == componentAuthenticator {
		o.wanted = logs.BeginsWith(authenticator.RecordsOf(cluster))
		return o.system(command, authenticatorLabel)
	}
	pods := &corev1.PodList{}
	if err := session.Client.List(command.Context(), pods, client.InNamespace(v1alpha1.Namespace(cluster)), client.HasLabels{v1alpha1.LabelComponent}); err != nil {
		return fmt.Errorf("listing the pods of cluster %q: %w", cluster, err)
	}
	switch component {
	case componentAudit:
		component, o.wanted = componentServer, logs.Audit
	case componentServer:
		o.wanted = logs.NotAudit
	}
	wanted := slices.DeleteFunc(slices.Clone(pods.Items), func(pod corev1.Pod) bool {
		if component == "" {
			return pod.Labels[v1alpha1.LabelComponent] == componentNode
		}
		return pod.Labels[v1alpha1.LabelComponent] != component
	})
	if len(wanted) == 0 {
		return &backend.NotFoundError{Kind: "component", Name: component, Next: "in cluster " + cluster + " " + backend.Enumerate(components(pods.Items))}
	}
	return o.pods(command, session, wanted)
}

func (o *options) pods(command *cobra.Command, session flags.Session, pods []corev1.Pod) error {
	clients, err := kubernetes.NewForConfig(session.Config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	return logs.Pods(command.Context(), clients, command.OutOrStdout(), pods, o.logs())
}

func components(pods []corev1.Pod) []string {
	var names []string
	for _, pod := range pods {
		names = append(names, pod.Labels[v1alpha1.LabelComponent])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// part prints the log of one of Naru's own parts.
func (o *options) part(command *cobra.Command, name string) error {
	state, err := layout.FindState("")
	if err != nil {
		return err
	}
	host, process, isProcess := strings.Cut(name, "/")
	switch {
	case name == "controller":
		return o.system(command, controllerLabel)
	case name == "server":
		return o.system(command, serverLabel)
	case name == "authenticator":
		return o.system(command, authenticatorLabel)
	case name == "registry":
		return o.system(command, registryLabel)
	case name == "daemon":
		return o.file(command, state.DaemonLog())
	case isProcess:
		return o.process(command, state.Host(host), host, process)
	}
	return explain.Usagef("%q has no logs: choose controller, server, authenticator, registry, daemon, HOST/PROCESS (as host-1/kubelet) or cluster NAME", name)
}

func (o *options) system(command *cobra.Command, app string) error {
	session, err := flags.Open()
	if err != nil {
		return err
	}
	pods := &corev1.PodList{}
	if err := session.Client.List(command.Context(), pods, client.InNamespace(v1alpha1.SystemNamespace), client.MatchingLabels{appLabel: app}); err != nil {
		return fmt.Errorf("listing pods of %s: %w", app, err)
	}
	if len(pods.Items) == 0 {
		return fmt.Errorf("%s has no pod: look at \"naru status\"", app)
	}
	return o.pods(command, session, pods.Items)
}

func (o *options) process(command *cobra.Command, dir layout.HostDir, host, process string) error {
	processes, err := processLogs(dir)
	if err != nil {
		return &backend.NotFoundError{Kind: "host", Name: host, Next: "hosts are named host-1, host-2 …"}
	}
	if !slices.Contains(processes, process) {
		return &backend.NotFoundError{Kind: "process", Name: process, Next: "of " + host + " " + backend.Enumerate(processes)}
	}
	return o.file(command, processLog(dir, process))
}

func (o *options) file(command *cobra.Command, path string) error {
	if _, err := os.Stat(path); os.IsNotExist(err) {
		return &platform.NotRunningError{Err: err}
	} else if os.IsPermission(err) {
		return &platform.NoAccessError{Path: path, Err: err}
	}
	return logs.File(command.Context(), command.OutOrStdout(), path, o.logs())
}

// logFolder is where PID 1 of a node writes its processes' logs, below the host's /var/log.
const logFolder = "naru"

func processLog(dir layout.HostDir, process string) string {
	return filepath.Join(dir.Logs(), logFolder, process+logSuffix)
}

func processLogs(dir layout.HostDir) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir.Logs(), logFolder))
	if err != nil {
		return nil, fmt.Errorf("listing logs: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if name, ok := strings.CutSuffix(entry.Name(), logSuffix); ok {
			names = append(names, name)
		}
	}
	return names, nil
}

func completeParts(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := []string{"controller", "server", "registry", "daemon"}
	if state, err := layout.FindState(""); err == nil {
		for _, host := range layout.Hosts(layout.MaxHosts) {
			processes, err := processLogs(state.Host(host.Name()))
			if err != nil {
				continue
			}
			for _, process := range processes {
				names = append(names, host.Name()+"/"+process)
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func completeComponents(command *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return flags.Clusters(command, args, typed)
	}
	session, err := flags.Open()
	if err != nil || len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	pods := &corev1.PodList{}
	if err := session.Client.List(command.Context(), pods, client.InNamespace(v1alpha1.Namespace(args[0])), client.HasLabels{v1alpha1.LabelComponent}); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return components(pods.Items), cobra.ShellCompDirectiveNoFileComp
}
