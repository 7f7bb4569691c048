package fargate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/fargate"
	"naru.dev/naru/internal/kube/apply"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/kube/finalizer"
	"naru.dev/naru/internal/kube/tenant"
)

// finalize takes the profile out of force: first no pod is chosen any more, then its pods go, and with them their machines.
// Where the cluster itself goes, the machines alone are waited for.
func (c *Controller) finalize(ctx context.Context, s *scope) (reconcile.Result, error) {
	if !controllerutil.ContainsFinalizer(s.profile, v1alpha1.Finalizer) {
		return reconcile.Result{}, nil
	}
	left, err := c.remove(ctx, s)
	if err != nil {
		return reconcile.Result{}, err
	}
	if left != "" {
		conditions.False(s.profile, v1alpha1.FargateProfileReady, v1alpha1.ReasonDeleting, left)
		return reconcile.Result{RequeueAfter: soon}, nil
	}
	c.mu.Lock()
	delete(c.done, s.profile.UID)
	c.mu.Unlock()
	if err := finalizer.Remove(ctx, c.hosting, s.profile, v1alpha1.Finalizer); err != nil {
		return reconcile.Result{}, fmt.Errorf("letting go of Fargate profile %s: %w", s.profile.Name, err)
	}
	return reconcile.Result{}, nil
}

// remove says what is still there, or "".
func (c *Controller) remove(ctx context.Context, s *scope) (string, error) {
	machines := ""
	if s.machines > 0 {
		machines = fmt.Sprintf("%d machines are still there", s.machines)
	}
	if s.clusterGone() {
		return machines, nil
	}
	inside, err := c.tenants.Client(ctx, s.cluster.Name)
	if errors.Is(err, tenant.ErrNotReady) {
		return machines, nil
	} else if err != nil {
		return "", err
	}
	for _, step := range []func(context.Context, client.Client, *scope) (string, error){forgo, deletePods, deletePool} {
		if left, err := step(ctx, inside, s); left != "" || err != nil {
			return left, err
		}
	}
	if machines != "" {
		return machines, nil
	}
	return "", deleteOf(ctx, inside, nodeClassKind, s.profile.Name)
}

// forgo leaves the profile out of the cluster's policies, or takes those away with the last one, and looks whether that has
// come to pass: a pod that was chosen later would wait for ever.
func forgo(ctx context.Context, inside client.Client, s *scope) (string, error) {
	policies, err := fargate.Policies(s.staying)
	if err != nil {
		return "", err
	}
	if len(s.staying) > 0 {
		err = apply.Objects(ctx, inside, policies...)
	} else {
		slices.Reverse(policies)
		for _, policy := range policies {
			if err := inside.Delete(ctx, policy); client.IgnoreNotFound(err) != nil {
				return "", fmt.Errorf("deleting %s %s: %w", policy.GetKind(), policy.GetName(), err)
			}
		}
	}
	if err != nil {
		return "", err
	}
	if seen, err := shown(ctx, inside, s.profile); err != nil || seen {
		return "the cluster's API servers choose the profile's pods still", err
	}
	return "", nil
}

// deletePods deletes the pods that run by the profile, as EKS does, and waits for their end.
func deletePods(ctx context.Context, inside client.Client, s *scope) (string, error) {
	var pods corev1.PodList
	if err := inside.List(ctx, &pods, client.MatchingLabels{v1alpha1.LabelFargateProfile: s.profile.Name}); err != nil {
		return "", fmt.Errorf("listing the pods of Fargate profile %s: %w", s.profile.Name, err)
	}
	left := 0
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.Spec.NodeSelector[v1alpha1.LabelFargateProfile] != s.profile.Name {
			continue // it only says so
		}
		left++
		if !pod.DeletionTimestamp.IsZero() {
			continue
		}
		if err := inside.Delete(ctx, pod, client.Preconditions{UID: &pod.UID}); client.IgnoreNotFound(err) != nil {
			return "", fmt.Errorf("deleting pod %s: %w", client.ObjectKeyFromObject(pod), err)
		}
	}
	if left > 0 {
		return fmt.Sprintf("%d pods of the profile are still there", left), nil
	}
	return "", nil
}

// deletePool deletes the pool, and waits for its claims, whose nodes Karpenter drains.
func deletePool(ctx context.Context, inside client.Client, s *scope) (string, error) {
	if err := deleteOf(ctx, inside, nodePoolKind, s.profile.Name); err != nil {
		return "", err
	}
	for _, kind := range []schema.GroupVersionKind{nodePoolKind, nodeClaimKind} {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		err := inside.List(ctx, list, client.MatchingLabels{v1alpha1.LabelFargateProfile: s.profile.Name})
		if err != nil && !meta.IsNoMatchError(err) {
			return "", fmt.Errorf("listing %ss of Fargate profile %s: %w", kind.Kind, s.profile.Name, err)
		}
		if len(list.Items) > 0 {
			return fmt.Sprintf("%d %ss of the profile are still there", len(list.Items), kind.Kind), nil
		}
	}
	return "", nil
}

func deleteOf(ctx context.Context, inside client.Client, kind schema.GroupVersionKind, profile string) error {
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(kind)
	o.Name = poolName(profile)
	if err := inside.Delete(ctx, o); client.IgnoreNotFound(err) != nil && !meta.IsNoMatchError(err) {
		return fmt.Errorf("deleting %s %s: %w", kind.Kind, o.Name, err)
	}
	return nil
}
