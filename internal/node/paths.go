package node

import "naru.dev/naru/internal/node/nodeconfig"

// Where a node keeps what it renders and what it is given.
const (
	containerdConfig = "/etc/containerd/config.toml"
	containerdSocket = "/run/containerd/containerd.sock"
	certsDir         = "/etc/containerd/certs.d"
	cniBin           = "/opt/cni/bin"
	cniConf          = "/etc/cni/net.d"
	kubeletConfig    = "/etc/naru-node/kubelet.yaml"
	kubeProxyConfig  = "/etc/naru-node/kube-proxy.yaml"
	runDir           = "/run/naru"
	logDir           = "/var/log/naru"
	programs         = "/usr/local/bin/"
	// kubeletCertificate is where a worker's kubelet keeps its client certificate and key, and renews them.
	kubeletCertificate = kubeletPKI + "/" + clientCurrent
	// kubeletServing is the same of its serving certificate.
	kubeletServing = kubeletPKI + "/kubelet-server-current.pem"
	kubeletPKI     = "/var/lib/kubelet/pki"
	clientCurrent  = "kubelet-client-current.pem"
	// kubeletFollows says which authorities the kubelet follows: another content starts it again.
	kubeletFollows = runDir + "/kubelet-follows"
)

// credentials are the files that a node's processes authenticate with.
type credentials struct {
	clientCA         string
	kubeletBootstrap string
	kubelet          string
	kubeProxy        string
	agent            string
	// konnectivity and konnectivityKey are the certificate of a worker's konnectivity agent.
	konnectivity, konnectivityKey string
}

// credentialsOf says where a role's credentials are: a host's are written by
// kubeadm, a worker's are given beside its configuration, but for the kubelet's
// own kubeconfig, which the kubelet writes.
func credentialsOf(role nodeconfig.Role) credentials {
	if role == nodeconfig.RoleHost {
		return credentials{
			clientCA:         "/etc/kubernetes/pki/ca.crt",
			kubeletBootstrap: "/etc/kubernetes/bootstrap-kubelet.conf",
			kubelet:          "/etc/kubernetes/kubelet.conf",
			kubeProxy:        "/etc/kubernetes/kube-proxy.conf",
			agent:            "/etc/kubernetes/agent.conf",
		}
	}
	return credentials{
		clientCA:         "/etc/naru/ca.crt",
		kubeletBootstrap: "/etc/naru/bootstrap.kubeconfig",
		kubelet:          "/var/lib/kubelet/kubeconfig",
		kubeProxy:        "/etc/naru/kube-proxy.kubeconfig",
		agent:            "/etc/naru/agent.kubeconfig",
		konnectivity:     "/etc/naru/konnectivity.crt",
		konnectivityKey:  "/etc/naru/konnectivity.key",
	}
}
