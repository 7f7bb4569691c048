// Package layout says where `naru up` keeps things and how its hosts are named
// and addressed. It is pure.
package layout

import (
	"fmt"
	"os"
	"path/filepath"
)

// Ranges and addresses of the hosting cluster. They lie in the carrier-grade
// NAT range (RFC 6598), which no private network of a user overlaps.
const (
	PodCIDR              = "100.64.0.0/16"
	ServiceCIDR          = "100.65.0.0/16"
	DNSAddress           = "100.65.0.10"
	RegistryAddress      = "100.65.0.20"
	AuthenticatorAddress = "100.65.0.21"
	PodRolesAddress      = "100.65.0.22"
	WireCIDR             = "100.66.0.0/24"
	WireAddress          = "100.66.0.1"
	ClusterDomain        = "cluster.local"
	Region               = "naru-1"
	RegistryHost         = "registry.naru.local"
	APIName              = "api.naru.local"
	APIPort              = 6443
)

// Ports on the machine's loopback address.
const (
	// HostingPort serves the hosting cluster's API.
	HostingPort = 6440
	// ServerPort serves the EKS API.
	ServerPort = 6441
	// PushPort serves the registry, read-write.
	PushPort = 5001
)

// StateVariable overrides DefaultState.
const (
	StateVariable = "NARU_STATE_DIR"
	DefaultState  = "/var/lib/naru"
)

// State is the folder that holds everything `naru up` keeps.
type State string

// FindState returns the state folder: explicit when it is not empty, else
// $NARU_STATE_DIR, else DefaultState.
func FindState(explicit string) (State, error) {
	dir := explicit
	if dir == "" {
		dir = os.Getenv(StateVariable)
	}
	if dir == "" {
		dir = DefaultState
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("finding state folder: %w", err)
	}
	return State(dir), nil
}

func (s State) path(parts ...string) string {
	return filepath.Join(append([]string{string(s)}, parts...)...)
}

// Marker says that the folder is Naru's, so that --purge deletes nothing else.
func (s State) Marker() string { return s.path(".naru") }

// Spec is the platform that the daemon is to run.
func (s State) Spec() string { return s.path("platform.json") }

// Lock is held by the daemon for as long as it lives.
func (s State) Lock() string { return s.path("daemon.lock") }

// Socket is the daemon's control socket.
func (s State) Socket() string { return s.path("daemon.sock") }

// DaemonLog is what the daemon says.
func (s State) DaemonLog() string { return s.path("daemon.log") }

// Sysctls holds the machine's values of what `up` raised.
func (s State) Sysctls() string { return s.path("sysctls.json") }

// Controllers holds the cgroup controllers that were enabled for Naru at the root of a hierarchy.
func (s State) Controllers() string { return s.path("controllers.json") }

// HostingKubeconfig is the hosting cluster's administrator.
func (s State) HostingKubeconfig() string { return s.path("hosting.kubeconfig") }

// RegistryPassword is what pushing needs; mode 0600.
func (s State) RegistryPassword() string { return s.path("registry-password") }

// Encryption is the configuration that the hosting API server encrypts Secrets with; mode 0600.
func (s State) Encryption() string { return s.path("encryption.yaml") }

// Trust holds CA certificates that hosts trust; it is shown to them read-only.
func (s State) Trust() string { return s.path("trust") }

// RegistryCA is the certificate that the registry's is signed with.
func (s State) RegistryCA() string { return s.path("trust", "registry-ca.crt") }

// Images holds the archive that hosts import.
func (s State) Images() string { return s.path("images") }

// Rootfs holds the hosts' lower folders. They are the state's own, for a build
// cache may be emptied at any time.
func (s State) Rootfs() string { return s.path("rootfs") }

// Program is the naru that the daemon runs and the hosts see.
func (s State) Program() string { return s.path("bin", "naru") }

// Hosts holds a folder a host.
func (s State) Hosts() string { return s.path("hosts") }

// Host returns the folders of one host.
func (s State) Host(name string) HostDir { return HostDir(s.path("hosts", name)) }

// HostDir is the folder of one host.
type HostDir string

func (h HostDir) path(parts ...string) string {
	return filepath.Join(append([]string{string(h)}, parts...)...)
}

// Init is what the host's first process is told.
func (h HostDir) Init() string { return h.path("init.json") }

// MachineID is the host's /etc/machine-id, made once.
func (h HostDir) MachineID() string { return h.path("machine-id") }

// Upper is the writable layer of the host's overlay; its writes last until it is restarted.
func (h HostDir) Upper() string { return h.path("overlay", "upper") }

// Work is the overlay's scratch folder.
func (h HostDir) Work() string { return h.path("overlay", "work") }

// Root is where the host's root is mounted, in the host's own mount namespace.
func (h HostDir) Root() string { return h.path("root") }

// Kubernetes is the host's /etc/kubernetes.
func (h HostDir) Kubernetes() string { return h.path("data", "kubernetes") }

// Initialised exists once kubeadm has finished on the host.
func (h HostDir) Initialised() string { return h.path("data", "kubernetes", InitialisedName) }

// InitialisedName is the marker's name in /etc/kubernetes.
const InitialisedName = ".naru-initialised"

// Logs holds the logs of the host's supervised processes.
func (h HostDir) Logs() string { return h.path("data", "log") }

// Data maps what outlives a host's restart to where it is in the host.
func (h HostDir) Data() map[string]string {
	return map[string]string{
		h.path("data", "containerd"): "/var/lib/containerd",
		h.path("data", "kubelet"):    "/var/lib/kubelet",
		h.path("data", "etcd"):       "/var/lib/etcd",
		h.path("data", "volumes"):    "/var/lib/naru-volumes",
		h.Kubernetes():               "/etc/kubernetes",
		h.Logs():                     "/var/log",
	}
}

// HalfInitialised is what a kubeadm that was interrupted leaves behind.
func (h HostDir) HalfInitialised() []string {
	return []string{h.Kubernetes(), h.path("data", "kubelet"), h.path("data", "etcd")}
}

// Host is one embedded host.
type Host struct {
	// Number counts from 1.
	Number int
}

// Hosts returns the first n hosts.
func Hosts(n int) []Host {
	hosts := make([]Host, n)
	for i := range hosts {
		hosts[i].Number = i + 1
	}
	return hosts
}

// Name is the host's and its node's name.
func (h Host) Name() string { return fmt.Sprintf("host-%d", h.Number) }

// IP is the host's address on the wire.
func (h Host) IP() string { return fmt.Sprintf("100.66.0.%d", 10+h.Number) }

// Zone is the host's topology zone.
func (h Host) Zone() string { return fmt.Sprintf("%s%c", Region, 'a'+h.Number-1) }

// Labels are the node labels of the host.
func (h Host) Labels() map[string]string {
	return map[string]string{
		"topology.kubernetes.io/region": Region,
		"topology.kubernetes.io/zone":   h.Zone(),
	}
}
