// Package observation observes now and then what tells whether a cluster can take another version: which deprecated APIs were
// requested from its API servers, and which kubelets there are. What follows from that is for others to say.
package observation

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/kube/tenant"
)

const (
	// period is how old an observation may become.
	period = 10 * time.Minute
	// soon is for a cluster that is about to answer.
	soon = 5 * time.Second
	// settled is how long a cluster is ready before it is observed for the first time without being asked for: what has just
	// started has better use for the processors, and nothing to tell.
	settled = 30 * time.Second
	// limit is how long one observation may take.
	limit = 15 * time.Second
	// namedNodes is how many nodes of a kubelet's version are named.
	namedNodes = 10
)

// Controller observes Clusters.
type Controller struct {
	hosting client.Client
	tenants *tenant.Clients
	clock   clock.PassiveClock
}

// NewController returns a controller that works with the manager's client.
func NewController(hosting client.Client, tenants *tenant.Clients, clock clock.PassiveClock) *Controller {
	return &Controller{hosting: hosting, tenants: tenants, clock: clock}
}

// SetupWithManager adds the controller to a manager.
func (c *Controller) SetupWithManager(manager ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(manager).Named("observation").For(&v1alpha1.Cluster{}).Complete(c)
}

// Reconcile observes one cluster where its last observation is old, or another was asked for.
func (c *Controller) Reconcile(ctx context.Context, request ctrl.Request) (reconcile.Result, error) {
	cluster := &v1alpha1.Cluster{}
	if err := c.hosting.Get(ctx, request.NamespacedName, cluster); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if !cluster.DeletionTimestamp.IsZero() || !conditions.IsTrue(cluster, v1alpha1.ClusterReady) {
		return reconcile.Result{}, nil // its change comes as an event
	}
	if left := c.left(cluster); left > 0 {
		return reconcile.Result{RequeueAfter: left}, nil
	}
	config, err := c.tenants.Config(ctx, cluster.Name)
	if errors.Is(err, tenant.ErrNotReady) {
		return reconcile.Result{RequeueAfter: soon}, nil
	} else if err != nil {
		return reconcile.Result{}, err
	}
	stored := cluster.DeepCopy()
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cluster.Status.Observations = c.observe(bounded, cluster, config)
	if err := c.hosting.Status().Patch(ctx, cluster, client.MergeFrom(stored)); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("writing the observations of cluster %s: %w", cluster.Name, err)
	}
	return reconcile.Result{RequeueAfter: period}, nil
}

// left is how long there is until the cluster is to be observed; 0 or less: now.
func (c *Controller) left(cluster *v1alpha1.Cluster) time.Duration {
	last := cluster.Status.Observations.ObservedAt.Time
	asked, err := time.Parse(time.RFC3339, cluster.Annotations[v1alpha1.AnnotationObserve])
	if err == nil && last.Before(asked) {
		return 0
	}
	if last.IsZero() {
		ready := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ClusterReady)
		if ready == nil {
			return settled
		}
		return ready.LastTransitionTime.Add(settled).Sub(c.clock.Now())
	}
	return last.Add(period).Sub(c.clock.Now())
}

func (c *Controller) observe(ctx context.Context, cluster *v1alpha1.Cluster, config *rest.Config) v1alpha1.ClusterObservations {
	var seen v1alpha1.ClusterObservations
	c.apis(ctx, cluster, config, &seen)
	inside, err := c.tenants.Client(ctx, cluster.Name)
	nodes := &corev1.NodeList{}
	if err == nil {
		err = inside.List(ctx, nodes)
	}
	if err != nil {
		seen.NodesProblem = fmt.Sprintf("listing nodes: %s", err)
	}
	seen.Kubelets = kubelets(nodes.Items)
	// A time in an object has whole seconds: rounded up, so that an observation is not older than the request for it.
	seen.ObservedAt = metav1.NewTime(c.clock.Now().UTC().Truncate(time.Second).Add(time.Second))
	return seen
}
