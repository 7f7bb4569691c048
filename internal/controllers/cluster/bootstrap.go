package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/config"
	"naru.dev/naru/internal/controlplane/addons"
	"naru.dev/naru/internal/controlplane/component"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/kube/apply"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/kube/manifest"
)

// again is how often a cluster's own objects are applied when nothing has changed: somebody may have changed them.
const again = 10 * time.Minute

// requestsAtOnce to a cluster's API while its own objects are applied.
const requestsAtOnce = 8

// inside remembers what was applied in which cluster, and which of its add-ons, as demo/coredns.
type inside struct {
	now  func() time.Time
	mu   *sync.Mutex
	done map[string]applied
}

type applied struct {
	hash string
	at   time.Time
	// outcome is how it went, where that is told of each time.
	outcome metav1.Condition
}

func newInside(clock clock.PassiveClock) inside {
	return inside{now: clock.Now, mu: &sync.Mutex{}, done: map[string]applied{}}
}

func (i inside) fresh(cluster, hash string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	last, ok := i.done[cluster]
	return ok && last.hash == hash && i.now().Sub(last.at) < again
}

// known tells whether something was applied, however long ago.
func (i inside) known(key string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	_, ok := i.done[key]
	return ok
}

func (i inside) remember(cluster, hash string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.done[cluster] = applied{hash: hash, at: i.now()}
}

// conclude remembers what was applied together with how it went.
func (i inside) conclude(key, hash string, outcome metav1.Condition) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.done[key] = applied{hash: hash, at: i.now(), outcome: outcome}
}

// recall is how what was remembered went.
func (i inside) recall(key string) metav1.Condition {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.done[key].outcome
}

func (i inside) forget(cluster string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	maps.DeleteFunc(i.done, func(key string, _ applied) bool { return key == cluster || strings.HasPrefix(key, cluster+"/") })
}

// bootstrap applies what every cluster has inside. In a new cluster, what nobody waits for comes when the control plane is whole and
// pods find each other: before, others have better use for the processors.
func (c *Controller) bootstrap(ctx context.Context, s *scope) (next, error) {
	objects, err := insideObjects(s)
	if err != nil {
		return fail(s, v1alpha1.ClusterBootstrapped, err)
	}
	if err := c.applyInside(ctx, s, s.cluster.Name, objects); err != nil {
		return fail(s, v1alpha1.ClusterBootstrapped, err)
	}
	if err := c.retire(ctx, s); err != nil {
		return fail(s, v1alpha1.ClusterBootstrapped, err)
	}
	if whole := len(s.missing) == 0 || s.cluster.Status.ObservedGeneration > 0; whole {
		if err := c.bootstrapLate(ctx, s); err != nil {
			return fail(s, v1alpha1.ClusterBootstrapped, err)
		}
	}
	conditions.True(s.cluster, v1alpha1.ClusterBootstrapped, v1alpha1.ReasonReady, "the cluster's own objects were applied")
	return next{}, nil
}

// bootstrapLate applies what is not needed for nodes to join and pods to run, once CoreDNS serves: an event of its Deployment leads
// here again. A cluster without nodes has none of it, and no API that nobody answers for.
func (c *Controller) bootstrapLate(ctx context.Context, s *scope) error {
	key := s.cluster.Name + "/bootstrap/" + late
	if slices.Contains(addonNames(s.cluster), late) {
		return nil
	}
	if !c.known(key) {
		serves, err := c.dnsServes(ctx, s)
		if err != nil || !serves {
			return err
		}
	}
	objects, err := addons.Only(insideData(s), late)
	if err != nil {
		return err
	}
	return c.applyInside(ctx, s, key, objects)
}

// dnsServes tells whether a pod of CoreDNS is available, or the cluster has no CoreDNS.
func (c *Controller) dnsServes(ctx context.Context, s *scope) (bool, error) {
	tenant, err := c.tenants.Client(ctx, s.cluster.Name)
	if err != nil {
		return false, err
	}
	deployment := &appsv1.Deployment{}
	err = tenant.Get(ctx, client.ObjectKey{Namespace: addons.Namespace, Name: "coredns"}, deployment)
	if apierrors.IsNotFound(err) {
		return true, nil
	} else if err != nil {
		return false, fmt.Errorf("observing CoreDNS: %w", err)
	}
	return deployment.Status.AvailableReplicas > 0, nil
}

// retire deletes what clusters of older versions of Naru have and none has now.
func (c *Controller) retire(ctx context.Context, s *scope) error {
	key := s.cluster.Name + "/bootstrap/retired"
	if c.known(key) { // nobody makes them again
		return nil
	}
	tenant, err := c.tenants.Client(ctx, s.cluster.Name)
	if err != nil {
		return err
	}
	if err := deleteOwned(ctx, tenant, addons.Retired()); err != nil {
		return err
	}
	c.remember(key, "")
	return nil
}

// applyInside applies objects unless that was done not long ago; key is what it is remembered by.
func (c *Controller) applyInside(ctx context.Context, s *scope, key string, objects []*unstructured.Unstructured) error {
	content, err := json.Marshal(objects)
	if err != nil {
		return fmt.Errorf("hashing the cluster's own objects: %w", err)
	}
	hash := component.ContentHash(content)
	if c.fresh(key, hash) {
		return nil
	}
	tenant, err := c.tenants.Client(ctx, s.cluster.Name)
	if err != nil {
		return err
	}
	if err := apply.Concurrently(ctx, tenant, requestsAtOnce, objects...); err != nil {
		return err
	}
	c.remember(key, hash)
	return nil
}

// late is what is not needed for nodes to join and pods to run.
const late = "metrics-server"

func insideObjects(s *scope) ([]*unstructured.Unstructured, error) {
	objects, err := addons.Render(insideData(s), append(addonNames(s.cluster), late)...)
	if err != nil {
		return nil, err
	}
	definitions, err := manifest.Decode(config.TenantCRDs())
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's kinds: %w", err)
	}
	// Kinds come after the rights to them: Karpenter watches them as soon as they are served, and tries later and later what it may
	// not do.
	return append(objects, definitions...), nil
}

func insideData(s *scope) addons.Data {
	return addons.Data{
		Scope: s.render, CA: s.authorities[pki.CA].Certificate,
		Metrics: s.leaves[pki.MetricsServer],
	}
}
