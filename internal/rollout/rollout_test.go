package rollout

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/progress"
)

func TestCluster(t *testing.T) {
	now := time.Unix(0, 0)
	var out bytes.Buffer
	p := progress.New(&out, progress.Options{Now: func() time.Time { return now }})
	cluster := backend.NewCluster("prod", "1.37", 3, v1alpha1.NetworkingSpec{})
	cluster.Generation = 1
	shown := NewCluster(p, "prod")
	observe := func(after time.Duration, becomesTrue ...string) {
		now = now.Add(after)
		for _, condition := range becomesTrue {
			conditions.True(cluster, condition, v1alpha1.ReasonReady, "")
		}
		shown.Observe(cluster)
	}
	cluster.Status.Endpoint.Port = 6443
	observe(0)
	observe(time.Second, v1alpha1.ClusterEndpointReady, v1alpha1.ClusterPKIReady)
	observe(9*time.Second, v1alpha1.ClusterEtcdReady)
	observe(time.Second, v1alpha1.ClusterBootstrapped) // out of order, as after a restart
	cluster.Status.Version = "v1.37.1"
	observe(4*time.Second, v1alpha1.ClusterControlPlaneReady)
	shown.End(nil)
	want := `done       1.0s  cluster prod: endpoint (https://127.0.0.1:6443)
done       0.0s  cluster prod: certificates
done       9.0s  cluster prod: etcd
done       0.0s  cluster prod: add-ons
done       5.0s  cluster prod: control plane (v1.37.1)
done      15.0s  cluster prod
`
	t.Run("when phases become true, each is shown once with its own duration", func(t *testing.T) {
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("when the spec has changed, conditions of the old one do not count", func(t *testing.T) {
		out.Reset()
		cluster.Generation = 2
		again := NewCluster(p, "prod")
		again.Observe(cluster)
		if out.String() != "" {
			t.Errorf("printed %q", out.String())
		}
	})
}
