// Package tenantwatch lets controllers of the hosting cluster be woken by what changes in managed clusters. Each cluster
// that is watched has one small cache, which is started and stopped while the manager runs.
package tenantwatch

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// Configs says how a cluster is reached; tenant.Clients does.
type Configs interface {
	Config(ctx context.Context, cluster string) (*rest.Config, error)
}

// Requests says which requests an object of a cluster wakes. old is nil but where the object was updated; an update
// that does not matter wakes none. The object may be incomplete: see Nodes, SigningRequests, SystemDeployments and NodeClaims.
type Requests func(cluster string, old, object client.Object) []reconcile.Request

// Watches starts and stops the caches of clusters and passes on what they see. It is safe for concurrent use.
type Watches struct {
	configs Configs
	scheme  *runtime.Scheme
	log     logr.Logger

	mu            sync.Mutex
	subscriptions []subscription
	running       map[string]watched
}

type subscription struct {
	kind     client.Object
	requests Requests
	queue    workqueue.TypedRateLimitingInterface[reconcile.Request]
}

type watched struct {
	cache       cache.Cache
	stop        context.CancelFunc
	fingerprint [sha256.Size]byte
}

// New returns Watches that watch no cluster yet.
func New(configs Configs, log logr.Logger) (*Watches, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, corev1.AddToScheme, certificatesv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("building scheme: %w", err)
		}
	}
	return &Watches{configs: configs, scheme: scheme, log: log, running: map[string]watched{}}, nil
}

// Nodes wakes by nodes, of which name, labels, provider ID, addresses and conditions are kept.
func Nodes() client.Object { return &corev1.Node{} }

// SigningRequests wakes by the signing requests of kubelets for their serving certificates.
func SigningRequests() client.Object { return &certificatesv1.CertificateSigningRequest{} }

// SystemDeployments wakes by Deployments in kube-system, of which generation and status are kept.
func SystemDeployments() client.Object { return &appsv1.Deployment{} }

// NodeClaims wakes by Karpenter's NodeClaims, of which the metadata is kept.
func NodeClaims() client.Object {
	claim := &metav1.PartialObjectMetadata{}
	claim.SetGroupVersionKind(schema.GroupVersionKind{Group: "karpenter.sh", Version: "v1", Kind: "NodeClaim"})
	return claim
}

// Source is a source for a controller: what changes of one kind, in any watched cluster, becomes requests.
func (w *Watches) Source(kind client.Object, requests Requests) source.Source {
	return source.Func(func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		added := subscription{kind: kind, requests: requests, queue: queue}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.subscriptions = append(w.subscriptions, added)
		for cluster, watched := range w.running {
			if err := subscribe(ctx, watched.cache, cluster, added); err != nil {
				return err
			}
		}
		return nil
	})
}

// Ensure watches a cluster; it does so again with new credentials when they changed. ctx bounds the call only:
// the watches go on until Forget.
func (w *Watches) Ensure(ctx context.Context, cluster string) error {
	config, err := w.configs.Config(ctx, cluster)
	if err != nil {
		return err
	}
	print := fingerprint(config)
	w.mu.Lock()
	defer w.mu.Unlock()
	if known, ok := w.running[cluster]; ok {
		if known.fingerprint == print {
			return nil
		}
		known.stop()
		delete(w.running, cluster)
	}
	made, err := w.newCache(config)
	if err != nil {
		return fmt.Errorf("watching cluster %s: %w", cluster, err)
	}
	for _, subscription := range w.subscriptions {
		if err := subscribe(ctx, made, cluster, subscription); err != nil {
			return err
		}
	}
	lasting, stop := context.WithCancel(context.WithoutCancel(ctx))
	w.running[cluster] = watched{cache: made, stop: stop, fingerprint: print}
	go func() {
		if err := made.Start(lasting); err != nil {
			w.log.Error(err, "watching a cluster has ended", "cluster", cluster)
			w.Forget(cluster)
		}
	}()
	return nil
}

// Forget stops watching a cluster.
func (w *Watches) Forget(cluster string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if known, ok := w.running[cluster]; ok {
		known.stop()
		delete(w.running, cluster)
	}
}

func (w *Watches) newCache(config *rest.Config) (cache.Cache, error) {
	config.Timeout = 0 // a watch lasts
	return cache.New(config, cache.Options{
		Scheme:           w.scheme,
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Node{}:       {Transform: stripNode},
			&appsv1.Deployment{}: {Transform: stripDeployment, Namespaces: map[string]cache.Config{metav1.NamespaceSystem: {}}},
			&certificatesv1.CertificateSigningRequest{}: {
				Field: fields.OneTermEqualSelector("spec.signerName", certificatesv1.KubeletServingSignerName),
			},
		},
	})
}

func stripNode(object any) (any, error) {
	node, ok := object.(*corev1.Node)
	if !ok {
		return object, nil
	}
	node.ManagedFields, node.Annotations = nil, nil
	node.Spec = corev1.NodeSpec{ProviderID: node.Spec.ProviderID}
	node.Status = corev1.NodeStatus{Conditions: node.Status.Conditions, Addresses: node.Status.Addresses}
	return node, nil
}

func stripDeployment(object any) (any, error) {
	deployment, ok := object.(*appsv1.Deployment)
	if !ok {
		return object, nil
	}
	deployment.ManagedFields, deployment.Annotations, deployment.Spec = nil, nil, appsv1.DeploymentSpec{}
	return deployment, nil
}

// subscribe does not wait for the cache to be filled: what is in it arrives as additions.
func subscribe(ctx context.Context, from cache.Cache, cluster string, to subscription) error {
	informer, err := from.GetInformer(ctx, to.kind, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watching cluster %s: %w", cluster, err)
	}
	pass := func(old, object any) {
		changed, ok := object.(client.Object)
		if !ok {
			return
		}
		previous, _ := old.(client.Object)
		for _, request := range to.requests(cluster, previous, changed) {
			to.queue.Add(request)
		}
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { pass(nil, object) },
		UpdateFunc: pass,
		DeleteFunc: func(object any) {
			if last, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
				object = last.Obj
			}
			pass(nil, object)
		},
	})
	if err != nil {
		return fmt.Errorf("watching cluster %s: %w", cluster, err)
	}
	return nil
}

func fingerprint(config *rest.Config) [sha256.Size]byte {
	hash := sha256.New()
	for _, part := range [][]byte{[]byte(config.Host), config.CAData, config.CertData, config.KeyData, []byte(config.BearerToken)} {
		fmt.Fprintf(hash, "%d:", len(part))
		hash.Write(part)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}
