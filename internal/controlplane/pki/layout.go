package pki

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/podroles"
)

// Names of the authorities' Secrets.
const (
	CA             = "ca"
	EtcdCA         = "etcd-ca"
	FrontProxyCA   = "front-proxy-ca"
	KonnectivityCA = "konnectivity-ca"
)

// AuthenticatorCA is the authority that is not the cluster's own but Naru's: Plan finds it among the Secrets
// under this name, and never makes it. A cluster's own authority would not do: who may sign requests for certificates in a
// cluster chooses the names in them.
const AuthenticatorCA = "authenticator-ca"

// Names of Secrets that are neither a certificate nor a kubeconfig.
const (
	ServiceAccount = "sa"
	Encryption     = "encryption"
)

// Names of certificates that are used outside the control plane's pods.
const (
	// KonnectivityAgent is copied to machines, MetricsServer into the cluster.
	KonnectivityAgent = "konnectivity-agent"
	MetricsServer     = "metrics-server"
	// ControllerEtcdClient is what the controller changes etcd's members with.
	ControllerEtcdClient = "controller-etcd-client"
)

// EtcdPeerName is the common name without which no etcd member accepts another.
const EtcdPeerName = "naru:etcd-peer"

// RequestHeaderName is the only client that may say, on behalf of the API server, who a user is.
const RequestHeaderName = "front-proxy-client"

// Keys of certificate Secrets, as kubernetes.io/tls has them.
const (
	CertificateKey = "tls.crt"
	PrivateKey     = "tls.key"
	PublicKey      = "tls.pub"
	EncryptionKey  = "config.yaml"
	KubeconfigKey  = "kubeconfig"
)

// Input is what the names in a cluster's certificates follow from.
type Input struct {
	Cluster   string
	Namespace string
	// FrontAddress is the front's address in the hosting cluster's service network.
	FrontAddress string
	// ServiceCIDR is the cluster's own; the API server's Service has its first address.
	ServiceCIDR string
	// Port on 127.0.0.1 where users reach the cluster.
	Port int32
}

// Authority is a self-signed certificate in a Secret of its own.
type Authority struct {
	Name       string
	CommonName string
}

// Certificate is a leaf in a Secret of its own.
type Certificate struct {
	Name string
	// Authority is the name of the Authority that signs it.
	Authority string
	Leaf      Leaf
}

// KubeconfigSpec is a kubeconfig in a Secret of its own; CA signs its client certificate.
type KubeconfigSpec struct {
	Name   string
	Server string
	Leaf   Leaf
}

// Layout is every certificate and kubeconfig of a cluster.
type Layout struct {
	Cluster string
	// Trusted says which generations of CA there are to be; Authorities are the others.
	Trusted      Authorities
	Authorities  []Authority
	Certificates []Certificate
	Kubeconfigs  []KubeconfigSpec
	// Asked is when somebody wants certificates and kubeconfigs renewed that were made before; zero: nobody does.
	Asked time.Time
}

// NewLayout says what a cluster has. Its result depends on nothing but in.
func NewLayout(in Input) (Layout, error) {
	service, err := FirstAddress(in.ServiceCIDR)
	if err != nil {
		return Layout{}, err
	}
	front := net.ParseIP(in.FrontAddress)
	if front == nil {
		return Layout{}, fmt.Errorf("laying out certificates: %q is not the front's address", in.FrontAddress)
	}
	return Layout{
		Cluster: in.Cluster,
		Trusted: First(),
		Authorities: []Authority{
			{EtcdCA, "naru:" + in.Cluster + ":etcd"},
			{FrontProxyCA, "naru:" + in.Cluster + ":front-proxy"},
			{KonnectivityCA, "naru:" + in.Cluster + ":konnectivity"},
		},
		Certificates: certificates(in, front, service),
		Kubeconfigs:  kubeconfigs(in),
	}, nil
}

// APIServerHost is the name of the headless Service of a control plane's API servers, which the certificate of each has.
func APIServerHost(namespace string) string {
	return "kube-apiserver." + namespace + ".svc.cluster.local"
}

