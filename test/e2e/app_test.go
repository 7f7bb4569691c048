//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// manifest is the demo's application.
const manifest = "examples/hello/hello.yaml"

// testApplication runs the demo's application on the highly available cluster and uses everything
// that a cluster offers.
func testApplication(t *testing.T, w *world) {
	c := w.ha(t)
	eventually(t, "nodes", 2*time.Minute, c.wantNodes(2))
	nodes, err := c.readyNodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.kubectl(t, c, "apply", "-f", manifest)
	clients := clientPods(t, w, c, nodes)
	w.kubectl(t, c, "rollout", "status", "deployment/hello", "deployment/hello-store", "--timeout", "120s")
	t.Run("network", func(t *testing.T) { testNetwork(t, w, c, clients) })
	t.Run("volume", func(t *testing.T) { testVolume(t, w, c) })
	t.Run("policy", func(t *testing.T) { testPolicy(t, w, c, clients[0]) })
	t.Run("images", func(t *testing.T) { testImages(t, w, c) })
	t.Run("streams", func(t *testing.T) { testStreams(t, w, c, clients[0]) })
	t.Run("konnectivity", func(t *testing.T) { testKonnectivity(t, w, c) })
	t.Run("autoscaler", func(t *testing.T) { testAutoscaler(t, w, c, clients[0]) })
}

// clientPods starts a pod with a shell on each node.
func clientPods(t *testing.T, w *world, c *cluster, nodes []string) []string {
	t.Helper()
	image := w.image(t, "busybox")
	var names []string
	for i, node := range nodes {
		client := pod(fmt.Sprintf("client-%d", i), image, forever()...)
		client.Spec.NodeName = node
		create(t, c, client)
		names = append(names, client.Name)
	}
	awaitPods(t, c, names...)
	return names
}

func testNetwork(t *testing.T, w *world, c *cluster, clients []string) {
	servers := helloPods(t, c)
	for _, client := range clients {
		t.Run("when a pod connects to pods of all nodes, each answers", func(t *testing.T) {
			seen := map[string]bool{}
			for _, server := range servers {
				got, err := w.shell(t.Context(), c, client, "timeout 3 wget -qO- http://"+server.Status.PodIP+":8080")
				if err != nil || !strings.Contains(got, server.Name) {
					t.Errorf("%s on %s: got %q, %v", server.Name, server.Spec.NodeName, got, err)
				}
				seen[server.Spec.NodeName] = true
			}
			if len(seen) < 2 {
				t.Errorf("the application is on the nodes %v only: its pods are not spread", seen)
			}
		})
		for _, name := range []string{"hello", "hello.default", "hello.default.svc.cluster.local"} {
			t.Run("when a pod asks for the Service as "+name+", it is answered", func(t *testing.T) {
				eventually(t, "an answer", 30*time.Second, func(ctx context.Context) error {
					got, err := w.shell(ctx, c, client, "timeout 3 wget -qO- http://"+name)
					if err == nil && !strings.HasPrefix(got, "Hello from hello-") {
						return fmt.Errorf("got %q", got)
					}
					return err
				})
			})
		}
	}
	t.Run("when a Service is asked many times, pods of several nodes answer", func(t *testing.T) {
		got, err := w.shell(t.Context(), c, clients[0], "for i in $(seq 30); do timeout 3 wget -qO- http://hello; done")
		if err != nil {
			t.Fatal(err)
		}
		nodes := map[string]bool{}
		for _, line := range strings.Split(strings.TrimSpace(got), "\n") {
			nodes[line[strings.LastIndex(line, " ")+1:]] = true
		}
		if len(nodes) < 2 {
			t.Errorf("answers came from %v only:\n%s", nodes, got)
		}
	})
	t.Run("when a name does not exist, it is not resolved", func(t *testing.T) {
		if got, err := w.shell(t.Context(), c, clients[0], "nslookup nothing.default.svc.cluster.local"); err == nil {
			t.Errorf("got %s", got)
		}
	})
}

// helloPods are the application's pods, once as many are ready as its autoscaler wants at least.
func helloPods(t *testing.T, c *cluster) []corev1.Pod {
	t.Helper()
	var found []corev1.Pod
	eventually(t, "three pods of the application", 2*time.Minute, func(ctx context.Context) error {
		pods, err := c.kube.CoreV1().Pods("default").List(ctx, metav1.ListOptions{LabelSelector: "app=hello"})
		if err != nil {
			return err
		}
		found = nil
		for _, pod := range pods.Items {
			if podReady(&pod) && pod.DeletionTimestamp == nil {
				found = append(found, pod)
			}
		}
		if len(found) < 3 {
			return fmt.Errorf("%d are ready", len(found))
		}
		return nil
	})
	return found
}

