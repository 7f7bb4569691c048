//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
)

func restarts(statuses []corev1.ContainerStatus) int32 {
	var n int32
	for _, status := range statuses {
		n += status.RestartCount
	}
	return n
}

// testCreate makes both clusters and looks at what they consist of.
func testCreate(t *testing.T, w *world) {
	begin := time.Now()
	ha := w.ha(t)
	t.Logf("highly available cluster with two nodes: %.1fs", time.Since(begin).Seconds())
	begin = time.Now()
	small := w.small(t)
	t.Logf("small cluster with one node: %.1fs", time.Since(begin).Seconds())
	for _, c := range []struct {
		cluster *cluster
		nodes   int
		want    map[string]int
	}{
		{ha, 2, map[string]int{"etcd": 3, "kube-apiserver": 3, "kube-controller-manager": 2, "kube-scheduler": 2, "karpenter": 1}},
		{small, 1, map[string]int{"etcd": 1, "kube-apiserver": 1, "kube-controller-manager": 1, "kube-scheduler": 1, "karpenter": 1}},
	} {
		t.Run(c.cluster.name, func(t *testing.T) {
			t.Run("when it is ready, its control plane is complete", func(t *testing.T) {
				eventually(t, "control plane", time.Minute, func(ctx context.Context) error { return w.wantControlPlane(t, ctx, c.cluster.name, c.want) })
			})
			t.Run("when it is ready, its control plane is confined", func(t *testing.T) { requireConfined(t, w, c.cluster.name) })
			t.Run("when it is ready, its nodes are what their class promises", func(t *testing.T) {
				eventually(t, "nodes", 2*time.Minute, c.cluster.wantNodes(c.nodes))
				requireNodesAsPromised(t, w, c.cluster)
			})
			t.Run("when it is ready, its machines had started before it was", func(t *testing.T) { requireAhead(t, w, c.cluster.name) })
			t.Run("when it is ready, CoreDNS is available", func(t *testing.T) {
				w.kubectl(t, c.cluster, "-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout", "120s")
			})
			t.Run("when it is ready, naru verify finds nothing wrong", func(t *testing.T) { w.naru(t, "verify", c.cluster.name) })
			t.Run("when it is ready, each machine has its claim and its node", func(t *testing.T) {
				eventually(t, "balance", time.Minute, func(ctx context.Context) error { return w.balanced(t, ctx, c.cluster) })
			})
		})
	}
	t.Run("when they are asked for, naru get lists them", func(t *testing.T) {
		got := w.naru(t, "get", "clusters", "-o", "name").Stdout
		for _, name := range []string{haCluster, smallCluster} {
			if !slices.Contains(strings.Fields(got), "cluster.naru.dev/"+name) {
				t.Errorf("%s is not in:\n%s", name, got)
			}
		}
	})
}

// componentPods lists the running, ready pods of a cluster by component.
func (w *world) componentPods(t *testing.T, ctx context.Context, name string) (map[string][]corev1.Pod, error) {
	pods, err := w.hosting(t).kube.CoreV1().Pods(v1alpha1.Namespace(name)).List(ctx, metav1.ListOptions{LabelSelector: v1alpha1.LabelComponent})
	if err != nil {
		return nil, err
	}
	found := map[string][]corev1.Pod{}
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil && podReady(&pod) {
			component := pod.Labels[v1alpha1.LabelComponent]
			found[component] = append(found[component], pod)
		}
	}
	return found, nil
}

func podReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (w *world) wantControlPlane(t *testing.T, ctx context.Context, name string, want map[string]int) error {
	pods, err := w.componentPods(t, ctx, name)
	if err != nil {
		return err
	}
	got := map[string]int{}
	for component := range want {
		got[component] = len(pods[component])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("ready pods by component (-want +got):\n%s", diff)
	}
	return nil
}

