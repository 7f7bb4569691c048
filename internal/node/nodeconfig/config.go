// Package nodeconfig is the contract between whoever makes a node (a machine
// driver, `naru up`) and `naru node`, which runs as its PID 1: one JSON file.
package nodeconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"

	corev1 "k8s.io/api/core/v1"
)

// Path is where `naru node` looks for its configuration.
const Path = "/etc/naru/node.json"

// Role says which files a node finds its credentials in.
type Role string

const (
	// RoleHost is an embedded host of the hosting cluster; kubeadm writes its credentials.
	RoleHost Role = "host"
	// RoleWorker is a node that joins as who the bootstrap kubeconfig beside its configuration says.
	RoleWorker Role = "worker"
)

// Config describes one node. Its zero value is invalid.
type Config struct {
	// Name is the node's name in its cluster.
	Name string `json:"name"`
	// ProviderID is written to the Node object, for instance naru://demo/m-1.
	ProviderID string `json:"providerID,omitempty"`
	// Role defaults to worker.
	Role Role `json:"role,omitempty"`
	// Labels and Taints are registered with the Node object.
	Labels map[string]string `json:"labels,omitempty"`
	Taints []corev1.Taint    `json:"taints,omitempty"`
	// IP is the node's address; empty means the first address of eth0.
	IP string `json:"ip,omitempty"`
	// PodCIDR and ServiceCIDR are the whole cluster's ranges, not this node's share.
	PodCIDR     string `json:"podCIDR"`
	ServiceCIDR string `json:"serviceCIDR"`
	// ClusterDNS is the address of the cluster's DNS Service.
	ClusterDNS string `json:"clusterDNS"`
	// ClusterDomain defaults to cluster.local.
	ClusterDomain string `json:"clusterDomain,omitempty"`
	// APIServer is the URL of the cluster's API server, which a worker waits for; the kubeconfigs carry it too. Workers only.
	APIServer string `json:"apiServer,omitempty"`
	// Capacity is what the node promises; nil means the machine's own.
	Capacity *Capacity `json:"capacity,omitempty"`
	// Registry is where the node's images come from; nil means preloaded images only.
	Registry *Registry `json:"registry,omitempty"`
	// Backend is the pod network's: vxlan (default) or host-gw.
	Backend string `json:"backend,omitempty"`
	// PauseImage is the sandbox image's full reference.
	PauseImage string `json:"pauseImage"`
	// Images are pulled as soon as containerd answers, beside everything else: a node that waits for its cluster has time.
	Images []string `json:"images,omitempty"`
	// Bootstrap is a command run, and retried until it succeeds, once
	// containerd answers. Hosts only: image import and kubeadm.
	Bootstrap []string `json:"bootstrap,omitempty"`
}

// Capacity is what the kubelet reports for the node.
type Capacity struct {
	// CPU in thousandths of a core; reported in whole cores, rounded up.
	CPU int64 `json:"cpu"`
	// Memory in bytes.
	Memory int64 `json:"memory"`
	// Pods is the largest number of pods; 0 means 110.
	Pods int32 `json:"pods,omitempty"`
}

// Registry is how containerd reaches the registry that image references name.
type Registry struct {
	// Host is the name in references, registry.naru.local.
	Host string `json:"host"`
	// Endpoint is the address that serves it, host or host:port; always TLS.
	Endpoint string `json:"endpoint"`
	// CAFile is the PEM file that its certificate is checked with.
	CAFile string `json:"caFile"`
}

// Load reads, defaults and validates the configuration at path.
func Load(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("reading node configuration: %w", err)
	}
	return Parse(data)
}

// Parse decodes, defaults and validates a configuration.
func Parse(data []byte) (Config, error) {
	var c Config
	if err := json.Unmarshal(data, &c); err != nil {
		return Config{}, fmt.Errorf("decoding node configuration: %w", err)
	}
	c = c.withDefaults()
	return c, c.validate()
}

func (c Config) withDefaults() Config {
	if c.Role == "" {
		c.Role = RoleWorker
	}
	if c.ClusterDomain == "" {
		c.ClusterDomain = "cluster.local"
	}
	if c.Backend == "" {
		c.Backend = "vxlan"
	}
	return c
}

// APIServerHost is the host of APIServer's URL, or "".
func (c Config) APIServerHost() string {
	server, err := url.Parse(c.APIServer)
	if err != nil {
		return ""
	}
	return server.Hostname()
}

func (c Config) validate() error {
	var errs []error
	if c.Name == "" {
		errs = append(errs, errors.New("name: must not be empty"))
	}
	if c.Role != RoleHost && c.Role != RoleWorker {
		errs = append(errs, fmt.Errorf("role: %q is neither host nor worker", c.Role))
	}
	if c.Backend != "vxlan" && c.Backend != "host-gw" {
		errs = append(errs, fmt.Errorf("backend: %q is neither vxlan nor host-gw", c.Backend))
	}
	for field, value := range map[string]string{"podCIDR": c.PodCIDR, "serviceCIDR": c.ServiceCIDR} {
		if _, err := netip.ParsePrefix(value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is not a range such as 10.244.0.0/16", field, value))
		}
	}
	if _, err := netip.ParseAddr(c.ClusterDNS); err != nil {
		errs = append(errs, fmt.Errorf("clusterDNS: %q is not an address", c.ClusterDNS))
	}
	if c.Role == RoleWorker && c.APIServerHost() == "" {
		errs = append(errs, fmt.Errorf("apiServer: %q is not a URL such as https://100.65.3.4:6443", c.APIServer))
	}
	if c.PauseImage == "" {
		errs = append(errs, errors.New("pauseImage: must not be empty"))
	}
	if c.Capacity != nil && (c.Capacity.CPU <= 0 || c.Capacity.Memory <= 0) {
		errs = append(errs, errors.New("capacity: cpu and memory must be positive"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("checking node configuration: %w", err)
	}
	return nil
}
