package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
)

// keptRevisions is how many revisions a cluster keeps beside the active one: as many as a Deployment does by default.
const keptRevisions = 10

// prune deletes the revisions of a cluster that are too old to be kept.
func (c *Controller) prune(ctx context.Context, s *scope) error {
	revisions := &v1alpha1.ClusterRevisionList{}
	of := []client.ListOption{client.InNamespace(s.render.Namespace), client.MatchingLabels{v1alpha1.LabelCluster: s.cluster.Name}}
	if err := c.client.List(ctx, revisions, of...); err != nil {
		return fmt.Errorf("listing revisions: %w", err)
	}
	for _, revision := range surplus(revisions.Items, s.cluster.Status.Revision, keptRevisions) {
		if err := c.client.Delete(ctx, &revision); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting revision %s: %w", revision.Name, err)
		}
	}
	return nil
}

// surplus returns the revisions that are to go: all but the active one and the newest keep of the others.
func surplus(revisions []v1alpha1.ClusterRevision, active string, keep int) []v1alpha1.ClusterRevision {
	others := slices.DeleteFunc(slices.Clone(revisions), func(r v1alpha1.ClusterRevision) bool {
		return r.Name == active || !r.DeletionTimestamp.IsZero()
	})
	slices.SortFunc(others, func(a, b v1alpha1.ClusterRevision) int {
		return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return others[min(keep, len(others)):]
}
