package cluster

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/karpenter"
	"naru.dev/naru/internal/kube/conditions"
)

// finalize takes a cluster away: first who would make machines, then node groups, Fargate profiles and machines, then the namespace
// with the control plane, its volumes and Secrets.
func (c *Controller) finalize(ctx context.Context, cluster *v1alpha1.Cluster) (reconcile.Result, error) {
	if !controllerutil.ContainsFinalizer(cluster, v1alpha1.Finalizer) {
		return reconcile.Result{}, nil
	}
	if cluster.Spec.DeletionProtection {
		// The admission policy refuses such a deletion; protection was switched on after it, or the policy is gone.
		deleting(cluster, "deletionProtection is true: set it to false to let the deletion go on")
		return reconcile.Result{}, nil
	}
	remaining, err := c.removeMachines(ctx, v1alpha1.Namespace(cluster.Name))
	if err != nil {
		deleting(cluster, err.Error())
		return reconcile.Result{}, err
	}
	if remaining != "" {
		deleting(cluster, remaining)
		return reconcile.Result{RequeueAfter: time.Second}, nil
	}
	gone, err := c.removeNamespace(ctx, v1alpha1.Namespace(cluster.Name))
	if err != nil {
		deleting(cluster, err.Error())
		return reconcile.Result{}, err
	}
	if !gone {
		deleting(cluster, "the control plane is being removed")
		return reconcile.Result{RequeueAfter: time.Second}, nil
	}
	c.forget(cluster.Name)
	c.tenants.Forget(cluster.Name)
	c.keeper.Forget(v1alpha1.Namespace(cluster.Name))
	c.renderer.Forget(v1alpha1.Namespace(cluster.Name))
	stored := cluster.DeepCopy()
	controllerutil.RemoveFinalizer(cluster, v1alpha1.Finalizer)
	if err := c.client.Patch(ctx, cluster, client.MergeFrom(stored)); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("removing the finalizer: %w", err)
	}
	return reconcile.Result{}, nil
}

func deleting(cluster *v1alpha1.Cluster, message string) {
	conditions.False(cluster, v1alpha1.ClusterReady, v1alpha1.ReasonDeleting, message)
}

// removeMachines deletes what makes machines, and the machines, and says what is still there.
func (c *Controller) removeMachines(ctx context.Context, namespace string) (remaining string, err error) {
	autoscaler := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: karpenter.Name}}
	if err := c.client.Delete(ctx, autoscaler, client.PropagationPolicy(metav1.DeletePropagationBackground)); client.IgnoreNotFound(err) != nil {
		return "", fmt.Errorf("deleting the autoscaler: %w", err)
	}
	groups := &v1alpha1.NodeGroupList{}
	if err := c.live.List(ctx, groups, client.InNamespace(namespace)); err != nil {
		return "", fmt.Errorf("listing node groups: %w", err)
	}
	machines := &v1alpha1.MachineList{}
	if err := c.live.List(ctx, machines, client.InNamespace(namespace)); err != nil {
		return "", fmt.Errorf("listing machines: %w", err)
	}
	profiles := &v1alpha1.FargateProfileList{}
	if err := c.live.List(ctx, profiles, client.InNamespace(namespace)); err != nil {
		return "", fmt.Errorf("listing Fargate profiles: %w", err)
	}
	for _, kind := range []client.Object{&v1alpha1.NodeGroup{}, &v1alpha1.FargateProfile{}, &v1alpha1.Machine{}} {
		if err := c.client.DeleteAllOf(ctx, kind, client.InNamespace(namespace)); client.IgnoreNotFound(err) != nil {
			return "", fmt.Errorf("deleting node groups, Fargate profiles and machines: %w", err)
		}
	}
	if p := len(profiles.Items); p > 0 {
		return fmt.Sprintf("%d machines, %d node groups and %d Fargate profiles are being removed", len(machines.Items), len(groups.Items), p), nil
	}
	if n, m := len(groups.Items), len(machines.Items); n+m > 0 {
		return fmt.Sprintf("%d machines and %d node groups are being removed", m, n), nil
	}
	return "", nil
}

func (c *Controller) removeNamespace(ctx context.Context, name string) (gone bool, err error) {
	namespace := &corev1.Namespace{}
	if err := c.live.Get(ctx, client.ObjectKey{Name: name}, namespace); apierrors.IsNotFound(err) {
		return true, nil
	} else if err != nil {
		return false, fmt.Errorf("reading the namespace: %w", err)
	}
	if !namespace.DeletionTimestamp.IsZero() {
		// There is nobody left to drain for: the servers need not wait for their clients.
		if err := c.client.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(name), client.GracePeriodSeconds(1)); client.IgnoreNotFound(err) != nil {
			return false, fmt.Errorf("ending the control plane's pods: %w", err)
		}
		return false, nil
	}
	if err := c.client.Delete(ctx, namespace); client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("deleting the namespace: %w", err)
	}
	return false, nil
}
