// Package agent is the command `naru agent`.
package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"naru.dev/naru/internal/node/agent"
	"naru.dev/naru/internal/node/agent/overlay"
	"naru.dev/naru/internal/node/agent/policy"
	"naru.dev/naru/internal/node/podidentity"
	"naru.dev/naru/internal/node/volumes"
)

// defaultHealthPort is free beside kube-proxy (10249, 10256), the kubelet
// (10248, 10250) and the control plane (10257, 10259).
const defaultHealthPort = 10247

type flags struct {
	kubeconfig, node, backend, cluster, services, cniDir, ownNode, volumes, certificate string
	healthPort                                                                          int
	verbose                                                                             bool
}

// NewAgentCommand returns the command that PID 1 of each node supervises.
func NewAgentCommand() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Run this node's network and volumes, and give its pods their roles",
		Long: `Runs on every node, started by "naru node". It writes the CNI configuration, routes pod
traffic to and from other nodes, masquerades what leaves the cluster and enforces NetworkPolicy.
It makes and deletes the volumes of storage class "local" that are on this node. Where it is told the
node's certificate, it gives pods the credentials of their IAM roles, at http://169.254.170.23.`,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := f.config()
			if err != nil {
				return err
			}
			return run(cmd.Context(), config, f)
		},
	}
	set := cmd.Flags()
	set.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig of user "+agent.UserName+"; waited for when it does not exist yet")
	set.StringVar(&f.node, "node-name", "", "name of this node's Node object")
	set.StringVar(&f.backend, "backend", string(overlay.BackendVXLAN), "how pods reach other nodes: vxlan, or host-gw when nodes share a layer 2 network")
	set.StringVar(&f.cluster, "cluster-cidr", "", "IPv4 range of all pods")
	set.StringVar(&f.services, "service-cidr", "", "IPv4 range of Services")
	set.StringVar(&f.cniDir, "cni-conf-dir", "/etc/cni/net.d", "directory for the CNI configuration")
	set.StringVar(&f.ownNode, "own-node-egress", string(policy.OwnNodeAllow),
		"pods' traffic to their own node: allow always, as Kubernetes documents, or judge by egress policy")
	set.StringVar(&f.volumes, "volumes", string(volumes.Folders), "what new local volumes are: folders, or disks, which hold no more than is asked for")
	set.StringVar(&f.certificate, "pod-roles-certificate", "", "the kubelet's client certificate and key, by which pods' roles are asked for; empty: pods get none")
	set.IntVar(&f.healthPort, "health-port", defaultHealthPort, "port of /healthz on 127.0.0.1; 0 for none")
	set.BoolVarP(&f.verbose, "verbose", "v", false, "log every programmed change")
	for _, name := range []string{"kubeconfig", "node-name", "cluster-cidr", "service-cidr"} {
		cobra.CheckErr(cmd.MarkFlagRequired(name))
	}
	return cmd
}

func (f flags) config() (agent.Config, error) {
	config := agent.Config{
		Node: f.node, Backend: overlay.Backend(f.backend), CNIDir: f.cniDir, OwnNode: policy.OwnNode(f.ownNode),
	}
	if config.Backend != overlay.BackendVXLAN && config.Backend != overlay.BackendHostGateway {
		return config, fmt.Errorf("--backend %q is not known; use %s or %s", f.backend, overlay.BackendVXLAN, overlay.BackendHostGateway)
	}
	if config.OwnNode != policy.OwnNodeAllow && config.OwnNode != policy.OwnNodePolicy {
		return config, fmt.Errorf("--own-node-egress %q is not known; use %s or %s", f.ownNode, policy.OwnNodeAllow, policy.OwnNodePolicy)
	}
	if form := volumes.Form(f.volumes); form != volumes.Folders && form != volumes.Disks {
		return config, fmt.Errorf("--volumes %q is not known; use %s or %s", f.volumes, volumes.Folders, volumes.Disks)
	}
	var err error
	if config.Cluster, err = parseRange("cluster-cidr", f.cluster); err != nil {
		return config, err
	}
	config.Services, err = parseRange("service-cidr", f.services)
	return config, err
}

func parseRange(flag, value string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(value)
	if err != nil || !p.Addr().Is4() {
		return netip.Prefix{}, fmt.Errorf("--%s %q is not an IPv4 range; write it like 10.244.0.0/16", flag, value)
	}
	return p.Masked(), nil
}

func run(ctx context.Context, config agent.Config, f flags) error {
	level := slog.LevelInfo
	if f.verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	client, err := agent.Connect(ctx, f.kubeconfig, log)
	if err != nil {
		if ctx.Err() != nil {
			return nil // Stopped before there was a cluster.
		}
		return err
	}
	a, err := agent.New(config, client, log)
	if err != nil {
		return err
	}
	if f.healthPort != 0 {
		stop, err := serve(f.healthPort, a.Health())
		if err != nil {
			return err
		}
		defer stop()
	}
	running, cancel := context.WithCancel(ctx)
	var local sync.WaitGroup
	local.Go(func() { volumes.Run(running, client, config.Node, volumes.Form(f.volumes), log) })
	if f.certificate != "" {
		local.Go(func() { podidentity.Run(running, client, f.certificate, log) })
	}
	defer local.Wait()
	defer cancel() // before it is waited for, also where the network has failed
	return a.Run(running)
}

func serve(port int, handler http.Handler) (stop func(), err error) {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for health checks (--health-port): %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	// Serve's error is ErrServerClosed: the listener fails only when closed.
	go func() { _ = server.Serve(listener) }()
	return func() { _ = server.Close() }, nil
}
