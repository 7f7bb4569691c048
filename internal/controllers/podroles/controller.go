// Package podroles keeps in each cluster what its pods get IAM roles by: where agents ask, which service accounts have an
// association, and the policies that tell pods.
package podroles

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/component"
	manifests "naru.dev/naru/internal/controlplane/podroles"
	"naru.dev/naru/internal/kube/apply"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/kube/tenant"
	"naru.dev/naru/internal/podroles"
)

const (
	// again is how often objects are applied when nothing has changed: somebody may have changed them.
	again = 10 * time.Minute
	// soon is for a cluster that is about to answer.
	soon = 5 * time.Second
)

// Controller reconciles Clusters with their PodIdentityAssociations.
type Controller struct {
	hosting client.Client
	tenants *tenant.Clients
	// server is the URL that nodes and pods reach naru server by, region what pods are told.
	server, region string
	clock          clock.PassiveClock

	mu   sync.Mutex
	done map[types.UID]applied
}

// applied is what a cluster was given last.
type applied struct {
	hash string
	at   time.Time
}

// NewController returns a controller; address is that of the Service naru-pod-roles.
func NewController(hosting client.Client, tenants *tenant.Clients, address, region string, clock clock.PassiveClock) *Controller {
	return &Controller{hosting: hosting, tenants: tenants, server: "https://" + address, region: region, clock: clock, done: map[types.UID]applied{}}
}

// SetupWithManager adds the controller to a manager.
func (c *Controller) SetupWithManager(manager ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(manager).
		Named("podroles").
		For(&v1alpha1.Cluster{}).
		Watches(&v1alpha1.PodIdentityAssociation{}, handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
			return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: v1alpha1.ClusterOf(o.GetNamespace())}}}
		})).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(c.all)).
		Complete(c)
}

// all is every cluster, when the authority of naru server's certificate for nodes is there, or is another one.
func (c *Controller) all(ctx context.Context, secret client.Object) []reconcile.Request {
	clusters := &v1alpha1.ClusterList{}
	if secret.GetNamespace() != v1alpha1.SystemNamespace || secret.GetName() != podroles.ServerSecret || c.hosting.List(ctx, clusters) != nil {
		return nil
	}
	var requests []reconcile.Request
	for i := range clusters.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&clusters.Items[i])})
	}
	return requests
}

// Reconcile writes one cluster's objects where they are not what they should be.
func (c *Controller) Reconcile(ctx context.Context, request ctrl.Request) (reconcile.Result, error) {
	cluster := &v1alpha1.Cluster{}
	if err := c.hosting.Get(ctx, request.NamespacedName, cluster); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if !cluster.DeletionTimestamp.IsZero() {
		c.forget(cluster.UID)
		return reconcile.Result{}, nil
	}
	if !conditions.IsTrue(cluster, v1alpha1.ClusterBootstrapped) {
		return reconcile.Result{}, nil // its change comes as an event
	}
	data, err := c.data(ctx, cluster)
	if err != nil || data == nil {
		return reconcile.Result{}, err // the Secret's event wakes every cluster
	}
	objects, err := manifests.Render(*data)
	if err != nil {
		return reconcile.Result{}, err
	}
	content, err := json.Marshal(objects)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("hashing the objects of pods' roles: %w", err)
	}
	hash := component.ContentHash(content)
	if left := c.fresh(cluster.UID, hash); left > 0 {
		return reconcile.Result{RequeueAfter: left}, nil
	}
	inside, err := c.tenants.Client(ctx, cluster.Name)
	if errors.Is(err, tenant.ErrNotReady) {
		return reconcile.Result{RequeueAfter: soon}, nil
	} else if err != nil {
		return reconcile.Result{}, err
	}
	if err := apply.Objects(ctx, inside, objects...); err != nil {
		return reconcile.Result{}, err
	}
	c.remember(cluster.UID, hash)
	return reconcile.Result{RequeueAfter: again}, nil
}

// data is what a cluster is to be told; nil while naru server has no certificate.
func (c *Controller) data(ctx context.Context, cluster *v1alpha1.Cluster) (*manifests.Data, error) {
	secret := &corev1.Secret{}
	err := c.hosting.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: podroles.ServerSecret}, secret)
	if apierrors.IsNotFound(err) || err == nil && len(secret.Data[podroles.ServerCAKey]) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading naru server's authority: %w", err)
	}
	list := &v1alpha1.PodIdentityAssociationList{}
	if err := c.hosting.List(ctx, list, client.InNamespace(v1alpha1.Namespace(cluster.Name))); err != nil {
		return nil, fmt.Errorf("listing pod identity associations: %w", err)
	}
	data := &manifests.Data{Cluster: cluster.Name, Region: c.region, Server: c.server, CA: string(secret.Data[podroles.ServerCAKey]), Associations: map[string]string{}}
	for i := range list.Items {
		if a := &list.Items[i]; a.DeletionTimestamp.IsZero() {
			data.Associations[podroles.AssociationKey(a.Spec.Namespace, a.Spec.ServiceAccount)] = a.Name
		}
	}
	return data, nil
}

// fresh is how long what was applied last may stay as it is.
func (c *Controller) fresh(cluster types.UID, hash string) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.done[cluster]
	if last.hash != hash {
		return 0
	}
	return again - c.clock.Since(last.at)
}

func (c *Controller) remember(cluster types.UID, hash string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done[cluster] = applied{hash, c.clock.Now()}
}

func (c *Controller) forget(cluster types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.done, cluster)
}
