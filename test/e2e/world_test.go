//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/platform"
	"naru.dev/naru/test/naru"
)

// The clusters that scenarios share. Both have the default, hence equal, ranges.
const (
	haCluster    = "ha"
	smallCluster = "small"
)

// version is the Kubernetes version of the clusters under test.
const version = "1.37"

// world is what scenarios work on: a running platform and two clusters, made when first asked for.
type world struct {
	cli      *naru.CLI
	clusters map[string]*cluster
	failed   map[string]bool
	// machine is what was on the machine before the platform; zero when it was running already.
	machine footprint
}

// cluster is a connection to a cluster's API, or to the hosting one's.
type cluster struct {
	name   string
	config *rest.Config
	kube   kubernetes.Interface
	client client.WithWatch
}

func connect(name string, config *rest.Config) (*cluster, error) {
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client of %q: %w", name, err)
	}
	c, err := platform.NewClient(config)
	if err != nil {
		return nil, err
	}
	return &cluster{name: name, config: config, kube: kube, client: c}, nil
}

// hosting connects to the hosting cluster.
func (w *world) hosting(t *testing.T) *cluster {
	t.Helper()
	p, err := platform.Open()
	if err != nil {
		t.Fatal(err)
	}
	c, err := connect(naru.Hosting, p.Config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ha is the highly available cluster with two machines.
func (w *world) ha(t *testing.T) *cluster {
	t.Helper()
	return w.shared(t, haCluster, func() {
		w.naru(t, "create", "cluster", haCluster, "--version", version, "--nodes", "2", "--wait", "--timeout", "5m")
	})
}

// small is the cluster of the small form with one machine.
func (w *world) small(t *testing.T) *cluster {
	t.Helper()
	return w.shared(t, smallCluster, func() { w.apply(t, smallManifest(smallCluster)) })
}

// shared makes a cluster unless it is there. A scenario that needs one which could not be made fails at once.
func (w *world) shared(t *testing.T, name string, create func()) *cluster {
	t.Helper()
	if c, ok := w.clusters[name]; ok {
		return c
	}
	if w.failed[name] {
		t.Fatalf("cluster %q could not be made; the scenario that tried first says why", name)
	}
	w.failed[name] = true
	object := &v1alpha1.Cluster{}
	err := w.hosting(t).client.Get(t.Context(), client.ObjectKey{Name: name}, object)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	if err != nil {
		create()
	}
	w.clusters[name] = w.connect(t, name)
	w.failed[name] = false
	return w.clusters[name]
}

// connect connects to an existing cluster as a user of this machine does.
func (w *world) connect(t *testing.T, name string) *cluster {
	t.Helper()
	p, err := platform.Open()
	if err != nil {
		t.Fatal(err)
	}
	object := &v1alpha1.Cluster{}
	if err := p.Client.Get(t.Context(), client.ObjectKey{Name: name}, object); err != nil {
		t.Fatal(err)
	}
	config, err := p.TenantConfig(t.Context(), object)
	if err != nil {
		t.Fatal(err)
	}
	c, err := connect(name, config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// forget drops a cluster that a scenario has deleted.
func (w *world) forget(t *testing.T, name string) {
	t.Helper()
	delete(w.clusters, name)
	if err := w.cli.Forget(name); err != nil {
		t.Fatal(err)
	}
}

// naru runs naru and ends the test when it fails.
func (w *world) naru(t *testing.T, args ...string) naru.Result {
	t.Helper()
	result, err := w.cli.Naru(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// apply runs `naru apply` on a manifest and waits for what is in it to be ready.
func (w *world) apply(t *testing.T, manifest string) naru.Result {
	t.Helper()
	result, err := w.cli.Pipe(t.Context(), manifest, "apply", "-f", "-", "--wait", "--timeout", "5m")
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// kubectl runs kubectl against a cluster and ends the test when it fails.
func (w *world) kubectl(t *testing.T, c *cluster, args ...string) string {
	t.Helper()
	result, err := w.cli.Kubectl(t.Context(), c.name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return result.Stdout
}

// shell runs a script in a pod of namespace default.
func (w *world) shell(ctx context.Context, c *cluster, pod, script string) (string, error) {
	result, err := w.cli.Kubectl(ctx, c.name, "exec", pod, "--", "sh", "-c", script)
	return result.Stdout, err
}

// eventually ends the test when check does not succeed within limit.
func eventually(t *testing.T, what string, limit time.Duration, check func(context.Context) error) {
	t.Helper()
	begin := time.Now()
	if err := naru.Eventually(t.Context(), what, limit, check); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: after %.1fs", what, time.Since(begin).Seconds())
}

// image is the reference of one of the platform's own images.
func (w *world) image(t *testing.T, name string) string {
	t.Helper()
	release := &v1alpha1.Release{}
	if err := w.hosting(t).client.Get(t.Context(), client.ObjectKey{Name: version}, release); err != nil {
		t.Fatal(err)
	}
	ref, ok := release.Spec.Images[name]
	if !ok {
		t.Fatalf("release %s has no image %q", version, name)
	}
	return ref
}

// readyNodes lists the names of the nodes that are Ready, sorted.
func (c *cluster) readyNodes(ctx context.Context) ([]string, error) {
	nodes, err := c.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var ready []string
	for _, node := range nodes.Items {
		if isReady(node) {
			ready = append(ready, node.Name)
		}
	}
	slices.Sort(ready)
	return ready, nil
}

func isReady(node corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(condition corev1.NodeCondition) bool {
		return condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue
	})
}

// wantNodes checks that exactly n nodes exist and are Ready.
func (c *cluster) wantNodes(n int) func(context.Context) error {
	return func(ctx context.Context) error {
		ready, err := c.readyNodes(ctx)
		if err != nil {
			return err
		}
		nodes, err := c.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		if len(ready) != n || len(nodes.Items) != n {
			return fmt.Errorf("%d of %d nodes are ready (%s), want %d", len(ready), len(nodes.Items), strings.Join(ready, ", "), n)
		}
		return nil
	}
}

// gone turns "it is gone" into success: err is what reading it returned.
func gone(err error) error {
	if err == nil {
		return errors.New("it is still there")
	}
	return client.IgnoreNotFound(err)
}
