// Package tenantwatch starts the watches of a cluster once its API is up, and stops them when it is deleted.
package tenantwatch

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/kube/tenant"
	"naru.dev/naru/internal/kube/tenantwatch"
)

// renew is how often renewed credentials are looked for. They are renewed long before their end.
const renew = 10 * time.Minute

// Controller keeps clusters watched.
type Controller struct {
	client  client.Client
	watches *tenantwatch.Watches
}

// NewController returns a controller that starts and stops watches.
func NewController(client client.Client, watches *tenantwatch.Watches) *Controller {
	return &Controller{client: client, watches: watches}
}

// SetupWithManager adds the controller to a manager.
func (c *Controller) SetupWithManager(manager ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(manager).Named("tenantwatch").For(&v1alpha1.Cluster{}).Complete(c)
}

// Reconcile starts, renews or stops the watches of one cluster.
func (c *Controller) Reconcile(ctx context.Context, request ctrl.Request) (reconcile.Result, error) {
	var cluster v1alpha1.Cluster
	if err := c.client.Get(ctx, request.NamespacedName, &cluster); apierrors.IsNotFound(err) {
		c.watches.Forget(request.Name)
		return reconcile.Result{}, nil
	} else if err != nil {
		return reconcile.Result{}, err
	}
	if !cluster.DeletionTimestamp.IsZero() {
		c.watches.Forget(cluster.Name)
		return reconcile.Result{}, nil
	}
	// Karpenter's kinds are there from then on; a cluster whose API is down for a while stays watched.
	if !conditions.IsTrue(&cluster, v1alpha1.ClusterBootstrapped) {
		return reconcile.Result{}, nil
	}
	if err := c.watches.Ensure(ctx, cluster.Name); errors.Is(err, tenant.ErrNotReady) {
		return reconcile.Result{RequeueAfter: time.Second}, nil
	} else if err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: renew}, nil
}
