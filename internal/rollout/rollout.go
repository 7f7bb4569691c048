// Package rollout shows how clusters and node groups come up, change and go: their conditions
// as steps of a progress.
package rollout

import (
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/progress"
)

// phase is a condition of a cluster and what it is called on the screen.
type phase struct{ condition, name string }

// phases are in the order in which they become true.
var phases = []phase{
	{v1alpha1.ClusterEndpointReady, "endpoint"},
	{v1alpha1.ClusterPKIReady, "certificates"},
	{v1alpha1.ClusterEtcdReady, "etcd"},
	{v1alpha1.ClusterControlPlaneReady, "control plane"},
	{v1alpha1.ClusterBootstrapped, "add-ons"},
}

// Cluster shows the phases of one cluster.
type Cluster struct {
	root  *progress.Step
	steps map[string]*progress.Step
}

// NewCluster begins a step for a cluster.
func NewCluster(p *progress.Progress, name string) *Cluster {
	return &Cluster{root: p.Step("cluster " + name), steps: map[string]*progress.Step{}}
}

// Observe shows what the cluster says of itself. A phase begins when those before it are done.
func (c *Cluster) Observe(cluster *v1alpha1.Cluster) {
	waiting := false
	for _, phase := range phases {
		condition := conditions.Get(cluster, phase.condition)
		done := backend.ReadyFor(cluster, phase.condition)
		if !done && waiting {
			continue
		}
		step := c.steps[phase.condition]
		if step == nil {
			step = c.root.Step(phase.name)
			c.steps[phase.condition] = step
		}
		switch {
		case done:
			step.Done(result(phase, cluster))
		case condition != nil && condition.Status != metav1.ConditionTrue:
			step.Detail(condition.Message)
		}
		waiting = waiting || !done
	}
}

func result(phase phase, cluster *v1alpha1.Cluster) string {
	switch phase.condition {
	case v1alpha1.ClusterEndpointReady:
		return fmt.Sprintf("https://127.0.0.1:%d", cluster.Status.Endpoint.Port)
	case v1alpha1.ClusterControlPlaneReady:
		return cluster.Status.Version
	}
	return ""
}

// End ends the cluster's step.
func (c *Cluster) End(err error) { c.root.End("", short(err)) }

// NodeGroup shows one node group.
type NodeGroup struct {
	root *progress.Step
	last string
}

// NewNodeGroup begins a step for a node group.
func NewNodeGroup(p *progress.Progress, name string) *NodeGroup {
	return &NodeGroup{root: p.Step("node group " + name)}
}

// Observe shows what the group says of itself.
func (g *NodeGroup) Observe(group *v1alpha1.NodeGroup) {
	g.last = fmt.Sprintf("%d nodes", group.Status.ReadyNodes)
	if group.Status.ReadyNodes == 1 {
		g.last = "1 node"
	}
	detail := backend.NodesMissing(group)
	if synced := conditions.Get(group, v1alpha1.NodeGroupSynced); synced != nil && synced.Status != metav1.ConditionTrue {
		detail = synced.Message
	}
	g.root.Detail(detail)
}

// End ends the group's step.
func (g *NodeGroup) End(err error) { g.root.End(g.last, short(err)) }

// FargateProfile shows one Fargate profile.
type FargateProfile struct{ root *progress.Step }

// NewFargateProfile begins a step for a Fargate profile.
func NewFargateProfile(p *progress.Progress, name string) *FargateProfile {
	return &FargateProfile{root: p.Step("Fargate profile " + name)}
}

// Observe shows what the profile says of itself.
func (f *FargateProfile) Observe(profile *v1alpha1.FargateProfile) {
	if ready := conditions.Get(profile, v1alpha1.FargateProfileReady); ready != nil && ready.Status != metav1.ConditionTrue {
		f.root.Detail(ready.Message)
	}
}

// End ends the profile's step.
func (f *FargateProfile) End(err error) { f.root.End("", short(err)) }

// Deletion shows an object that is going.
type Deletion struct{ root *progress.Step }

// NewDeletion begins a step for an object that is being deleted.
func NewDeletion(p *progress.Progress, what string) *Deletion {
	return &Deletion{root: p.Step("deleting " + what)}
}

// Observe shows what is still there.
func (d *Deletion) Observe(o conditions.Owner) {
	if ready := conditions.Get(o, v1alpha1.ClusterReady); ready != nil && ready.Reason == v1alpha1.ReasonDeleting {
		d.root.Detail(ready.Message)
	}
}

// End ends the deletion's step.
func (d *Deletion) End(err error) { d.root.End("", short(err)) }

// short is err as it fits behind a step: the whole of it is printed when the command ends.
func short(err error) error {
	var wait *backend.WaitError
	if errors.As(err, &wait) {
		return errors.New(wait.Outcome())
	}
	return err
}
