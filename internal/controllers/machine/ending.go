package machine

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpenter "sigs.k8s.io/karpenter/pkg/apis/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/kube/finalizer"
	"naru.dev/naru/internal/machines"
)

const (
	// ReasonMachineGone is the reason of the Ready condition of a node whose machine does not exist any more.
	ReasonMachineGone = "MachineGone"
	// endingCheck is for the part of an ending that has no event: a lost host's pod that passes its grace period.
	endingCheck = 5 * time.Second
)

// giveUp lets go of a machine that has ended by itself. Its NodeClaim goes at once, so that Karpenter makes another
// while the rest of this one is still being tidied up.
func (c *Controller) giveUp(ctx context.Context, s *scope) error {
	message := "the machine has disappeared"
	if s.seen != nil {
		message = s.seen.Message
	}
	log.FromContext(ctx).Info("giving up a machine that has ended", "because", message)
	for _, condition := range []string{v1alpha1.MachineProvisioned, v1alpha1.MachineReady} {
		conditions.False(s.machine, condition, v1alpha1.ReasonFailed, message+"; it is being replaced")
	}
	if s.inside != nil {
		if err := c.deleteClaim(ctx, s); err != nil {
			return err
		}
	}
	if err := c.hosting.Delete(ctx, s.machine.DeepCopy(), client.Preconditions{UID: &s.machine.UID}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting machine %s: %w", s.machine.Name, err)
	}
	return nil
}

// finalize ends the machine and removes what is left of it in its cluster; the Machine itself goes last, because
// a Machine that does not exist is what tells Karpenter that nothing is left.
func (c *Controller) finalize(ctx context.Context, s *scope) (reconcile.Result, error) {
	if !controllerutil.ContainsFinalizer(s.machine, v1alpha1.Finalizer) {
		return reconcile.Result{}, nil
	}
	if err := c.driver.Delete(ctx, machines.KeyOf(s.machine)); err == nil {
		return reconcile.Result{RequeueAfter: endingCheck}, nil
	} else if !machines.IsNotFound(err) {
		return reconcile.Result{}, fmt.Errorf("ending machine %s: %w", s.machine.Name, err)
	}
	if s.inside != nil {
		for _, tidy := range []func(context.Context, *scope) error{c.markNode, deletePods, c.deleteClaim, deleteNode} {
			if err := tidy(ctx, s); err != nil {
				return reconcile.Result{}, err
			}
		}
	}
	if err := finalizer.Remove(ctx, c.hosting, s.machine, v1alpha1.Finalizer); err != nil {
		return reconcile.Result{}, fmt.Errorf("letting go of machine %s: %w", s.machine.Name, err)
	}
	return reconcile.Result{}, nil
}

// markNode says of a node whose machine is gone that it is not ready. Its last word was that it is, and Karpenter
// would wait for the controller manager to doubt that before it lets the Node go.
func (c *Controller) markNode(ctx context.Context, s *scope) error {
	if s.node == nil || !nodeReady(s.node) {
		return nil
	}
	stored := s.node.DeepCopy()
	now := metav1.NewTime(c.clock.Now())
	for i := range s.node.Status.Conditions {
		if condition := &s.node.Status.Conditions[i]; condition.Type == corev1.NodeReady {
			condition.Status, condition.Reason, condition.Message = corev1.ConditionFalse, ReasonMachineGone, "the machine does not exist any more"
			condition.LastTransitionTime = now
		}
	}
	if err := s.inside.Status().Patch(ctx, s.node, client.StrategicMergeFrom(stored)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("marking node %s: %w", s.node.Name, err)
	}
	return nil
}

// deletePods deletes the pods of a machine that is gone, without waiting for a kubelet that nobody runs: they have
// certainly ended, and what replaces a StatefulSet's pod must not wait for a minute of doubt.
func deletePods(ctx context.Context, s *scope) error {
	if s.node == nil {
		return nil
	}
	var pods corev1.PodList
	if err := s.inside.List(ctx, &pods, client.MatchingFields{"spec.nodeName": s.machine.Name}); err != nil {
		return fmt.Errorf("listing pods of %s: %w", s.machine.Name, err)
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		err := s.inside.Delete(ctx, pod, client.GracePeriodSeconds(0), client.Preconditions{UID: &pod.UID})
		if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
			return fmt.Errorf("deleting pod %s of lost machine: %w", client.ObjectKeyFromObject(pod), err)
		}
	}
	return nil
}

func deleteNode(ctx context.Context, s *scope) error {
	if s.node == nil {
		return nil
	}
	if err := s.inside.Delete(ctx, s.node, client.Preconditions{UID: &s.node.UID}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting node %s: %w", s.node.Name, err)
	}
	return nil
}

// deleteClaim deletes the NodeClaim that the machine served, if it is still that one.
func (c *Controller) deleteClaim(ctx context.Context, s *scope) error {
	if !s.machine.Claimed() {
		return nil
	}
	claim := &metav1.PartialObjectMetadata{}
	claim.SetGroupVersionKind(schema.GroupVersionKind{Group: "karpenter.sh", Version: "v1", Kind: "NodeClaim"})
	err := s.inside.Get(ctx, client.ObjectKey{Name: s.machine.Spec.Claim.Name}, claim)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) || err == nil && claim.UID != s.machine.Spec.Claim.UID {
		return nil
	} else if err != nil {
		return fmt.Errorf("reading NodeClaim %s: %w", s.machine.Spec.Claim.Name, err)
	}
	stored := claim.DeepCopy()
	// From then on Karpenter does not wait for pods to leave in order; its own node repair sets it to now, too.
	metav1.SetMetaDataAnnotation(&claim.ObjectMeta, karpenter.NodeClaimTerminationTimestampAnnotationKey, c.clock.Now().UTC().Format(time.RFC3339))
	if claim.DeletionTimestamp.IsZero() || stored.Annotations[karpenter.NodeClaimTerminationTimestampAnnotationKey] == "" {
		if err := s.inside.Patch(ctx, claim, client.MergeFrom(stored)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("annotating NodeClaim %s: %w", claim.Name, err)
		}
	}
	if !claim.DeletionTimestamp.IsZero() {
		return nil
	}
	if err := s.inside.Delete(ctx, claim, client.Preconditions{UID: &claim.UID}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting NodeClaim %s: %w", claim.Name, err)
	}
	return nil
}
