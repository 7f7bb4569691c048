//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/standalone/layout"
)

// testDelete deletes the small cluster and looks for what it could have left.
func testDelete(t *testing.T, w *world) {
	w.small(t)
	survivor := w.clusters[haCluster]
	found := &v1alpha1.Cluster{}
	if err := w.hosting(t).client.Get(t.Context(), client.ObjectKey{Name: smallCluster}, found); err != nil {
		t.Fatal(err)
	}
	port := int(found.Status.Endpoint.Port)
	if !listens(port) {
		t.Fatalf("the cluster's API is not published on 127.0.0.1:%d", port)
	}
	w.naru(t, "delete", "cluster", smallCluster, "--yes", "--wait", "--timeout", "4m")
	w.forget(t, smallCluster)
	t.Run("when a cluster is deleted, nothing of it is left", func(t *testing.T) {
		eventually(t, "nothing", time.Minute, func(ctx context.Context) error { return w.nothingLeft(t, ctx, smallCluster) })
		eventually(t, "closed port", 30*time.Second, func(context.Context) error {
			if listens(port) {
				return fmt.Errorf("something still answers on 127.0.0.1:%d", port)
			}
			return nil
		})
	})
	t.Run("when a cluster is deleted again, it says that there is none", func(t *testing.T) {
		result, err := w.cli.Naru(t.Context(), "delete", "cluster", smallCluster, "--yes")
		requireRefused(t, result, err, smallCluster, "there is no cluster")
	})
	t.Run("when a cluster is deleted, another is not touched", func(t *testing.T) {
		if survivor != nil {
			w.awaitReady(t, haCluster)
			eventually(t, "nodes", time.Minute, survivor.wantNodes(2))
		}
	})
}

func (w *world) nothingLeft(t *testing.T, ctx context.Context, name string) error {
	h, namespace := w.hosting(t), v1alpha1.Namespace(name)
	if _, err := h.kube.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{}); gone(err) != nil {
		return fmt.Errorf("namespace %s: %w", namespace, gone(err))
	}
	volumes, err := h.kube.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, volume := range volumes.Items {
		if claim := volume.Spec.ClaimRef; claim != nil && claim.Namespace == namespace {
			return fmt.Errorf("volume %s of %s/%s", volume.Name, namespace, claim.Name)
		}
	}
	state, err := layout.FindState("")
	if err != nil {
		return err
	}
	folders, err := filepath.Glob(filepath.Join(string(state), "hosts", "*", "data", "volumes", "*"+namespace+"*"))
	if err != nil || len(folders) > 0 {
		return fmt.Errorf("folders %s: %w", strings.Join(folders, ", "), err)
	}
	return nil
}

// testDown stops the platform and looks for what it could have left.
func testDown(t *testing.T, w *world) {
	w.naru(t, "up")
	clusters := &v1alpha1.ClusterList{}
	if err := w.hosting(t).client.List(t.Context(), clusters); err != nil {
		t.Fatal(err)
	}
	var ports []int
	for _, c := range clusters.Items {
		ports = append(ports, int(c.Status.Endpoint.Port))
	}
	namespaces := platformNamespaces(t)
	if len(namespaces) == 0 {
		t.Fatal("the platform has no network namespace, so this test would find none left")
	}
	w.naru(t, "down")
	takeFootprint(t, ports...).requireNone(t, w.machine)
	if used := stillUsed(t, namespaces); len(used) > 0 {
		t.Errorf("network namespaces were left: %v", used)
	}
	t.Run("when it is down, status says so", func(t *testing.T) {
		result, err := w.cli.Naru(t.Context(), "status")
		requireRefused(t, result, err, "naru up")
	})
	t.Run("when it is down, down changes nothing", func(t *testing.T) { w.naru(t, "down") })
	t.Run("when it is purged, no file is left", func(t *testing.T) {
		w.naru(t, "down", "--purge")
		if exists(stateDir) {
			t.Errorf("%s is left", stateDir)
		}
	})
}
