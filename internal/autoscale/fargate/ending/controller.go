// Package ending deletes the machine of a pod on Fargate that is gone. Karpenter itself deletes one whose pod is done, a little
// later, so that the pod can be looked at.
package ending

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpenter "sigs.k8s.io/karpenter/pkg/apis/v1"

	"naru.dev/naru/api/v1alpha1"
)

// Controller reconciles NodeClaims that are for one pod.
type Controller struct{ tenant client.Client }

// NewController returns a controller of NodeClaims in tenant, whose reads are Karpenter's: the cache that is asked for a pod
// is the one that Karpenter saw it in before it made a claim for it, so that a pod which is not there has been deleted.
func NewController(tenant client.Client) *Controller { return &Controller{tenant: tenant} }

// Register adds the controller to a manager of the tenant.
func (c *Controller) Register(_ context.Context, m manager.Manager) error {
	return ctrl.NewControllerManagedBy(m).
		Named("fargate.ending").
		For(&karpenter.NodeClaim{}, builder.WithPredicates(predicate.NewPredicateFuncs(func(o client.Object) bool {
			return o.GetLabels()[v1alpha1.LabelFargatePod] != ""
		}))).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(c.claims), builder.WithPredicates(predicate.NewPredicateFuncs(onFargate))).
		Complete(reconcile.AsReconciler(m.GetClient(), c))
}

func onFargate(o client.Object) bool {
	pod, ok := o.(*corev1.Pod)
	return ok && pod.Spec.NodeSelector[v1alpha1.LabelFargatePod] != ""
}

// claims are those of a pod. It reads the cache only.
func (c *Controller) claims(ctx context.Context, pod client.Object) []reconcile.Request {
	var claims karpenter.NodeClaimList
	if err := c.tenant.List(ctx, &claims, client.MatchingLabels{v1alpha1.LabelFargatePod: string(pod.GetUID())}); err != nil {
		return nil
	}
	var requests []reconcile.Request
	for i := range claims.Items {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Name: claims.Items[i].Name}})
	}
	return requests
}

// Reconcile deletes the claim when its pod is gone.
func (c *Controller) Reconcile(ctx context.Context, claim *karpenter.NodeClaim) (reconcile.Result, error) {
	if !claim.DeletionTimestamp.IsZero() || claim.Labels[v1alpha1.LabelFargatePod] == "" {
		return reconcile.Result{}, nil
	}
	var pods corev1.PodList
	// They are only looked at, and there may be many.
	if err := c.tenant.List(ctx, &pods, client.UnsafeDisableDeepCopy); err != nil {
		return reconcile.Result{}, fmt.Errorf("listing pods: %w", err)
	}
	if has(pods.Items, claim.Labels[v1alpha1.LabelFargatePod]) {
		return reconcile.Result{}, nil
	}
	log.FromContext(ctx).Info("deleting the machine of a pod on Fargate that is gone")
	if err := c.tenant.Delete(ctx, claim, client.Preconditions{UID: &claim.UID}); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("deleting NodeClaim %s: %w", claim.Name, err)
	}
	return reconcile.Result{}, nil
}

// has tells whether a pod of that UID is among pods. Pods are not found by label: users can change those.
func has(pods []corev1.Pod, uid string) bool {
	for i := range pods {
		if string(pods[i].UID) == uid {
			return true
		}
	}
	return false
}
