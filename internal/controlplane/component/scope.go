// Package component is the framework of the control plane's parts: each is a folder with YAML templates, which are
// rendered over a Scope, and made to meet the same rules. Rendering is pure.
package component

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/tier"
)

// Scope is everything that the manifests of a control plane depend on.
type Scope struct {
	// Cluster is its name, Namespace where its control plane runs.
	Cluster   string
	Namespace string
	// Version is the full Kubernetes version, "1.37.1".
	Version string
	// EmulatedVersion is a minor, "1.36"; empty: the version's own.
	EmulatedVersion string
	// Images maps an image's name to its reference.
	Images map[string]string
	// Replicas of the API server that are wanted in the end, APIServers how many are to run now.
	Replicas   int32
	APIServers int32
	// EtcdReplicas is how many members run, EtcdServers how many of them, from the first, the API servers
	// use: while members are added or removed the two differ.
	EtcdReplicas int32
	EtcdServers  int32
	// Tier is the size of the control plane, as package tier names it; empty: standard.
	Tier string
	// APIServer, ControllerManager and Scheduler are settings that users may change.
	APIServer         v1alpha1.APIServerSpec
	ControllerManager v1alpha1.ControllerManagerSpec
	Scheduler         v1alpha1.SchedulerSpec
	// PodCIDR and ServiceCIDR are the cluster's own ranges.
	PodCIDR     string
	ServiceCIDR string
	// FrontAddress is the front's address in the hosting cluster, Port where it is published on 127.0.0.1.
	FrontAddress string
	Port         int32
	// PublishFrom is from where the front is reached there, as AnnotationPublishFrom has it; empty: everywhere.
	PublishFrom string
	// HostingServices is the hosting cluster's service range, HostingPods its pod range.
	HostingServices string
	HostingPods     string
	// HostingDNS and Registry are addresses of Services in the hosting cluster.
	HostingDNS string
	Registry   string
	// Authenticator is the address of the webhooks that API servers ask, AuthenticatorCA the PEM of who signed its certificate.
	Authenticator   string
	AuthenticatorCA string
	// Authentication is the API servers' AuthenticationConfiguration.
	Authentication string
	// PodRoles is the address of naru server for nodes, in the hosting cluster.
	PodRoles string
	// Issuer is the URL that service account tokens are from; empty: the API server's name in the cluster.
	Issuer string
	// Hashes maps the name of a Secret to a hash of its content.
	Hashes map[string]string
}

// Image is the reference of an image. An image that the release lacks is an error that names it.
func (s Scope) Image(name string) (string, error) {
	reference, ok := s.Images[name]
	if !ok {
		return "", fmt.Errorf("release %s has no image %q", s.Version, name)
	}
	return reference, nil
}

// Hash is a hash of the named Secrets together.
func (s Scope) Hash(secrets ...string) (string, error) {
	var all strings.Builder
	for _, secret := range secrets {
		hash, ok := s.Hashes[secret]
		if !ok {
			return "", fmt.Errorf("the hash of Secret %q is not known", secret)
		}
		all.WriteString(hash)
	}
	return ContentHash([]byte(all.String())), nil
}

// Audited tells whether API servers write requests down.
func (s Scope) Audited() bool { return s.APIServer.AuditLog == v1alpha1.AuditLogEnabled }

// Size is what the tier gives to processes, and asks of them. A name that is none is refused by the kind.
func (s Scope) Size() tier.Tier {
	size, _ := tier.Of(s.Tier)
	return size
}

// Provisioned tells whether the tier is above standard.
func (s Scope) Provisioned() bool { return tier.Provisioned(s.Tier) }

// RequestsInflight and MutatingRequestsInflight are how many requests one API server takes at once; 0: Kubernetes' defaults.
func (s Scope) RequestsInflight() int32 {
	reading, _ := s.Size().Inflight(s.Replicas)
	return reading
}

// MutatingRequestsInflight is of those that change something.
func (s Scope) MutatingRequestsInflight() int32 {
	_, changing := s.Size().Inflight(s.Replicas)
	return changing
}

// Small tells whether this is the small form.
func (s Scope) Small() bool { return s.Replicas == 1 }

// Pair is how many there are of what elects a leader: two, or one in the small form.
func (s Scope) Pair() int32 {
	if s.Small() {
		return 1
	}
	return 2
}

// EtcdURLs are the etcd members that the API servers use.
func (s Scope) EtcdURLs() string {
	urls := make([]string, 0, s.EtcdServers)
	for i := range int(s.EtcdServers) {
		urls = append(urls, "https://"+EtcdMemberHost(s.Namespace, i)+":2379")
	}
	return strings.Join(urls, ",")
}

// ClusterIssuer is who service account tokens are from where a cluster has no issuer of its own, or were before it had one.
const ClusterIssuer = "https://kubernetes.default.svc.cluster.local"

// EtcdMemberHost is the name of a member.
func EtcdMemberHost(namespace string, ordinal int) string {
	return "etcd-" + strconv.Itoa(ordinal) + ".etcd." + namespace + ".svc.cluster.local"
}

// APIServiceAddress is the address of the API server's Service in the cluster.
func (s Scope) APIServiceAddress() (string, error) { return text(pki.FirstAddress(s.ServiceCIDR)) }

// DNSAddress is the address of the DNS Service in the cluster.
func (s Scope) DNSAddress() (string, error) { return text(pki.DNSAddress(s.ServiceCIDR)) }

func text(ip net.IP, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return ip.String(), nil
}

// Webhooks are the authenticator's, by the last part of their paths.
func (s Scope) Webhooks() []string { return []string{"authenticate", "authorize"} }

// AuthenticatorHost is the name in the authenticator's certificate.
func (s Scope) AuthenticatorHost() string { return v1alpha1.AuthenticatorHost }

// SystemNamespace is Naru's own namespace.
func (s Scope) SystemNamespace() string { return v1alpha1.SystemNamespace }

// AtLeast tells whether the Kubernetes version is the given minor of 1 or a later one.
func (s Scope) AtLeast(minor int) bool {
	parts := strings.Split(s.Version, ".")
	if len(parts) < 2 {
		return false
	}
	own, err := strconv.Atoi(parts[1])
	return err == nil && own >= minor
}
