package describe

import (
	"fmt"
	"io"
	"time"

	"naru.dev/naru/api/v1alpha1"
)

// ConnectedCluster writes what there is to know of a connected cluster.
func (d *Describer) ConnectedCluster(w io.Writer, cluster *v1alpha1.ConnectedCluster) error {
	p := newPage(w)
	p.field("Name", cluster.Name)
	p.field("Registered", d.age(cluster.CreationTimestamp)+" ago")
	d.deleting(p, cluster)
	p.field("Provider", cluster.Spec.Provider)
	p.field("Activation", d.activation(cluster))
	p.field("Version", orNone(cluster.Status.Version))
	p.field("Nodes", fmt.Sprintf("%d ready, %d in all", cluster.Status.ReadyNodes, cluster.Status.Nodes))
	d.conditions(p, cluster.Status.Conditions)
	return p.flush()
}

func (d *Describer) activation(cluster *v1alpha1.ConnectedCluster) string {
	expires := cluster.Spec.Activation.Expires
	switch {
	case cluster.Status.AgentKey != "":
		return "used"
	case !d.Now().Before(expires.Time):
		return "expired: deregister the cluster, and register it again"
	}
	return "waits for the agent until " + expires.UTC().Format(time.RFC3339)
}
