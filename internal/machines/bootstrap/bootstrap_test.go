package bootstrap

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/node/nodeconfig"
)

func testMachine() *v1alpha1.Machine {
	return &v1alpha1.Machine{
		ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: "workers-1a2b3c4d", UID: "u-1"},
		Spec: v1alpha1.MachineSpec{
			Image: "registry.naru.local/node:1.37.1",
			Labels: map[string]string{
				"topology.kubernetes.io/zone": "naru-1a", "node-role.kubernetes.io/gpu": "", "karpenter.sh/nodepool": "workers",
				"node.kubernetes.io/instance-type": "t3.medium", "team": "a", "example.k8s.io/x": "y",
			},
			Taints: []corev1.Taint{{Key: "karpenter.sh/unregistered", Effect: corev1.TaintEffectNoExecute}},
		},
	}
}

func TestFiles(t *testing.T) {
	cluster := Cluster{
		Server: "https://100.65.3.4:6443", CA: []byte("ca"), KubeProxy: []byte("proxy"), Agent: []byte("agent"),
		Konnectivity: []byte("certificate"), KonnectivityKey: []byte("key"),
		PodCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/16", PauseImage: "registry.naru.local/pause:3.10",
		RegistryAddress: "100.65.0.20:443", RegistryCA: []byte("registry-ca"),
	}
	class := v1alpha1.MachineClassSpec{CPU: resource.MustParse("2"), Memory: resource.MustParse("4Gi"), Pods: 110}
	files, err := Files(cluster, testMachine(), class, Identity{Certificate: []byte("own"), Key: []byte("own-key")})
	if err != nil {
		t.Fatal(err)
	}
	config, err := nodeconfig.Parse(files["node.json"])
	if err != nil {
		t.Fatalf("when files are made, the node accepts its configuration: %v", err)
	}
	want := nodeconfig.Config{
		Name: "workers-1a2b3c4d", ProviderID: "naru://demo/workers-1a2b3c4d", Role: nodeconfig.RoleWorker,
		Labels: map[string]string{
			"topology.kubernetes.io/zone": "naru-1a", "karpenter.sh/nodepool": "workers",
			"node.kubernetes.io/instance-type": "t3.medium", "team": "a",
		},
		Taints:  []corev1.Taint{{Key: "karpenter.sh/unregistered", Effect: corev1.TaintEffectNoExecute}},
		PodCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/16", ClusterDNS: "10.96.0.10", ClusterDomain: "cluster.local",
		APIServer: "https://100.65.3.4:6443", Capacity: &nodeconfig.Capacity{CPU: 2000, Memory: 4 << 30, Pods: 110},
		Registry:   &nodeconfig.Registry{Host: "registry.naru.local", Endpoint: "100.65.0.20:443", CAFile: "/etc/naru/registry-ca.crt"},
		PauseImage: "registry.naru.local/pause:3.10", Backend: "vxlan",
	}
	if diff := cmp.Diff(want, config); diff != "" {
		t.Errorf("when files are made, the configuration is the machine's (-want +got):\n%s", diff)
	}
	kubeconfig, err := clientcmd.Load(files["bootstrap.kubeconfig"])
	if err != nil {
		t.Fatal(err)
	}
	found, user := kubeconfig.Clusters["bootstrap"], kubeconfig.AuthInfos["bootstrap"]
	if found.Server != cluster.Server || string(user.ClientCertificateData) != "own" || string(user.ClientKeyData) != "own-key" || found.CertificateAuthority != "/etc/naru/ca.crt" {
		t.Errorf("when files are made, the kubelet joins as the machine, and trusts what the file holds: %+v, %+v", found, user)
	}
	for name, content := range map[string]string{"ca.crt": "ca", "kube-proxy.kubeconfig": "proxy", "agent.kubeconfig": "agent", "registry-ca.crt": "registry-ca",
		"konnectivity.crt": "certificate", "konnectivity.key": "key"} {
		if string(files[name]) != content {
			t.Errorf("%s: got %q, want %q", name, files[name], content)
		}
	}
}

func TestDNSAddress(t *testing.T) {
	for cidr, want := range map[string]string{"10.96.0.0/16": "10.96.0.10", "172.20.255.0/24": "172.20.255.10"} {
		if got, err := DNSAddress(cidr); err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", cidr, got, err, want)
		}
	}
}
