//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
)

// testScale lets a group grow with a pod and shrink without it, then sets a group's size by hand.
func testScale(t *testing.T, w *world) {
	c := w.small(t)
	eventually(t, "nodes", 2*time.Minute, c.wantNodes(1))
	w.apply(t, groupManifest(smallCluster, "elastic", "min: 0, max: 2"))
	t.Run("when a pod needs a machine, it gets one", func(t *testing.T) {
		needy := pod("needy", w.image(t, "busybox"), forever()...)
		needy.Spec.NodeSelector = map[string]string{v1alpha1.LabelNodeGroup: "elastic"}
		create(t, c, needy)
		awaitPods(t, c, needy.Name)
		eventually(t, "nodes", time.Minute, c.wantNodes(2))
		eventually(t, "balance", time.Minute, func(ctx context.Context) error { return w.balanced(t, ctx, c) })
	})
	t.Run("when the pod is gone, its machine goes", func(t *testing.T) {
		w.kubectl(t, c, "delete", "pod", "needy")
		eventually(t, "nodes", 4*time.Minute, c.wantNodes(1))
		eventually(t, "balance", time.Minute, func(ctx context.Context) error { return w.balanced(t, ctx, c) })
	})
	t.Run("when a group's size is set, it has it", func(t *testing.T) {
		w.naru(t, "scale", "nodegroup", "default", "--cluster", smallCluster, "--nodes", "2", "--max", "2", "--wait", "--timeout", "3m")
		eventually(t, "nodes", 30*time.Second, c.wantNodes(2))
		w.naru(t, "scale", "nodegroup", "default", "--cluster", smallCluster, "--nodes", "1", "--wait", "--timeout", "5m")
		eventually(t, "nodes", 2*time.Minute, c.wantNodes(1))
	})
	t.Run("when a group is deleted, nothing of it is left", func(t *testing.T) {
		w.naru(t, "delete", "nodegroup", "elastic", "--cluster", smallCluster, "--wait", "--timeout", "3m")
		eventually(t, "balance", time.Minute, func(ctx context.Context) error { return w.balanced(t, ctx, c) })
	})
}

// balanced is the leak check: each machine has its claim, its node and its pod, and there is
// nothing of these without a machine.
func (w *world) balanced(t *testing.T, ctx context.Context, c *cluster) error {
	h := w.hosting(t)
	machines := &v1alpha1.MachineList{}
	if err := h.client.List(ctx, machines, client.InNamespace(v1alpha1.Namespace(c.name))); err != nil {
		return err
	}
	want, claimed := sets.New[string](), sets.New[string]()
	for _, machine := range machines.Items {
		want.Insert(machine.Name)
		claimed.Insert(machine.Spec.Claim.Name)
	}
	pods, err := h.kube.CoreV1().Pods(v1alpha1.Namespace(c.name)).List(ctx, metav1.ListOptions{LabelSelector: v1alpha1.LabelMachine})
	if err != nil {
		return err
	}
	nodes, err := c.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	claims := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "karpenter.sh/v1", "kind": "NodeClaimList"}}
	if err := c.client.List(ctx, claims); err != nil {
		return err
	}
	return errors.Join(
		same("node pods", want, names(pods.Items, func(p corev1.Pod) string { return p.Name })),
		same("nodes", want, names(nodes.Items, func(n corev1.Node) string { return n.Name })),
		same("claims", claimed, names(claims.Items, func(u unstructured.Unstructured) string { return u.GetName() })),
	)
}

func names[T any](items []T, name func(T) string) sets.Set[string] {
	found := sets.New[string]()
	for _, item := range items {
		found.Insert(name(item))
	}
	return found
}

func same(what string, want, got sets.Set[string]) error {
	if want.Equal(got) {
		return nil
	}
	return fmt.Errorf("%s without a machine: %v; machines without one of the %s: %v",
		what, sets.List(got.Difference(want)), what, sets.List(want.Difference(got)))
}
