package nodegroup

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpenter "sigs.k8s.io/karpenter/pkg/apis/v1"

	"naru.dev/naru/api/v1alpha1"
)

// lastDrain is the drainLimit of a cluster's last nodes. A PodDisruptionBudget waits for a replacement to run elsewhere, and
// there is no elsewhere: CoreDNS's own would hold the group back for all of the ordinary limit.
const lastDrain = time.Minute

// last tells whether the cluster has no group but the named one whose nodes could take its pods. It is pure.
func last(groups []v1alpha1.NodeGroup, name string) bool {
	for i := range groups {
		other := &groups[i]
		if other.Name == name || !other.DeletionTimestamp.IsZero() {
			continue
		}
		if size, fixed := other.Spec.Scaling.FixedSize(); !fixed && other.Spec.Scaling.Max > 0 || size > 0 {
			return false
		}
	}
	return true
}

// empties tells whether a group is to have no nodes.
func empties(group *v1alpha1.NodeGroup) bool {
	size, fixed := group.Spec.Scaling.FixedSize()
	return !group.DeletionTimestamp.IsZero() || fixed && size == 0
}

// hurry gives claims that are ending lastDrain instead of drainLimit.
func hurry(ctx context.Context, inside client.Client, claims []metav1.PartialObjectMetadata) error {
	for i := range claims {
		claim := &claims[i]
		at, sooner := deadline(claim)
		if !sooner {
			continue
		}
		stored := claim.DeepCopy()
		metav1.SetMetaDataAnnotation(&claim.ObjectMeta, karpenter.NodeClaimTerminationTimestampAnnotationKey, at)
		if err := inside.Patch(ctx, claim, client.MergeFrom(stored)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("hurrying NodeClaim %s: %w", claim.Name, err)
		}
	}
	return nil
}

// deadline is when the node of an ending claim goes at the latest, and whether that is sooner than what the claim says. Pods that
// still resist are deleted early enough before it to have their own grace periods. It is pure.
func deadline(claim metav1.Object) (at string, sooner bool) {
	begun := claim.GetDeletionTimestamp()
	if begun.IsZero() {
		return "", false
	}
	end := begun.Add(lastDrain)
	said, err := time.Parse(time.RFC3339, claim.GetAnnotations()[karpenter.NodeClaimTerminationTimestampAnnotationKey])
	return end.UTC().Format(time.RFC3339), err != nil || end.Before(said)
}
