package agent

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/knftables"

	"naru.dev/naru/internal/node/agent/cniconf"
	"naru.dev/naru/internal/node/agent/masquerade"
	"naru.dev/naru/internal/node/agent/overlay"
	"naru.dev/naru/internal/node/agent/policy"
)

// syncNetwork programs the node's connection to the others. The CNI
// configuration, which lets pods start, comes last, and only when policies are
// enforced.
func (a *Agent) syncNetwork(ctx context.Context) error {
	if err := await(ctx, a.sources.nodesSynced); err != nil {
		return err
	}
	nodes, err := a.sources.nodes.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	plan, err := overlay.NewPlan(a.config.Node, a.config.Backend, a.config.Cluster, nodes)
	if err != nil {
		return err
	}
	if err := enableForwarding(); err != nil {
		return err
	}
	mtu, err := overlay.Program(plan)
	if err != nil {
		return err
	}
	nft, err := knftables.New(knftables.IPv4Family, masquerade.Table)
	if err != nil {
		return fmt.Errorf("starting nft: %w", err)
	}
	if err := masquerade.Apply(ctx, nft, plan.Self.Pods, []netip.Prefix{a.config.Cluster, a.config.Services}); err != nil {
		return err
	}
	select {
	case <-a.isolated:
		return a.writeCNI(plan, mtu)
	default:
		return nil // The first policy sync triggers another run.
	}
}

func (a *Agent) writeCNI(plan overlay.Plan, mtu int) error {
	content, err := cniconf.Render(plan.Self.Pods, mtu)
	if err != nil {
		return err
	}
	wrote, err := cniconf.Write(a.config.CNIDir, content)
	if err != nil {
		return err
	}
	if wrote {
		a.log.Info("wrote CNI configuration", "pods", plan.Self.Pods, "mtu", mtu, "address", plan.Self.IP)
	}
	return nil
}

// enableForwarding acts on the calling thread's network namespace.
func enableForwarding() error {
	const path = "/proc/sys/net/ipv4/ip_forward"
	have, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading whether IPv4 is forwarded: %w", err)
	}
	if strings.TrimSpace(string(have)) == "1" {
		return nil
	}
	if err := os.WriteFile(path, []byte("1"), 0); err != nil {
		return fmt.Errorf("enabling IPv4 forwarding: %w", err)
	}
	return nil
}

// verifyEvery is how often the policy table is compared with what it should be.
const verifyEvery = 30 * time.Second

// enforcer is the state of the policy loop.
type enforcer struct {
	agent    *Agent
	applier  *policy.Applier
	verified time.Time
}

func (e *enforcer) sync(ctx context.Context) error {
	if err := await(ctx, e.agent.sources.allSynced); err != nil {
		return err
	}
	input, err := e.agent.policyInput()
	if err != nil {
		return err
	}
	if e.applier == nil {
		// Made here, since nft must be run on this loop's thread.
		nft, err := knftables.New(knftables.IPv4Family, policy.Table)
		if err != nil {
			return fmt.Errorf("starting nft: %w", err)
		}
		e.applier = policy.NewApplier(nft)
	}
	if time.Since(e.verified) > verifyEvery {
		if err := e.applier.Verify(ctx); err != nil {
			return err
		}
		e.verified = time.Now()
	}
	operations, err := e.applier.Apply(ctx, policy.Compile(input))
	if err != nil {
		return err
	}
	e.agent.log.Debug("programmed policies", "operations", operations)
	e.agent.firstSync.Do(func() {
		close(e.agent.isolated)
		e.agent.network.Trigger()
	})
	return nil
}

func (a *Agent) policyInput() (policy.Input, error) {
	in := policy.Input{Node: a.config.Node, OwnNode: a.config.OwnNode}
	var err error
	if in.Policies, err = a.sources.policies.List(labels.Everything()); err != nil {
		return in, fmt.Errorf("listing network policies: %w", err)
	}
	if in.Pods, err = a.sources.pods.List(labels.Everything()); err != nil {
		return in, fmt.Errorf("listing pods: %w", err)
	}
	if in.Namespaces, err = a.sources.namespaces.List(labels.Everything()); err != nil {
		return in, fmt.Errorf("listing namespaces: %w", err)
	}
	return in, nil
}
