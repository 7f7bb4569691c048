//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/internal/standalone/cgroup"
	"naru.dev/naru/internal/standalone/daemon"
	"naru.dev/naru/internal/standalone/layout"
)

// testCrash kills every process of the platform at once, as a power failure does, and starts it again.
func testCrash(t *testing.T, w *world) {
	c := w.ha(t)
	w.kubectl(t, c, "apply", "-f", manifest)
	w.kubectl(t, c, "rollout", "status", "deployment/hello-store", "--timeout", "120s")
	content := fmt.Sprintf("before the crash at %s", time.Now().Format(time.RFC3339Nano))
	put(t, w, c, content)
	marker := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "crash-"}, Data: map[string]string{"content": content}}
	marker, err := c.kube.CoreV1().ConfigMaps("default").Create(t.Context(), marker, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	killEverything(t)
	begin := time.Now()
	w.naru(t, "up")
	t.Run("when everything crashed, an acknowledged write is there", func(t *testing.T) {
		// Ready may be what was seen before the crash; an answer is of now. The cluster has its old port.
		eventually(t, "an answer of the cluster", 3*time.Minute, func(ctx context.Context) error {
			found, err := c.kube.CoreV1().ConfigMaps("default").Get(ctx, marker.Name, metav1.GetOptions{})
			if err == nil && found.Data["content"] != content {
				t.Fatalf("it is %v", found.Data)
			}
			if apierrors.IsNotFound(err) {
				t.Fatal(err)
			}
			return err
		})
		t.Logf("back %.1fs after up was run", time.Since(begin).Seconds())
	})
	w.awaitReady(t, haCluster)
	t.Run("when everything crashed, nodes, application and volume come back", func(t *testing.T) {
		eventually(t, "nodes", 4*time.Minute, c.wantNodes(2))
		eventually(t, "the application", 4*time.Minute, func(ctx context.Context) error { return c.runsSince(ctx, begin, "app in (hello, hello-store)") })
		// A machine has another address now: its kubelet waits for a serving certificate with it.
		eventually(t, "an answer of the kubelet", 2*time.Minute, func(ctx context.Context) error {
			_, err := w.cli.Kubectl(ctx, c.name, "logs", "deployment/hello-store", "--tail", "1")
			return err
		})
		if got := get(t, w, c); got != content {
			t.Errorf("the volume holds %q, want %q", got, content)
		}
		eventually(t, "balance", 3*time.Minute, func(ctx context.Context) error { return w.balanced(t, ctx, c) })
	})
	t.Run("when everything crashed, the other cluster is back, too", func(t *testing.T) {
		if _, made := w.clusters[smallCluster]; made {
			w.awaitReady(t, smallCluster)
			eventually(t, "nodes", 4*time.Minute, w.small(t).wantNodes(1))
		}
	})
}

// runsSince says which container has not been started since then, or is not ready: until a kubelet has looked after its pods, their
// statuses are what they were when it ended.
func (c *cluster) runsSince(ctx context.Context, begin time.Time, selector string) error {
	pods, err := c.kube.CoreV1().Pods("default").List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return err
	}
	containers := 0
	for _, pod := range pods.Items {
		for _, container := range pod.Status.ContainerStatuses {
			containers++
			// Times in a status are of whole seconds.
			if running := container.State.Running; running == nil || running.StartedAt.Time.Before(begin.Truncate(time.Second)) || !container.Ready {
				return fmt.Errorf("container %s of pod %s is %+v", container.Name, pod.Name, container.State)
			}
		}
	}
	if containers == 0 {
		return fmt.Errorf("no container has a status")
	}
	return nil
}

// killEverything kills the daemon and all that runs under it, without a signal that could be caught.
func killEverything(t *testing.T) {
	t.Helper()
	state, err := layout.FindState("")
	if err != nil {
		t.Fatal(err)
	}
	status, err := daemon.Ask(t.Context(), state)
	if err != nil {
		t.Fatal(err)
	}
	hierarchies, err := cgroup.Mounted()
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(status.Daemon.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := cgroup.Kill(hierarchies, ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of all processes", 30*time.Second, func(context.Context) error {
		if left := cgroup.Pids(hierarchies); len(left) > 0 {
			return fmt.Errorf("%v are left", left)
		}
		if err := unix.Kill(status.Daemon.PID, 0); !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("the daemon is left: signal 0 gave %w", err)
		}
		return nil
	})
}
