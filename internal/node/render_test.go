package node

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"naru.dev/naru/internal/node/nodeconfig"
)

var update = flag.Bool("update", false, "rewrite golden files")

func worker() nodeconfig.Config {
	return nodeconfig.Config{
		Name: "m-1", ProviderID: "naru://demo/m-1", Role: nodeconfig.RoleWorker,
		Labels:  map[string]string{"topology.kubernetes.io/zone": "naru-1a", "a": "b"},
		Taints:  []corev1.Taint{{Key: "dedicated", Value: "db", Effect: corev1.TaintEffectNoSchedule}},
		PodCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/16", ClusterDNS: "10.96.0.10", ClusterDomain: "cluster.local",
		APIServer: "https://100.65.3.4:6443",
		Capacity:  &nodeconfig.Capacity{CPU: 2000, Memory: 4 << 30, Pods: 17},
		Registry:  &nodeconfig.Registry{Host: "registry.naru.local", Endpoint: "100.65.0.20", CAFile: "/etc/naru/registry-ca.crt"},
		Backend:   "vxlan", PauseImage: "registry.naru.local/pause:3.10.2",
	}
}

func host() nodeconfig.Config {
	c := worker()
	c.Name, c.Role, c.ProviderID, c.Taints, c.Capacity = "host-1", nodeconfig.RoleHost, "", nil, nil
	c.Bootstrap = []string{"/usr/local/bin/naru", "daemon", "bootstrap"}
	return c
}

func TestRender(t *testing.T) {
	cases := map[string]struct {
		config nodeconfig.Config
		seen   facts
	}{
		"worker":                      {worker(), facts{ip: "100.64.1.7", lowersOOMScore: true, cgroupV2: true}},
		"host-without-sys-resource":   {host(), facts{ip: "100.66.0.11"}},
		"worker-without-sys-resource": {worker(), facts{ip: "100.64.1.7"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			files, err := render(c.config, c.seen)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, path := range slices.Sorted(maps.Keys(files)) {
				got.WriteString("### " + path + "\n" + files[path])
			}
			for _, process := range processes(c.config, c.seen) {
				got.WriteString("### process " + process.Name + "\n" + strings.Join(process.Command, "\n") + "\n")
			}
			golden(t, filepath.Join("testdata", name+".golden"), got.String())
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("when nothing is meant to change, it renders what it did (-want +got; -update rewrites):\n%s", diff)
	}
}
