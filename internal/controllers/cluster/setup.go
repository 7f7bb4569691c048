package cluster

import (
	"context"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/addon"
	"naru.dev/naru/internal/kube/tenantwatch"
)

const (
	// workers is how many clusters are worked on at the same time.
	workers = 8
	// An attempt that failed is repeated soon, as most of what fails is about to be there.
	firstRetry, lastRetry = 100 * time.Millisecond, 10 * time.Second
)

// SetupWithManager adds the controller to a manager. watches wakes it when an add-on's Deployment in a managed cluster changes.
func (c *Controller) SetupWithManager(manager ctrl.Manager, watches *tenantwatch.Watches) error {
	owner := handler.EnqueueRequestsFromMapFunc(ofNamespace)
	return ctrl.NewControllerManagedBy(manager).
		Named("cluster").
		For(&v1alpha1.Cluster{}).
		Watches(&appsv1.StatefulSet{}, owner).
		Watches(&appsv1.Deployment{}, owner).
		Watches(&appsv1.DaemonSet{}, owner).
		Watches(&corev1.Service{}, owner).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(c.ofSecret)).
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
			return requestFor(o.GetName())
		})).
		Watches(&v1alpha1.Release{}, handler.EnqueueRequestsFromMapFunc(c.all)).
		WatchesRawSource(watches.Source(tenantwatch.SystemDeployments(), ofAddon)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		}).
		Complete(c)
}

// ofAddon wakes by Deployments of add-ons whose wish or state has changed.
func ofAddon(cluster string, old, object client.Object) []reconcile.Request {
	if !slices.ContainsFunc(addon.All(), func(a addon.Addon) bool { return a.Deployment == object.GetName() }) {
		return nil
	}
	before, updated := old.(*appsv1.Deployment)
	after, ok := object.(*appsv1.Deployment)
	if ok && updated && before.Generation == after.Generation && equality.Semantic.DeepEqual(before.Status, after.Status) {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: cluster}}}
}

func ofNamespace(_ context.Context, object client.Object) []reconcile.Request {
	return requestFor(object.GetNamespace())
}

// ofSecret passes over the Secrets of machines, which are many and none of the control plane's. The authenticator's authority
// signs certificates of all clusters.
func (c *Controller) ofSecret(ctx context.Context, object client.Object) []reconcile.Request {
	if object.GetNamespace() == v1alpha1.SystemNamespace && object.GetName() == v1alpha1.SecretAuthenticatorCA {
		return c.all(ctx, object)
	}
	if object.GetLabels()[v1alpha1.LabelComponent] != "pki" {
		return nil
	}
	return requestFor(object.GetNamespace())
}

func requestFor(namespace string) []reconcile.Request {
	name := v1alpha1.ClusterOf(namespace)
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: name}}}
}

// all reads the cache only, which does not fail once it is filled.
func (c *Controller) all(ctx context.Context, _ client.Object) []reconcile.Request {
	clusters := &v1alpha1.ClusterList{}
	if err := c.client.List(ctx, clusters); err != nil {
		return nil
	}
	var requests []reconcile.Request
	for i := range clusters.Items {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Name: clusters.Items[i].Name}})
	}
	return requests
}