// requireAhead looks for machines that were asked for only when the cluster could ask.
func requireAhead(t *testing.T, w *world, name string) {
	t.Helper()
	made := &v1alpha1.Cluster{}
	if err := w.hosting(t).client.Get(t.Context(), client.ObjectKey{Name: name}, made); err != nil {
		t.Fatal(err)
	}
	machines := &v1alpha1.MachineList{}
	if err := w.hosting(t).client.List(t.Context(), machines, client.InNamespace(v1alpha1.Namespace(name))); err != nil {
		t.Fatal(err)
	}
	bootstrapped := conditions.Get(made, v1alpha1.ClusterBootstrapped)
	for _, machine := range machines.Items {
		if bootstrapped == nil || machine.CreationTimestamp.After(bootstrapped.LastTransitionTime.Time) {
			t.Errorf("machine %s is of %s, the cluster was ready for it at %v", machine.Name, machine.CreationTimestamp, bootstrapped)
		}
	}
}

// nodeComponent is the component of node pods, the only ones that are not confined.
const nodeComponent = "node"

func requireConfined(t *testing.T, w *world, name string) {
	t.Helper()
	all, err := w.componentPods(t, t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	for component, pods := range all {
		if component == nodeComponent || pods[0].Labels[v1alpha1.LabelMachine] != "" {
			continue
		}
		for _, problem := range unconfined(pods[0]) {
			t.Errorf("%s: %s", component, problem)
		}
	}
}

// unconfined lists what a control-plane pod may that it should not. Karpenter alone has a token:
// it claims machines in the hosting cluster.
func unconfined(pod corev1.Pod) []string {
	var problems []string
	token := pod.Spec.AutomountServiceAccountToken == nil || *pod.Spec.AutomountServiceAccountToken
	if token && pod.Labels[v1alpha1.LabelComponent] != "karpenter" {
		problems = append(problems, "mounts a service account token")
	}
	inherited := pod.Spec.SecurityContext
	for _, container := range pod.Spec.Containers {
		own := container.SecurityContext
		if own == nil {
			own = &corev1.SecurityContext{}
		}
		if own.ReadOnlyRootFilesystem == nil || !*own.ReadOnlyRootFilesystem {
			problems = append(problems, container.Name+" can write to its root file system")
		}
		nonRoot := own.RunAsNonRoot != nil && *own.RunAsNonRoot || inherited != nil && inherited.RunAsNonRoot != nil && *inherited.RunAsNonRoot
		if !nonRoot {
			problems = append(problems, container.Name+" may run as root")
		}
		if own.SeccompProfile == nil && (inherited == nil || inherited.SeccompProfile == nil) {
			problems = append(problems, container.Name+" has no seccomp profile")
		}
		if container.Resources.Requests.Cpu().IsZero() || container.Resources.Limits.Memory().IsZero() {
			problems = append(problems, container.Name+" lacks a CPU request or a memory limit")
		}
	}
	return problems
}

// requireNodesAsPromised compares each node with the machine class that it says it is of.
func requireNodesAsPromised(t *testing.T, w *world, c *cluster) {
	t.Helper()
	nodes, err := c.kube.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes.Items {
		class := &v1alpha1.MachineClass{}
		name := node.Labels[corev1.LabelInstanceTypeStable]
		if err := w.hosting(t).client.Get(t.Context(), client.ObjectKey{Name: name}, class); err != nil {
			t.Fatalf("node %s says it is a %q: %v", node.Name, name, err)
		}
		// A part of a CPU counts as one: a kernel shows no half of it.
		if got := node.Status.Capacity.Cpu(); got.MilliValue() != 1000*class.Spec.CPU.Value() {
			t.Errorf("node %s has %v CPU, want %v as %s promises", node.Name, got, &class.Spec.CPU, name)
		}
		if got := node.Status.Capacity.Memory(); got.Value()>>20 != class.Spec.Memory.Value()>>20 {
			t.Errorf("node %s has %v memory, want %v as %s promises", node.Name, got, &class.Spec.Memory, name)
		}
		if want := fmt.Sprintf("naru://%s/%s", c.name, node.Name); node.Spec.ProviderID != want {
			t.Errorf("node %s has provider ID %q, want %q", node.Name, node.Spec.ProviderID, want)
		}
		for _, label := range []string{corev1.LabelTopologyZone, corev1.LabelTopologyRegion, v1alpha1.LabelNodeGroup} {
			if node.Labels[label] == "" {
				t.Errorf("node %s has no label %s", node.Name, label)
			}
		}
	}
}
