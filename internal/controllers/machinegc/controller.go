// Package machinegc is the leak check: a Machine whose NodeClaim or whose cluster does not exist is deleted. Karpenter
// deletes Machines before it lets a NodeClaim go; what is left is a claim whose finalizer was removed by hand,
// a cluster that went away with all of its claims, and a machine that was made ahead and that no claim came for.
package machinegc

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/tenant"
	"naru.dev/naru/internal/kube/tenantwatch"
)

// sweep is how often a Machine is checked when nothing happens.
const sweep = 5 * time.Minute

const (
	// unclaimedLimit is how long machines that were made ahead wait for claims once their cluster can make some.
	unclaimedLimit = 2 * time.Minute
	// unclaimedSweep is how often such a machine is checked.
	unclaimedSweep = 10 * time.Second
)

// byClaim is the index of Machines by the name of their NodeClaim.
const byClaim = "spec.claim.name"

// Controller deletes leaked Machines.
type Controller struct {
	hosting client.Client
	tenants *tenant.Clients
	clock   clock.PassiveClock
}

// NewController returns a controller of the hosting cluster's Machines.
func NewController(hosting client.Client, tenants *tenant.Clients, clock clock.PassiveClock) *Controller {
	return &Controller{hosting: hosting, tenants: tenants, clock: clock}
}

// SetupWithManager adds the controller, and the index that it needs, to a manager.
func (c *Controller) SetupWithManager(ctx context.Context, manager ctrl.Manager, watches *tenantwatch.Watches) error {
	err := manager.GetFieldIndexer().IndexField(ctx, &v1alpha1.Machine{}, byClaim, func(o client.Object) []string {
		return []string{o.(*v1alpha1.Machine).Spec.Claim.Name}
	})
	if err != nil {
		return fmt.Errorf("indexing machines by claim: %w", err)
	}
	return ctrl.NewControllerManagedBy(manager).
		Named("machinegc").
		For(&v1alpha1.Machine{}).
		Watches(&v1alpha1.Cluster{}, handler.EnqueueRequestsFromMapFunc(c.ofCluster)).
		Watches(&v1alpha1.NodeGroup{}, handler.EnqueueRequestsFromMapFunc(c.ofGroup)).
		WatchesRawSource(watches.Source(tenantwatch.NodeClaims(), c.ofClaim)).
		Complete(c)
}

func (c *Controller) ofCluster(ctx context.Context, cluster client.Object) []reconcile.Request {
	if cluster.GetDeletionTimestamp().IsZero() {
		return nil
	}
	return c.requests(ctx, client.InNamespace(v1alpha1.Namespace(cluster.GetName())))
}

func (c *Controller) ofGroup(ctx context.Context, group client.Object) []reconcile.Request {
	if group.GetDeletionTimestamp().IsZero() {
		return nil
	}
	return c.requests(ctx, client.InNamespace(group.GetNamespace()), client.MatchingFields{byClaim: ""})
}

func (c *Controller) ofClaim(cluster string, _, claim client.Object) []reconcile.Request {
	return c.requests(context.Background(), client.InNamespace(v1alpha1.Namespace(cluster)), client.MatchingFields{byClaim: claim.GetName()})
}

// requests reads the cache only. What it fails to read the sweep finds.
func (c *Controller) requests(ctx context.Context, options ...client.ListOption) []reconcile.Request {
	var machines v1alpha1.MachineList
	if err := c.hosting.List(ctx, &machines, options...); err != nil {
		return nil
	}
	var requests []reconcile.Request
	for i := range machines.Items {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: machines.Items[i].Namespace, Name: machines.Items[i].Name}})
	}
	return requests
}

// Reconcile checks one Machine.
func (c *Controller) Reconcile(ctx context.Context, request ctrl.Request) (reconcile.Result, error) {
	var machine v1alpha1.Machine
	if err := c.hosting.Get(ctx, request.NamespacedName, &machine); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if !machine.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil
	}
	leaked, err := c.leaked(ctx, &machine)
	if err != nil {
		return reconcile.Result{}, err
	}
	if leaked == "" && !machine.Claimed() {
		return reconcile.Result{RequeueAfter: unclaimedSweep}, nil
	} else if leaked == "" {
		return reconcile.Result{RequeueAfter: sweep}, nil
	}
	log.FromContext(ctx).Info("deleting a leaked machine", "because", leaked)
	if err := c.hosting.Delete(ctx, &machine, client.Preconditions{UID: &machine.UID}); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("deleting leaked machine: %w", err)
	}
	return reconcile.Result{}, nil
}

// leaked says why a Machine has outlived what it is for, or "". It asks the cluster itself, never a cache: the claim is
// always there before its machine, so that one which is not found was deleted.
func (c *Controller) leaked(ctx context.Context, machine *v1alpha1.Machine) (string, error) {
	name := v1alpha1.ClusterOf(machine.Namespace)
	var cluster v1alpha1.Cluster
	if err := c.hosting.Get(ctx, client.ObjectKey{Name: name}, &cluster); apierrors.IsNotFound(err) {
		return fmt.Sprintf("cluster %s does not exist", name), nil
	} else if err != nil {
		return "", fmt.Errorf("reading cluster %s: %w", name, err)
	}
	if !cluster.DeletionTimestamp.IsZero() {
		return fmt.Sprintf("cluster %s is being deleted", name), nil
	}
	if !machine.Claimed() {
		return c.unclaimed(ctx, machine, &cluster)
	}
	inside, err := c.tenants.Client(ctx, name)
	if errors.Is(err, tenant.ErrNotReady) {
		return "", nil // unknown, and what is unknown is not leaked
	} else if err != nil {
		return "", err
	}
	claim := &metav1.PartialObjectMetadata{}
	claim.SetGroupVersionKind(tenantwatch.NodeClaims().GetObjectKind().GroupVersionKind())
	err = inside.Get(ctx, client.ObjectKey{Name: machine.Spec.Claim.Name}, claim)
	if missing(err) {
		return fmt.Sprintf("NodeClaim %s does not exist", machine.Spec.Claim.Name), nil
	} else if err != nil {
		return "", fmt.Errorf("reading NodeClaim %s: %w", machine.Spec.Claim.Name, err)
	}
	if claim.UID != machine.Spec.Claim.UID {
		return fmt.Sprintf("NodeClaim %s is another one by now", machine.Spec.Claim.Name), nil
	}
	return "", nil
}

// missing tells whether an API server says that it has no such object. One that does not know the kind, which others may know
// already, does not find the resource either.
func missing(err error) bool {
	return apierrors.IsNotFound(err) && !apierrors.IsUnexpectedServerError(err)
}