func certificates(in Input, front, service net.IP) []Certificate {
	loopback := net.IPv4(127, 0, 0, 1)
	etcdNames := []string{"localhost", "*.etcd." + in.Namespace + ".svc.cluster.local", "etcd." + in.Namespace + ".svc"}
	frontNames := serviceNames("front", in.Namespace)
	return []Certificate{
		{"apiserver", CA, Leaf{
			CommonName: "kube-apiserver", Usage: Server,
			DNSNames: append(append([]string{"localhost", APIServerHost(in.Namespace)},
				serviceNames("kubernetes", "default")...), frontNames...),
			IPs: []net.IP{loopback, service, front},
		}},
		{"apiserver-kubelet-client", CA, Leaf{CommonName: "kube-apiserver-kubelet-client", Usage: Client}},
		{"apiserver-etcd-client", EtcdCA, Leaf{CommonName: "kube-apiserver", Usage: Client}},
		{"apiserver-authenticator-client", AuthenticatorCA, Leaf{CommonName: v1alpha1.AuthenticatorClient(in.Cluster), Usage: Client}},
		{ControllerEtcdClient, EtcdCA, Leaf{CommonName: "naru:controller", Usage: Client}},
		// etcd's gateway is a client of its own server, hence both usages.
		{"etcd-server", EtcdCA, Leaf{CommonName: "etcd", DNSNames: etcdNames, IPs: []net.IP{loopback}, Usage: Server | Client}},
		{"etcd-peer", EtcdCA, Leaf{CommonName: EtcdPeerName, DNSNames: etcdNames, IPs: []net.IP{loopback}, Usage: Server | Client}},
		{"front-proxy-client", FrontProxyCA, Leaf{CommonName: RequestHeaderName, Usage: Client}},
		served("controller-manager", "kube-controller-manager", in.Namespace),
		served("scheduler", "kube-scheduler", in.Namespace),
		{"konnectivity-server", CA, Leaf{CommonName: "konnectivity-server", DNSNames: frontNames, IPs: []net.IP{front}, Usage: Server}},
		{KonnectivityAgent, KonnectivityCA, Leaf{CommonName: "konnectivity-agent", Usage: Client}},
		// Served inside the cluster, verified by the API servers' aggregation layer.
		{MetricsServer, CA, Leaf{CommonName: "metrics-server", DNSNames: serviceNames("metrics-server", "kube-system"), Usage: Server}},
	}
}

// NodeLeaf is the client certificate of a node's kubelet: https://kubernetes.io/docs/reference/access-authn-authz/node/.
func NodeLeaf(node string, life time.Duration) Leaf {
	return Leaf{CommonName: "system:node:" + node, Organization: []string{"system:nodes"}, Usage: Client, Life: life}
}

// served is what a component serves its health and metrics with: without one it would make a key for itself at every start, and
// nobody could tell who answers.
func served(name, component, namespace string) Certificate {
	return Certificate{name, CA, Leaf{CommonName: component, DNSNames: append([]string{"localhost"}, serviceNames(component, namespace)...), Usage: Server}}
}

func kubeconfigs(in Input) []KubeconfigSpec {
	inside := "https://" + net.JoinHostPort(in.FrontAddress, "6443")
	outside := fmt.Sprintf("https://127.0.0.1:%d", in.Port)
	of := func(name, server, user string, groups ...string) KubeconfigSpec {
		return KubeconfigSpec{"kubeconfig-" + name, server, Leaf{CommonName: user, Organization: groups, Usage: Client}}
	}
	return []KubeconfigSpec{
		// Bound by the cluster's own RBAC, unlike system:masters, so that it can be revoked.
		of("admin", outside, "naru:admin", AdminGroup),
		// It writes the cluster's RBAC, so it can't be subject to it.
		of("controller", inside, "naru:controller", "system:masters"),
		of("controller-manager", inside, "system:kube-controller-manager"),
		of("scheduler", inside, "system:kube-scheduler"),
		of("karpenter", inside, "naru:karpenter"),
		of("kube-proxy", inside, "system:kube-proxy"),
		of("agent", inside, "naru:agent"),
		// What naru server asks whether a pod's token is good with.
		{podroles.ReviewerSecret, inside, Leaf{CommonName: podroles.ReviewerUser, Usage: Client}},
	}
}

// AdminGroup is the group that the cluster's RBAC binds to cluster-admin.
const AdminGroup = "naru:admins"

func serviceNames(name, namespace string) []string {
	full := name + "." + namespace
	return []string{name, full, full + ".svc", full + ".svc.cluster.local"}
}

// FirstAddress is the address that the API server's own Service has in a service range.
func FirstAddress(serviceCIDR string) (net.IP, error) { return nth(serviceCIDR, 1) }

// DNSAddress is the address that the cluster's DNS Service has in a service range.
func DNSAddress(serviceCIDR string) (net.IP, error) { return nth(serviceCIDR, 10) }

func nth(cidr string, n int) (net.IP, error) {
	prefix, err := netip.ParsePrefix(cidr)
	if err != nil {
		return nil, fmt.Errorf("reading the service range: %w", err)
	}
	address := prefix.Masked().Addr()
	for range n {
		address = address.Next()
	}
	if !prefix.Contains(address) {
		return nil, fmt.Errorf("reading the service range: %s has less than %d addresses", cidr, n+1)
	}
	return net.IP(address.AsSlice()), nil
}
