//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/probe"
)

var haControlPlane = map[string]int{"etcd": 3, "kube-apiserver": 3, "kube-controller-manager": 2, "kube-scheduler": 2}

// undisturbed runs disturb while the probe reads and writes, and ends the test when a request failed.
func undisturbed(t *testing.T, c *cluster, disturb func()) {
	t.Helper()
	p, err := probe.Start(t.Context(), c.config, probe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop := func() probe.Report {
		stopped = true
		return p.Stop()
	}
	// The probe also ends when disturb ends the test.
	defer func() {
		if !stopped {
			t.Logf("probe: %v", stop())
		}
	}()
	disturb()
	report := stop()
	if err := report.Undisturbed(); err != nil {
		t.Fatal(err)
	}
	t.Logf("probe: %v", report)
}

// testFaults takes pods of the highly available control plane away, one at a time.
func testFaults(t *testing.T, w *world) {
	c := w.ha(t)
	complete := func(ctx context.Context) error { return w.wantControlPlane(t, ctx, c.name, haControlPlane) }
	eventually(t, "control plane", 2*time.Minute, complete)
	for _, component := range []string{"kube-apiserver", "etcd", "kube-controller-manager", "kube-scheduler"} {
		t.Run("when a pod of "+component+" is deleted, no request fails", func(t *testing.T) {
			undisturbed(t, c, func() {
				w.deletePod(t, component)
				eventually(t, "control plane", 3*time.Minute, complete)
			})
		})
	}
	t.Run("when the front is replaced, no request fails", func(t *testing.T) {
		undisturbed(t, c, func() {
			namespace := v1alpha1.Namespace(haCluster)
			w.kubectlHosting(t, "-n", namespace, "rollout", "restart", "daemonset/front")
			w.kubectlHosting(t, "-n", namespace, "rollout", "status", "daemonset/front", "--timeout", "180s")
			// The rollout does not count the old one, which ends with its last connection.
			eventually(t, "one front", 2*time.Minute, func(ctx context.Context) error {
				pods, err := w.hosting(t).kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: v1alpha1.LabelComponent + "=front"})
				if err == nil && len(pods.Items) != 1 {
					err = fmt.Errorf("there are %d", len(pods.Items))
				}
				return err
			})
		})
	})
	t.Run("when an etcd member loses its data, it joins again and no request fails", func(t *testing.T) {
		undisturbed(t, c, func() {
			w.loseMember(t)
			eventually(t, "control plane", 4*time.Minute, complete)
		})
	})
}

// deletePod deletes the first pod of a component, as a drain does, and waits until it is gone.
func (w *world) deletePod(t *testing.T, component string) {
	t.Helper()
	pods, err := w.componentPods(t, t.Context(), haCluster)
	if err != nil || len(pods[component]) == 0 {
		t.Fatalf("there is no pod of %s: %v", component, err)
	}
	victim := pods[component][0]
	client := w.hosting(t).kube.CoreV1().Pods(victim.Namespace)
	if err := client.Delete(t.Context(), victim.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, victim.Name+" to be gone", 2*time.Minute, func(ctx context.Context) error {
		// A StatefulSet's pod comes back under its name.
		found, err := client.Get(ctx, victim.Name, metav1.GetOptions{})
		if err == nil && found.UID != victim.UID {
			return nil
		}
		return gone(err)
	})
}

// loseMember deletes a member's volume together with its pod.
func (w *world) loseMember(t *testing.T) {
	t.Helper()
	h, namespace := w.hosting(t), v1alpha1.Namespace(haCluster)
	claims, err := h.kube.CoreV1().PersistentVolumeClaims(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(claims.Items, func(c corev1.PersistentVolumeClaim) bool { return strings.HasSuffix(c.Name, "etcd-1") })
	if i < 0 {
		t.Fatalf("no claim in %s is etcd-1's", namespace)
	}
	claim := claims.Items[i]
	if err := h.kube.CoreV1().PersistentVolumeClaims(namespace).Delete(t.Context(), claim.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := h.kube.CoreV1().Pods(namespace).Delete(t.Context(), "etcd-1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old volume to be gone", 2*time.Minute, func(ctx context.Context) error {
		_, err := h.kube.CoreV1().PersistentVolumes().Get(ctx, claim.Spec.VolumeName, metav1.GetOptions{})
		return gone(err)
	})
}

// testReplicas makes the highly available control plane small and large again.
func testReplicas(t *testing.T, w *world) {
	c := w.ha(t)
	w.awaitReady(t, haCluster)
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprintf("when the control plane is set to %d, no request fails", replicas), func(t *testing.T) {
			undisturbed(t, c, func() {
				w.naru(t, "scale", "cluster", haCluster, "--control-plane-replicas", fmt.Sprint(replicas), "--wait", "--timeout", "5m")
				w.awaitReady(t, haCluster)
				eventually(t, "control plane", 2*time.Minute, func(ctx context.Context) error {
					return w.wantControlPlane(t, ctx, haCluster, map[string]int{"etcd": replicas, "kube-apiserver": replicas})
				})
			})
		})
	}
	testTier(t, w, c)
}

// awaitReady waits until a cluster is Ready for its present spec.
func (w *world) awaitReady(t *testing.T, name string) {
	t.Helper()
	eventually(t, "cluster "+name, 5*time.Minute, func(ctx context.Context) error {
		found := &v1alpha1.Cluster{}
		if err := w.hosting(t).client.Get(ctx, client.ObjectKey{Name: name}, found); err != nil {
			return err
		}
		if !conditions.IsTrue(found, v1alpha1.ClusterReady) || found.Status.ObservedGeneration != found.Generation {
			return fmt.Errorf("its conditions are %v", found.Status.Conditions)
		}
		return nil
	})
}
