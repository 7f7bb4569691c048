package measure

import (
	"context"
	"fmt"
	"os"
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

// Bench is what benchmarks of a running platform work with.
type Bench struct {
	CLI     *naru.CLI
	Hosting *platform.Platform
	// Kube is a client of the hosting cluster.
	Kube kubernetes.Interface
}

// Open connects to the platform on this machine. The caller calls close.
func Open() (b *Bench, closer func(), err error) {
	dir, err := os.MkdirTemp("", "naru-bench-")
	if err != nil {
		return nil, nil, fmt.Errorf("making a folder for kubeconfigs: %w", err)
	}
	closer = func() { _ = os.RemoveAll(dir) }
	b = &Bench{}
	if b.CLI, err = naru.Find(dir); err == nil {
		b.Hosting, err = platform.Open()
	}
	if err == nil {
		b.Kube, err = kubernetes.NewForConfig(b.Hosting.Config)
	}
	if err != nil {
		closer()
		return nil, nil, err
	}
	return b, closer, nil
}

// Form is a kind of cluster.
type Form struct {
	Name     string
	Replicas int
	Nodes    int
}

// The forms that are measured.
var (
	HA    = Form{Name: "highly available", Replicas: 3, Nodes: 2}
	Small = Form{Name: "small", Replicas: 1, Nodes: 1}
)

// Create creates a cluster and waits until its nodes are Ready and CoreDNS is available. The
// returned function deletes it; it is never nil.
func (b *Bench) Create(ctx context.Context, name string, form Form) (kube kubernetes.Interface, took time.Duration, remove func(), err error) {
	remove = func() {
		// Also after an interrupt.
		ctx := context.WithoutCancel(ctx)
		if _, err := b.CLI.Naru(ctx, "delete", "cluster", name, "--yes", "--wait"); err != nil {
			fmt.Fprintf(os.Stderr, "benchmark: cluster %s was not deleted: %v\n", name, err)
		}
	}
	begin := time.Now()
	_, err = b.CLI.Naru(ctx, "create", "cluster", name, "--control-plane-replicas", fmt.Sprint(form.Replicas),
		"--nodes", fmt.Sprint(form.Nodes), "--wait", "--timeout", "10m")
	if err != nil {
		return nil, 0, remove, err
	}
	config, err := b.Config(ctx, name)
	if err != nil {
		return nil, 0, remove, err
	}
	if kube, err = kubernetes.NewForConfig(config); err != nil {
		return nil, 0, remove, fmt.Errorf("making a client of %s: %w", name, err)
	}
	err = naru.Eventually(ctx, "nodes and CoreDNS", 5*time.Minute, func(ctx context.Context) error { return complete(ctx, kube, form.Nodes) })
	return kube, time.Since(begin), remove, err
}

// Config is how a cluster's API is reached.
func (b *Bench) Config(ctx context.Context, name string) (*rest.Config, error) {
	cluster := &v1alpha1.Cluster{}
	if err := b.Hosting.Client.Get(ctx, client.ObjectKey{Name: name}, cluster); err != nil {
		return nil, fmt.Errorf("reading cluster %s: %w", name, err)
	}
	return b.Hosting.TenantConfig(ctx, cluster)
}

func complete(ctx context.Context, kube kubernetes.Interface, want int) error {
	ready, err := ReadyNodes(ctx, kube)
	if err != nil {
		return err
	}
	if ready < want {
		return fmt.Errorf("%d of %d nodes are ready", ready, want)
	}
	dns, err := kube.AppsV1().Deployments("kube-system").Get(ctx, "coredns", metav1.GetOptions{})
	if err == nil && (dns.Status.AvailableReplicas == 0 || dns.Status.AvailableReplicas < *dns.Spec.Replicas) {
		return fmt.Errorf("%d of %d CoreDNS pods are available", dns.Status.AvailableReplicas, *dns.Spec.Replicas)
	}
	return err
}

// ReadyNodes counts the nodes that are Ready.
func ReadyNodes(ctx context.Context, kube kubernetes.Interface) (int, error) {
	nodes, err := kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, err
	}
	ready := 0
	for _, node := range nodes.Items {
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
				ready++
			}
		}
	}
	return ready, nil
}
