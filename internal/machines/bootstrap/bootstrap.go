// Package bootstrap writes what a new machine is given to join its cluster: the files that `naru node` finds
// beside its configuration. It is pure.
package bootstrap

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/node/nodeconfig"
)

// Names of the files; internal/node/paths.go reads them by these.
const (
	configFile     = "node.json"
	caFile         = "ca.crt"
	bootstrapFile  = "bootstrap.kubeconfig"
	kubeProxyFile  = "kube-proxy.kubeconfig"
	agentFile      = "agent.kubeconfig"
	registryCAFile = "registry-ca.crt"
	// konnectivityFile and konnectivityKeyFile are the certificate and key of the node's konnectivity agent.
	konnectivityFile    = "konnectivity.crt"
	konnectivityKeyFile = "konnectivity.key"
)

// Cluster is what the files of every machine of a cluster have in common.
type Cluster struct {
	// Server is the URL of the cluster's API server, as machines reach it.
	Server string
	// CA, KubeProxy and Agent are the cluster's CA certificates, the one that signs first, and its agents' kubeconfigs.
	CA, KubeProxy, Agent []byte
	// Konnectivity and KonnectivityKey are what konnectivity's agents show to the API servers.
	Konnectivity, KonnectivityKey []byte
	PodCIDR, ServiceCIDR          string
	// PauseImage is the sandbox image.
	PauseImage string
	// Early says that the machine starts before the cluster answers. FirstImages are pulled then, while it waits.
	Early       bool
	FirstImages []string
	// RegistryAddress is host:port or the address that serves the registry which images come from, RegistryCA its CA.
	RegistryAddress string
	RegistryCA      []byte
}

// Identity is a client certificate, and its key, that a machine's kubelet works with until it has asked for one of its own. A
// machine that has joined is given none.
type Identity struct{ Certificate, Key []byte }

// Files returns the bootstrap files of a machine, by name.
func Files(cluster Cluster, machine *v1alpha1.Machine, class v1alpha1.MachineClassSpec, identity Identity) (map[string][]byte, error) {
	config, err := nodeConfig(cluster, machine, class)
	if err != nil {
		return nil, err
	}
	encoded, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding node configuration: %w", err)
	}
	kubeconfig, err := kubeconfig(cluster, identity)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		configFile:          encoded,
		caFile:              cluster.CA,
		bootstrapFile:       kubeconfig,
		kubeProxyFile:       cluster.KubeProxy,
		agentFile:           cluster.Agent,
		registryCAFile:      cluster.RegistryCA,
		konnectivityFile:    cluster.Konnectivity,
		konnectivityKeyFile: cluster.KonnectivityKey,
	}, nil
}

func nodeConfig(cluster Cluster, machine *v1alpha1.Machine, class v1alpha1.MachineClassSpec) (nodeconfig.Config, error) {
	dns, err := DNSAddress(cluster.ServiceCIDR)
	if err != nil {
		return nodeconfig.Config{}, err
	}
	var images []string
	if cluster.Early {
		images = cluster.FirstImages
	}
	registry, _, ok := strings.Cut(machine.Spec.Image, "/")
	if !ok {
		return nodeconfig.Config{}, fmt.Errorf("reading node image %q: it names no registry", machine.Spec.Image)
	}
	return nodeconfig.Config{
		Name:        machine.Name,
		ProviderID:  v1alpha1.ProviderID(v1alpha1.ClusterOf(machine.Namespace), machine.Name),
		Role:        nodeconfig.RoleWorker,
		Labels:      kubeletLabels(machine.Spec.Labels),
		Taints:      machine.Spec.Taints,
		PodCIDR:     cluster.PodCIDR,
		ServiceCIDR: cluster.ServiceCIDR,
		ClusterDNS:  dns,
		APIServer:   cluster.Server,
		Capacity:    &nodeconfig.Capacity{CPU: class.CPU.MilliValue(), Memory: class.Memory.Value(), Pods: class.Pods},
		Registry: &nodeconfig.Registry{
			Host: registry, Endpoint: cluster.RegistryAddress, CAFile: path.Join(path.Dir(nodeconfig.Path), registryCAFile),
		},
		PauseImage: cluster.PauseImage,
		Images:     images,
	}, nil
}

// DNSAddress is the tenth address of a service range, which is the DNS Service's by convention.
func DNSAddress(serviceCIDR string) (string, error) {
	prefix, err := netip.ParsePrefix(serviceCIDR)
	if err != nil {
		return "", fmt.Errorf("reading service range: %w", err)
	}
	address := prefix.Masked().Addr()
	for range 10 {
		address = address.Next()
	}
	return address.String(), nil
}

// kubeletLabels leaves out the labels that a kubelet may not give itself: it ends with an error when asked to.
// Karpenter puts them on the node. The rules are those of isKubernetesLabel and IsKubeletLabel in
// k8s.io/kubernetes pkg/kubelet/apis/well_known_labels.go.
func kubeletLabels(labels map[string]string) map[string]string {
	kept := map[string]string{}
	for key, value := range labels {
		if kubeletMaySet(key) {
			kept[key] = value
		}
	}
	return kept
}

func kubeletMaySet(key string) bool {
	domain, _, qualified := strings.Cut(key, "/")
	if !qualified || !within(domain, "kubernetes.io") && !within(domain, "k8s.io") {
		return true
	}
	if within(domain, "kubelet.kubernetes.io") || within(domain, "node.kubernetes.io") {
		return true
	}
	return slices.Contains([]string{
		"kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os",
		"topology.kubernetes.io/zone", "topology.kubernetes.io/region",
		"failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
		"beta.kubernetes.io/arch", "beta.kubernetes.io/os", "beta.kubernetes.io/instance-type",
	}, key)
}

func within(domain, of string) bool { return domain == of || strings.HasSuffix(domain, "."+of) }

func kubeconfig(cluster Cluster, identity Identity) ([]byte, error) {
	const name = "bootstrap"
	encoded, err := yaml.Marshal(map[string]any{
		"apiVersion":      "v1",
		"kind":            "Config",
		"current-context": name,
		"contexts":        []any{map[string]any{"name": name, "context": map[string]any{"cluster": name, "user": name}}},
		"clusters": []any{map[string]any{"name": name, "cluster": map[string]any{
			// By name: the kubelet's own kubeconfig, which it makes of this one, then has what the file holds in the end.
			"server": cluster.Server, "certificate-authority": path.Join(path.Dir(nodeconfig.Path), caFile),
		}}},
		"users": []any{map[string]any{"name": name, "user": map[string]any{
			"client-certificate-data": identity.Certificate, "client-key-data": identity.Key,
		}}},
	})
	if err != nil {
		return nil, fmt.Errorf("encoding bootstrap kubeconfig: %w", err)
	}
	return encoded, nil
}
