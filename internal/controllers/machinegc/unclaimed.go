package machinegc

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
)

// unclaimed says why a Machine that was made ahead is not waited for any longer, or "".
func (c *Controller) unclaimed(ctx context.Context, machine *v1alpha1.Machine, cluster *v1alpha1.Cluster) (string, error) {
	var group v1alpha1.NodeGroup
	err := c.hosting.Get(ctx, client.ObjectKey{Namespace: machine.Namespace, Name: machine.Spec.NodeGroup}, &group)
	if apierrors.IsNotFound(err) {
		return overdue(nil, cluster, c.clock.Now()), nil
	} else if err != nil {
		return "", fmt.Errorf("reading node group %s: %w", machine.Spec.NodeGroup, err)
	}
	return overdue(&group, cluster, c.clock.Now()), nil
}

// overdue is pure; group is nil where it does not exist.
func overdue(group *v1alpha1.NodeGroup, cluster *v1alpha1.Cluster, now time.Time) string {
	if group == nil || !group.DeletionTimestamp.IsZero() {
		return "its node group goes, and it serves no NodeClaim"
	}
	ready := conditions.Get(cluster, v1alpha1.ClusterBootstrapped)
	if conditions.IsTrue(cluster, v1alpha1.ClusterBootstrapped) && now.Sub(ready.LastTransitionTime.Time) > unclaimedLimit {
		return fmt.Sprintf("no NodeClaim came for it within %s", unclaimedLimit)
	}
	return ""
}
