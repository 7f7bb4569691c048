//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/test/naru"
)

// testRepair breaks machines of the small cluster.
func testRepair(t *testing.T, w *world) {
	c := w.small(t)
	eventually(t, "nodes", 2*time.Minute, c.wantNodes(1))
	t.Run("when a kubelet is killed, it is started again and the node stays", func(t *testing.T) {
		node := onlyNode(t, c)
		before := kubeletPID(t, w, node)
		if _, err := w.onMachine(t.Context(), node, "kill -9 "+before); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another kubelet", time.Minute, func(ctx context.Context) error {
			after, err := w.onMachine(ctx, node, "pgrep -x kubelet")
			if err == nil && strings.TrimSpace(after) == before {
				return fmt.Errorf("the kubelet is still process %s", before)
			}
			return err
		})
		eventually(t, "nodes", time.Minute, c.wantNodes(1))
		// A pod shows that it works, not only that it says so.
		create(t, c, pod("after-kubelet", w.image(t, "busybox"), forever()...))
		awaitPods(t, c, "after-kubelet")
		w.kubectl(t, c, "delete", "pod", "after-kubelet", "--wait=false")
	})
	t.Run("when a machine's pod is deleted, the group has its machine again", func(t *testing.T) {
		node := onlyNode(t, c)
		before, err := w.hosting(t).kube.CoreV1().Pods(v1alpha1.Namespace(c.name)).Get(t.Context(), node, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		err = w.hosting(t).kube.CoreV1().Pods(before.Namespace).Delete(t.Context(), node, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "another machine", 4*time.Minute, func(ctx context.Context) error {
			pods, err := w.componentPods(t, ctx, c.name)
			if err != nil {
				return err
			}
			if len(pods[nodeComponent]) != 1 || pods[nodeComponent][0].UID == before.UID {
				return fmt.Errorf("there are %d machines, or still the old one", len(pods[nodeComponent]))
			}
			return c.wantNodes(1)(ctx)
		})
		eventually(t, "balance", 2*time.Minute, func(ctx context.Context) error { return w.balanced(t, ctx, c) })
		create(t, c, pod("after-machine", w.image(t, "busybox"), forever()...))
		awaitPods(t, c, "after-machine")
		w.kubectl(t, c, "delete", "pod", "after-machine", "--wait=false")
	})
}

func onlyNode(t *testing.T, c *cluster) string {
	t.Helper()
	nodes, err := c.readyNodes(t.Context())
	if err != nil || len(nodes) != 1 {
		t.Fatalf("the nodes are %v, %v; want one", nodes, err)
	}
	return nodes[0]
}

// onMachine runs a script on a machine of the small cluster, as its root.
func (w *world) onMachine(ctx context.Context, node, script string) (string, error) {
	result, err := w.cli.Kubectl(ctx, naru.Hosting, "-n", v1alpha1.Namespace(smallCluster), "exec", node, "--", "sh", "-c", script)
	return result.Stdout, err
}

func kubeletPID(t *testing.T, w *world, node string) string {
	t.Helper()
	pid, err := w.onMachine(t.Context(), node, "pgrep -x kubelet")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(pid)
}