func testVolume(t *testing.T, w *world, c *cluster) {
	content := fmt.Sprintf("written at %s", time.Now().Format(time.RFC3339Nano))
	put(t, w, c, content)
	t.Run("when its pod is replaced, a volume keeps its data", func(t *testing.T) {
		before := storePod(t, c)
		w.kubectl(t, c, "delete", "pod", before, "--wait=true")
		w.kubectl(t, c, "rollout", "status", "deployment/hello-store", "--timeout", "120s")
		if after := storePod(t, c); after == before {
			t.Fatalf("pod %s was not replaced", before)
		}
		if got := get(t, w, c); got != content {
			t.Errorf("the volume holds %q, want %q", got, content)
		}
	})
	t.Run("when a claim's size is written, there is no more room, and when it is deleted, its volume is reclaimed", func(t *testing.T) {
		testClaim(t, w, c)
	})
}

func storePod(t *testing.T, c *cluster) string {
	t.Helper()
	pods, err := c.kube.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{LabelSelector: "app=hello-store"})
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil {
			return pod.Name
		}
	}
	t.Fatal("hello-store has no pod")
	return ""
}

func testClaim(t *testing.T, w *world, c *cluster) {
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "scratch"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: quantity("10Mi")}},
		},
	}
	if _, err := c.kube.CoreV1().PersistentVolumeClaims("default").Create(t.Context(), claim, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	user := pod("scratch", w.image(t, "busybox"), forever()...)
	user.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name}}}}
	user.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	create(t, c, user)
	awaitPods(t, c, user.Name)
	bound, err := c.kube.CoreV1().PersistentVolumeClaims("default").Get(t.Context(), claim.Name, metav1.GetOptions{})
	if err != nil || bound.Spec.VolumeName == "" {
		t.Fatalf("the claim is not bound: %v", err)
	}
	if said, err := w.shell(t.Context(), c, user.Name, "dd if=/dev/zero of=/data/much bs=1M count=64 2>&1"); err == nil || !strings.Contains(said, "No space left") {
		t.Errorf("64 MiB were written to a claim of 10 MiB: %s, %v", said, err)
	}
	if said, err := w.shell(t.Context(), c, user.Name, "rm /data/much && dd if=/dev/zero of=/data/some bs=1M count=4 2>&1"); err != nil {
		t.Errorf("when a full volume was cleared, 4 MiB of its 10 can't be written: %s, %v", said, err)
	}
	w.kubectl(t, c, "delete", "pod/scratch", "pvc/scratch")
	eventually(t, "the volume to be gone", time.Minute, func(ctx context.Context) error {
		_, err := c.kube.CoreV1().PersistentVolumes().Get(ctx, bound.Spec.VolumeName, metav1.GetOptions{})
		return gone(err)
	})
}

// testAutoscaler loads the application until its HorizontalPodAutoscaler adds pods.
func testAutoscaler(t *testing.T, w *world, c *cluster, client string) {
	t.Run("when nodes are looked at, kubectl top knows their use", func(t *testing.T) {
		eventually(t, "metrics", 2*time.Minute, func(ctx context.Context) error {
			result, err := w.cli.Kubectl(ctx, c.name, "top", "nodes", "--no-headers")
			if err == nil && len(strings.Split(strings.TrimSpace(result.Stdout), "\n")) < 2 {
				return fmt.Errorf("too few nodes:\n%s", result.Stdout)
			}
			return err
		})
	})
	t.Run("when the application is busy, it gets more pods", func(t *testing.T) {
		helloPods(t, c)
		load, err := w.cli.Command(t.Context(), c.name, "exec", client, "--", "sh", "-c", "while :; do timeout 5 wget -qO /dev/null 'http://hello/burn?ms=60'; sleep 0.06; done")
		if err != nil {
			t.Fatal(err)
		}
		if err := load.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			// Ends by the signal, which is an error that says nothing.
			_ = load.Process.Kill()
			_ = load.Wait()
			_, _ = w.shell(context.Background(), c, client, "killall wget sh")
		}()
		eventually(t, "a fourth pod", 3*time.Minute, func(ctx context.Context) error {
			deployment, err := c.kube.AppsV1().Deployments("default").Get(ctx, "hello", metav1.GetOptions{})
			if err == nil && deployment.Status.ReadyReplicas < 4 {
				return fmt.Errorf("%d replicas are wanted, %d ready", *deployment.Spec.Replicas, deployment.Status.ReadyReplicas)
			}
			return err
		})
	})
}
