package machine

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
)

// ahead tells whether the machine starts before its cluster can be asked anything. It is so only until the machine is given
// to a NodeClaim, which takes a cluster that answers: from then on one that does not is down, and not new.
func (s *scope) ahead() bool {
	return !s.machine.Claimed() && !s.clusterGone() && !conditions.IsTrue(s.cluster, v1alpha1.ClusterBootstrapped)
}

// aheadOf wakes the machines that were made ahead when their cluster changes: it may have begun to answer. It reads the cache
// only, which does not fail once it is filled.
func (c *Controller) aheadOf(ctx context.Context, cluster client.Object) []reconcile.Request {
	var machines v1alpha1.MachineList
	if err := c.hosting.List(ctx, &machines, client.InNamespace(v1alpha1.Namespace(cluster.GetName()))); err != nil {
		return nil
	}
	var requests []reconcile.Request
	for i := range machines.Items {
		if !machines.Items[i].Claimed() {
			requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: machines.Items[i].Namespace, Name: machines.Items[i].Name}})
		}
	}
	return requests
}
