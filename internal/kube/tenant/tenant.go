// Package tenant hands out clients of managed clusters to whoever runs in the hosting cluster.
package tenant

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
)

const (
	// KubeconfigSecret is the Secret, in the cluster's namespace, that holds what the controller
	// reaches a cluster with.
	KubeconfigSecret = "kubeconfig-controller"
	// KubeconfigKey is the key of the kubeconfig in each kubeconfig-… Secret.
	KubeconfigKey = "kubeconfig"

	qps, burst = 100, 200
)

// ErrNotReady says that there is nothing to reach the cluster with yet: it is being made, or
// it is gone. Whoever meets it waits for the cluster's condition ControlPlaneReady.
var ErrNotReady = errors.New("the cluster has no kubeconfig yet")

// Clients makes a client for each cluster once, and again when its credentials change. It never
// connects by itself: a client of a cluster that is down fails when it is used.
type Clients struct {
	reader client.Reader
	scheme *runtime.Scheme
	secret string

	mu      sync.Mutex
	entries map[string]entry
}

type entry struct {
	kubeconfig []byte
	config     *rest.Config
	client     client.Client
}

// New returns an empty set of clients. Kubeconfigs are read with reader, usually the manager's cached
// client; scheme must know the types that callers use in clusters.
func New(reader client.Reader, scheme *runtime.Scheme) *Clients {
	return NewOf(KubeconfigSecret, reader, scheme)
}

// NewOf returns clients that are another user than the controller: the one of the Secret of this name.
func NewOf(secret string, reader client.Reader, scheme *runtime.Scheme) *Clients {
	return &Clients{reader: reader, scheme: scheme, secret: secret, entries: map[string]entry{}}
}

// Client returns an uncached client of a cluster, or an error that wraps ErrNotReady.
func (c *Clients) Client(ctx context.Context, cluster string) (client.Client, error) {
	e, err := c.get(ctx, cluster)
	return e.client, err
}

// Config returns a copy of how to reach a cluster, or an error that wraps ErrNotReady.
func (c *Clients) Config(ctx context.Context, cluster string) (*rest.Config, error) {
	e, err := c.get(ctx, cluster)
	if err != nil {
		return nil, err
	}
	return rest.CopyConfig(e.config), nil
}

// Forget drops a cluster that was deleted.
func (c *Clients) Forget(cluster string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, cluster)
}

func (c *Clients) get(ctx context.Context, cluster string) (entry, error) {
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: v1alpha1.Namespace(cluster), Name: c.secret}
	if err := c.reader.Get(ctx, key, secret); apierrors.IsNotFound(err) {
		return entry{}, fmt.Errorf("reaching cluster %s: %w", cluster, ErrNotReady)
	} else if err != nil {
		return entry{}, fmt.Errorf("reading the kubeconfig of cluster %s: %w", cluster, err)
	}
	kubeconfig := secret.Data[KubeconfigKey]

	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[cluster]; ok && bytes.Equal(e.kubeconfig, kubeconfig) {
		return e, nil
	}
	e, err := connect(kubeconfig, c.scheme)
	if err != nil {
		return entry{}, fmt.Errorf("reaching cluster %s: %w", cluster, err)
	}
	c.entries[cluster] = e
	return e, nil
}

func connect(kubeconfig []byte, scheme *runtime.Scheme) (entry, error) {
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return entry{}, fmt.Errorf("reading its kubeconfig: %w", err)
	}
	config.QPS, config.Burst = qps, burst
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return entry{}, fmt.Errorf("making a client: %w", err)
	}
	return entry{kubeconfig: kubeconfig, config: config, client: c}, nil
}
