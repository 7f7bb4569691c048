// Package agent is the network of one node: the CNI configuration, routes to
// the pods of other nodes, masquerading, and NetworkPolicy. It runs as one
// supervised process on each node of hosting and tenant clusters.
//
//	informers ──nodes──────────────────────────► network loop: forwarding, routes,
//	    │                                          masquerade, then CNI configuration
//	    └──pods, namespaces, network policies──► policy loop: compile, apply
//
// What it programmed stays in the kernel while it is not running.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/vishvananda/netns"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"

	"naru.dev/naru/internal/node/agent/loop"
	"naru.dev/naru/internal/node/agent/overlay"
	"naru.dev/naru/internal/node/agent/policy"
)

// Config is what the agent of one node needs to know.
type Config struct {
	// Node is the name of the Node object.
	Node    string
	Backend overlay.Backend
	// Cluster and Services are the IPv4 ranges of the cluster's pods and Services.
	Cluster, Services netip.Prefix
	// CNIDir is where containerd looks for network configurations.
	CNIDir string
	// OwnNode says whether egress policies judge traffic to the pod's own node.
	OwnNode policy.OwnNode
}

// Agent keeps one node's network as the API server's objects say.
type Agent struct {
	config    Config
	log       *slog.Logger
	namespace *netns.NsHandle
	sources   sources
	network   *loop.Loop
	policy    *loop.Loop
	// isolated is closed once policies were programmed for the first time.
	isolated  chan struct{}
	firstSync sync.Once
}

// Option changes how an agent is run.
type Option func(*Agent)

// InNamespace makes the agent program this network namespace, not the process's own.
func InNamespace(ns netns.NsHandle) Option { return func(a *Agent) { a.namespace = &ns } }

// New returns an agent that reads through client; it does nothing before Run.
func New(config Config, client kubernetes.Interface, log *slog.Logger, options ...Option) (*Agent, error) {
	a := &Agent{config: config, log: log, isolated: make(chan struct{})}
	for _, o := range options {
		o(a)
	}
	a.network = loop.New(loop.Options{
		Debounce: 10 * time.Millisecond, Resync: 30 * time.Second, Retry: time.Second, Report: a.report("network"),
	}, a.syncNetwork)
	enforcer := &enforcer{agent: a}
	a.policy = loop.New(loop.Options{
		Debounce: 100 * time.Millisecond, Resync: 30 * time.Second, Retry: time.Second, Report: a.report("policy"),
	}, enforcer.sync)
	sources, err := newSources(informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(trim)),
		a.network.Trigger, a.policy.Trigger)
	if err != nil {
		return nil, err
	}
	a.sources = sources
	return a, nil
}

// Run works until the context ends; then everything programmed stays.
func (a *Agent) Run(ctx context.Context) error {
	a.sources.start(ctx)
	var running sync.WaitGroup
	failures := make(chan error, 2)
	for _, l := range []*loop.Loop{a.network, a.policy} {
		running.Go(func() { failures <- a.enter(func() { l.Run(ctx) }) })
	}
	running.Wait()
	a.sources.stop()
	return errors.Join(<-failures, <-failures)
}

// enter runs work with its thread in the agent's network namespace. The thread
// stays locked, so that it ends with its goroutine and nothing else gets it.
func (a *Agent) enter(work func()) error {
	if a.namespace != nil {
		runtime.LockOSThread()
		if err := netns.Set(*a.namespace); err != nil {
			return fmt.Errorf("entering the network namespace: %w", err)
		}
	}
	work()
	return nil
}

func (a *Agent) report(what string) func(error) {
	return func(err error) {
		if err != nil {
			a.log.Error("sync fails", "loop", what, "error", err)
			return
		}
		a.log.Info("sync succeeds again", "loop", what)
	}
}
