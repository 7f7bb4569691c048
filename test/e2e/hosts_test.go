//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/internal/probe"
	"naru.dev/naru/internal/standalone/cgroup"
	"naru.dev/naru/test/naru"
)

const (
	// spreadCluster runs on three hosts, of which the last is lost.
	spreadCluster = "spread"
	lastHostName  = "host-3"
)

// testHosts has a platform of three hosts in three zones, and takes one of them away under a running cluster.
func testHosts(t *testing.T, w *world) {
	w.naru(t, "down", "--purge")
	w.naru(t, "up", "--hosts", "3")
	defer w.naru(t, "down", "--purge")
	t.Run("when it is up, each host is in a zone of its own", func(t *testing.T) {
		nodes, err := w.hosting(t).kube.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		hosts := map[string]string{}
		for _, node := range nodes.Items {
			hosts[node.Labels[corev1.LabelTopologyZone]] = node.Name
		}
		if len(hosts) != 3 || hosts[""] != "" {
			t.Errorf("hosts by zone are %v", hosts)
		}
	})
	c := w.shared(t, spreadCluster, func() {
		w.naru(t, "create", "cluster", spreadCluster, "--version", version, "--nodes", "2", "--wait", "--timeout", "5m")
	})
	complete := func(ctx context.Context) error { return w.wantControlPlane(t, ctx, spreadCluster, haControlPlane) }
	eventually(t, "control plane", 2*time.Minute, complete)
	t.Run("when a cluster is created, each host has a member of etcd and an API server", func(t *testing.T) {
		pods, err := w.componentPods(t, t.Context(), spreadCluster)
		if err != nil {
			t.Fatal(err)
		}
		for _, component := range []string{"etcd", "kube-apiserver"} {
			hosts := map[string]bool{}
			for _, pod := range pods[component] {
				hosts[pod.Spec.NodeName] = true
			}
			if len(hosts) != 3 {
				t.Errorf("%s is on %v", component, hosts)
			}
		}
	})
	t.Run("when a host is killed, its clusters answer within 5 s, lose nothing, and have all their parts again", func(t *testing.T) {
		w.loseHost(t, c, complete)
	})
}

// loseHost kills everything that runs on the last host, which the daemon starts again.
func (w *world) loseHost(t *testing.T, c *cluster, complete func(context.Context) error) {
	t.Helper()
	hierarchies, err := cgroup.Mounted()
	if err != nil {
		t.Fatal(err)
	}
	p, err := probe.Start(t.Context(), c.config, probe.Options{Deadline: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	before, err := w.memberOn(t, t.Context(), lastHostName)
	if err != nil {
		t.Fatal(err)
	}
	if err := cgroup.Kill(hierarchies, lastHostName); err != nil {
		t.Fatal(err)
	}
	// The hosting API says for a while that all is well: the member that was killed has to have started again.
	err = naru.Eventually(t.Context(), "another start of the host's member of etcd", 4*time.Minute, func(ctx context.Context) error {
		now, err := w.memberOn(t, ctx, lastHostName)
		if err == nil && now == before {
			err = fmt.Errorf("it is as it was: %s", now)
		}
		return err
	})
	if err == nil {
		err = naru.Eventually(t.Context(), "control plane", 4*time.Minute, complete)
	}
	report := p.Stop()
	t.Logf("probe: %v", report)
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Within(5 * time.Second); err != nil {
		t.Error(err)
	}
}

// memberOn is the pod of etcd on a host, and how often its container has started.
func (w *world) memberOn(t *testing.T, ctx context.Context, host string) (string, error) {
	t.Helper()
	pods, err := w.componentPods(t, ctx, spreadCluster)
	if err != nil {
		return "", err
	}
	for _, pod := range pods["etcd"] {
		if pod.Spec.NodeName == host {
			return fmt.Sprintf("%s, started %d times more", pod.UID, pod.Status.ContainerStatuses[0].RestartCount), nil
		}
	}
	return "", fmt.Errorf("no ready member of etcd is on %s", host)
}
