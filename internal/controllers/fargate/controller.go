// Package fargate puts each FargateProfile into force in its cluster: as a NodePool and a NaruNodeClass of Karpenter's, and as admission
// policies that choose its pods. What gives each pod its own machine is in internal/autoscale/fargate.
package fargate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/kube/finalizer"
	"naru.dev/naru/internal/kube/tenant"
)

const (
	// soon is how soon is looked again at what has no event here: what is in the cluster.
	soon = time.Second
	// retry is for what somebody has to mend first: a zone, an image.
	retry = 15 * time.Second
	// again is how often objects are applied when nothing has changed: somebody may have changed them.
	again = 10 * time.Minute
	// settled is how long policies must have been there. One API server is asked whether it has them; the others learn of
	// them by their watches at the same time, which takes a part of this.
	settled = 2 * time.Second
)

// Controller reconciles FargateProfiles.
type Controller struct {
	hosting client.Client
	tenants *tenant.Clients
	clock   clock.PassiveClock

	mu   sync.Mutex
	done map[types.UID]applied
}

// applied is what a profile was put into force with last.
type applied struct {
	hash string
	at   time.Time
}

// NewController returns a controller of the hosting cluster's FargateProfiles.
func NewController(hosting client.Client, tenants *tenant.Clients, clock clock.PassiveClock) *Controller {
	return &Controller{hosting: hosting, tenants: tenants, clock: clock, done: map[types.UID]applied{}}
}

// SetupWithManager adds the controller to a manager.
func (c *Controller) SetupWithManager(manager ctrl.Manager) error {
	all := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, _ client.Object) []reconcile.Request { return c.profiles(ctx) })
	inNamespace := func(namespace func(client.Object) string) handler.EventHandler {
		return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
			return c.profiles(ctx, client.InNamespace(namespace(o)))
		})
	}
	return ctrl.NewControllerManagedBy(manager).
		Named("fargate").
		For(&v1alpha1.FargateProfile{}).
		// The policies are those of all profiles of a cluster.
		Watches(&v1alpha1.FargateProfile{}, inNamespace(client.Object.GetNamespace)).
		Watches(&v1alpha1.Machine{}, handler.EnqueueRequestsFromMapFunc(ofMachine)).
		Watches(&v1alpha1.Cluster{}, inNamespace(func(o client.Object) string { return v1alpha1.Namespace(o.GetName()) })).
		Watches(&v1alpha1.MachineClass{}, all).
		Watches(&v1alpha1.NodeImage{}, all).
		Complete(c)
}

func ofMachine(_ context.Context, object client.Object) []reconcile.Request {
	machine, ok := object.(*v1alpha1.Machine)
	if !ok || machine.Spec.FargateProfile == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: machine.Namespace, Name: machine.Spec.FargateProfile}}}
}

// profiles reads the cache only, which does not fail once it is filled.
func (c *Controller) profiles(ctx context.Context, options ...client.ListOption) []reconcile.Request {
	var profiles v1alpha1.FargateProfileList
	if err := c.hosting.List(ctx, &profiles, options...); err != nil {
		return nil
	}
	var requests []reconcile.Request
	for i := range profiles.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&profiles.Items[i])})
	}
	return requests
}

// scope is what one pass knows.
type scope struct {
	profile *v1alpha1.FargateProfile
	// staying are the cluster's profiles that are not being deleted.
	staying []v1alpha1.FargateProfile
	// cluster is nil when it does not exist.
	cluster  *v1alpha1.Cluster
	machines int
}

func (s *scope) clusterGone() bool { return s.cluster == nil || !s.cluster.DeletionTimestamp.IsZero() }

// Reconcile takes one profile a step further.
func (c *Controller) Reconcile(ctx context.Context, request ctrl.Request) (result reconcile.Result, err error) {
	var profile v1alpha1.FargateProfile
	if err := c.hosting.Get(ctx, request.NamespacedName, &profile); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	s, err := c.observe(ctx, &profile)
	if err != nil {
		return reconcile.Result{}, err
	}
	if profile.DeletionTimestamp.IsZero() && !s.clusterGone() {
		if added, err := finalizer.Add(ctx, c.hosting, &profile, v1alpha1.Finalizer); added || err != nil {
			return reconcile.Result{}, err
		}
	}
	stored := profile.DeepCopy()
	defer func() {
		if equality.Semantic.DeepEqual(stored.Status, profile.Status) {
			return
		}
		if e := c.hosting.Status().Patch(ctx, &profile, client.MergeFrom(stored)); client.IgnoreNotFound(e) != nil {
			err = errors.Join(err, fmt.Errorf("writing status of Fargate profile %s: %w", profile.Name, e))
		}
	}()
	profile.Status.Machines = int32(s.machines) //nolint:gosec // a count of objects in memory
	if !profile.DeletionTimestamp.IsZero() {
		return c.finalize(ctx, s)
	}
	result, err = c.sync(ctx, s)
	summarize(&profile)
	return result, err
}

func (c *Controller) observe(ctx context.Context, profile *v1alpha1.FargateProfile) (*scope, error) {
	s := &scope{profile: profile}
	name := v1alpha1.ClusterOf(profile.Namespace)
	var cluster v1alpha1.Cluster
	if err := c.hosting.Get(ctx, client.ObjectKey{Name: name}, &cluster); err == nil {
		s.cluster = &cluster
	} else if !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading cluster %s: %w", name, err)
	}
	var machines v1alpha1.MachineList
	if err := c.hosting.List(ctx, &machines, client.InNamespace(profile.Namespace), client.MatchingLabels{v1alpha1.LabelFargateProfile: profile.Name}); err != nil {
		return nil, fmt.Errorf("listing machines of Fargate profile %s: %w", profile.Name, err)
	}
	s.machines = len(machines.Items)
	var profiles v1alpha1.FargateProfileList
	if err := c.hosting.List(ctx, &profiles, client.InNamespace(profile.Namespace)); err != nil {
		return nil, fmt.Errorf("listing the Fargate profiles of cluster %s: %w", name, err)
	}
	for i := range profiles.Items {
		if profiles.Items[i].DeletionTimestamp.IsZero() {
			s.staying = append(s.staying, profiles.Items[i])
		}
	}
	return s, nil
}

// summarize sets the condition Ready.
func summarize(profile *v1alpha1.FargateProfile) {
	conditions.Summarize(profile, v1alpha1.FargateProfileReady, v1alpha1.ReasonReady, "pods that it chooses get machines of their own",
		v1alpha1.FargateProfileSynced, v1alpha1.FargateProfileInForce)
	if conditions.IsTrue(profile, v1alpha1.FargateProfileReady) {
		profile.Status.ObservedGeneration = profile.Generation
	}
}
