// Package cluster makes Clusters: their control planes in the hosting cluster, and what every cluster has inside.
//
//	endpoint ─► revision ─► volumes ─► pki ─► tier ─► etcd ─► servers ─► API answers ─► identity provider ─► bootstrap ─► add-ons ─► followers
//
// Everything that can be written is written at once; what a phase waits for is in the condition it sets.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/component"
	"naru.dev/naru/internal/kube/apply"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/kube/tenant"
	"naru.dev/naru/internal/podroles"
)

const (
	// soon is for what has no event: an API that does not answer yet, members of etcd.
	soon = 250 * time.Millisecond
	// slow is a safety net under the events, and how soon a certificate's renewal is noticed.
	slow = 10 * time.Minute
)

// Settings are what the hosting cluster is like.
type Settings struct {
	// HostingPods and HostingServices are its ranges.
	HostingPods     string
	HostingServices string
	// HostingDNS, Registry and Authenticator are addresses of Services in it.
	HostingDNS    string
	Registry      string
	Authenticator string
	// PodRoles is the address of the Service naru-pod-roles in it.
	PodRoles string
	// ServerURL is where users reach naru server, and Region what it calls this place.
	ServerURL string
	Region    string
	// FirstPort on 127.0.0.1 that a cluster may be published at.
	FirstPort int32
}

// DefaultSettings fit the hosting cluster that `naru up` boots.
func DefaultSettings() Settings {
	return Settings{
		HostingPods: "100.64.0.0/16", HostingServices: "100.65.0.0/16",
		HostingDNS: "100.65.0.10", Registry: "100.65.0.20", Authenticator: "100.65.0.21", FirstPort: 6443,
		PodRoles: "100.65.0.22", ServerURL: "https://127.0.0.1:6441", Region: podroles.DefaultRegion,
	}
}

// Controller reconciles Clusters.
type Controller struct {
	client client.Client
	// live reads the hosting cluster past the cache, where a stale answer would do harm.
	live     client.Reader
	tenants  *tenant.Clients
	settings Settings
	clock    clock.PassiveClock
	keeper   *apply.Keeper
	renderer *component.Renderer
	// ports lets one cluster at a time choose a port.
	ports sync.Mutex
	inside
}

// NewController returns a controller that works with a manager's clients.
func NewController(c client.Client, live client.Reader, tenants *tenant.Clients, settings Settings, clock clock.PassiveClock) *Controller {
	return &Controller{
		client: c, live: live, tenants: tenants, settings: settings, clock: clock,
		keeper: apply.NewKeeper(c), renderer: component.NewRenderer(), inside: newInside(clock),
	}
}

// next says how a phase ended, where it did not fail.
type next struct {
	// stop ends the pass: what follows would have nothing to work with.
	stop bool
	// after asks for another pass though no event may come; 0: none.
	after time.Duration
}

// Reconcile takes one cluster as far as it can go.
func (c *Controller) Reconcile(ctx context.Context, request ctrl.Request) (result reconcile.Result, err error) {
	cluster := &v1alpha1.Cluster{}
	if err := c.client.Get(ctx, request.NamespacedName, cluster); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	stored := cluster.DeepCopy()
	if cluster.DeletionTimestamp.IsZero() && controllerutil.AddFinalizer(cluster, v1alpha1.Finalizer) {
		if err := c.client.Patch(ctx, cluster, client.MergeFrom(stored)); err != nil {
			return reconcile.Result{}, fmt.Errorf("adding the finalizer: %w", err)
		}
		stored = cluster.DeepCopy()
	}
	defer func() { err = errors.Join(err, c.writeStatus(ctx, stored, cluster)) }()
	if !cluster.DeletionTimestamp.IsZero() {
		return c.finalize(ctx, cluster)
	}
	return c.advance(ctx, newScope(cluster, c.settings))
}

func (c *Controller) advance(ctx context.Context, s *scope) (reconcile.Result, error) {
	after := slow
	defer s.summarize()
	for _, phase := range []func(context.Context, *scope) (next, error){
		c.endpoint, c.revision, c.volumes, c.pki, c.tier, c.etcd, c.servers, c.answers, c.identityProvider, c.bootstrap, c.addons, c.followers,
	} {
		n, err := phase(ctx, s)
		if err != nil {
			return reconcile.Result{}, err
		}
		if n.after > 0 {
			after = min(after, n.after)
		}
		if n.stop {
			return reconcile.Result{RequeueAfter: after}, nil
		}
	}
	return reconcile.Result{RequeueAfter: after}, nil
}

func (c *Controller) writeStatus(ctx context.Context, stored, cluster *v1alpha1.Cluster) error {
	if equality.Semantic.DeepEqual(stored.Status, cluster.Status) {
		return nil
	}
	if err := c.client.Status().Patch(ctx, cluster, client.MergeFrom(stored)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status of cluster %s: %w", cluster.Name, err)
	}
	return nil
}

// fail records why a phase failed, and returns the error for another try.
func fail(s *scope, condition string, err error) (next, error) {
	conditions.False(s.cluster, condition, v1alpha1.ReasonFailed, err.Error())
	return next{}, err
}
