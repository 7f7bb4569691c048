package bootstrap

import (
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"naru.dev/naru/internal/standalone/layout"
)

// JoinKubeconfig is, inside a joining host, what it reaches the cluster with.
const JoinKubeconfig = "/etc/naru/join.kubeconfig"

// EncryptionPath is, inside a host, what Secrets are encrypted with.
const EncryptionPath = "/etc/kubernetes/encryption.yaml"

type arg struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// RenderKubeadm returns kubeadm's configuration for a host of the platform.
func RenderKubeadm(spec layout.Spec, host layout.Host, join bool) (string, error) {
	documents := []map[string]any{initConfiguration(host), clusterConfiguration(spec)}
	if join {
		documents = []map[string]any{joinConfiguration(host), clusterConfiguration(spec)}
	}
	var out []string
	for _, document := range documents {
		data, err := yaml.Marshal(document)
		if err != nil {
			return "", fmt.Errorf("rendering kubeadm configuration: %w", err)
		}
		out = append(out, string(data))
	}
	return strings.Join(out, "---\n"), nil
}

func header(kind string) map[string]any {
	return map[string]any{"apiVersion": "kubeadm.k8s.io/v1beta4", "kind": kind}
}

// registration registers a node without taints: hosts run everybody's pods.
func registration(host layout.Host) map[string]any {
	return map[string]any{
		"name":            host.Name(),
		"criSocket":       "unix://" + socket,
		"imagePullPolicy": "IfNotPresent",
		"taints":          []any{},
	}
}

// skipped are phases that are not wanted: kube-proxy is a process of the node,
// and `naru up` has its own preflight checks.
func skipped(join bool) []string {
	if join {
		return []string{"preflight"}
	}
	return []string{"preflight", "addon/kube-proxy"}
}

func initConfiguration(host layout.Host) map[string]any {
	c := header("InitConfiguration")
	c["localAPIEndpoint"] = map[string]any{"advertiseAddress": host.IP(), "bindPort": layout.APIPort}
	c["nodeRegistration"] = registration(host)
	c["skipPhases"] = skipped(false)
	c["patches"] = map[string]any{"directory": PatchesDir}
	c["timeouts"] = timeouts()
	return c
}

func joinConfiguration(host layout.Host) map[string]any {
	c := header("JoinConfiguration")
	c["discovery"] = map[string]any{"file": map[string]any{"kubeConfigPath": JoinKubeconfig}}
	c["controlPlane"] = map[string]any{
		"localAPIEndpoint": map[string]any{"advertiseAddress": host.IP(), "bindPort": layout.APIPort},
	}
	c["nodeRegistration"] = registration(host)
	c["skipPhases"] = skipped(true)
	c["patches"] = map[string]any{"directory": PatchesDir}
	c["timeouts"] = timeouts()
	return c
}

// timeouts give a slow machine time: `naru up` has its own deadline, and kubeadm, which gives up before it, would only
// be started again. The API server's startup probe allows for the first one, too.
func timeouts() map[string]any {
	return map[string]any{"controlPlaneComponentHealthCheck": "15m0s", "kubernetesAPICall": "5m0s", "tlsBootstrap": "15m0s"}
}

func clusterConfiguration(spec layout.Spec) map[string]any {
	c := header("ClusterConfiguration")
	c["clusterName"] = "naru"
	c["kubernetesVersion"] = spec.Kubernetes
	c["imageRepository"] = layout.RegistryHost
	c["encryptionAlgorithm"] = "ECDSA-P256"
	c["controlPlaneEndpoint"] = fmt.Sprintf("%s:%d", layout.APIName, layout.APIPort)
	c["networking"] = map[string]any{
		"podSubnet": layout.PodCIDR, "serviceSubnet": layout.ServiceCIDR, "dnsDomain": layout.ClusterDomain,
	}
	c["dns"] = map[string]any{"imageRepository": layout.RegistryHost, "imageTag": tag(spec.Images["coredns"])}
	c["proxy"] = map[string]any{"disabled": true}
	c["etcd"] = map[string]any{"local": map[string]any{
		"dataDir": "/var/lib/etcd", "imageRepository": layout.RegistryHost, "imageTag": tag(spec.Images["etcd"]),
	}}
	c["apiServer"] = apiServer()
	leases := leaderElection()
	c["controllerManager"] = map[string]any{"extraArgs": append([]arg{
		// A host that is gone is noticed within this; the default takes 50 s.
		{"node-monitor-grace-period", "20s"},
		{"profiling", "false"},
	}, leases...)}
	c["scheduler"] = map[string]any{"extraArgs": append([]arg{{"profiling", "false"}}, leases...)}
	return c
}

// leaderElection is patient: a controller that can't renew within the deadline
// ends itself, and on a machine that is busy booting clusters a write to etcd
// can take seconds. The first start takes the lease at once either way.
func leaderElection() []arg {
	return []arg{
		{"leader-elect-lease-duration", "25s"},
		{"leader-elect-renew-deadline", "20s"},
		{"leader-elect-retry-period", "2s"},
	}
}

func apiServer() map[string]any {
	return map[string]any{
		"certSANs": certSANs(),
		"extraArgs": []arg{
			{"encryption-provider-config", EncryptionPath},
			// Pods leave a lost host soon, not after five minutes.
			{"default-not-ready-toleration-seconds", "20"},
			{"default-unreachable-toleration-seconds", "20"},
			{"profiling", "false"},
		},
		"extraVolumes": []map[string]any{{
			"name": "encryption", "hostPath": EncryptionPath, "mountPath": EncryptionPath,
			"readOnly": true, "pathType": "File",
		}},
	}
}

// certSANs names every host, present and future, so that one more host does
// not take new certificates.
func certSANs() []string {
	names := []string{"127.0.0.1", "localhost", layout.APIName}
	for _, host := range layout.Hosts(layout.MaxHosts) {
		names = append(names, host.IP())
	}
	return names
}

func tag(ref string) string {
	return ref[strings.LastIndex(ref, ":")+1:]
}

// Patches are changes to kubeadm's static pods, by file name. Their CPU
// requests are sized for a machine of their own; here tenants need the room.
func Patches() map[string]string {
	patches := map[string]string{}
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		patches[name+"0+strategic.yaml"] = fmt.Sprintf(
			"spec:\n  containers:\n  - name: %s\n    resources:\n      requests:\n        cpu: 25m\n", name)
	}
	return patches
}
