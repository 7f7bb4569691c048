package v1alpha1

import "strings"

// Labels and annotations that Naru sets or reads.
const (
	// LabelCluster on a namespace or an object in the hosting cluster names the cluster that it belongs to.
	LabelCluster = "naru.dev/cluster"
	// LabelComponent on a control-plane object names the component (etcd, kube-apiserver, front …).
	LabelComponent = "naru.dev/component"
	// LabelNodeGroup on a Machine, a NodePool and a Node names the node group.
	LabelNodeGroup = "naru.dev/nodegroup"
	// LabelMachine on a node pod names its Machine.
	LabelMachine = "naru.dev/machine"
	// LabelMachineClass on a Machine and a Node names the machine class.
	LabelMachineClass = "naru.dev/machine-class"
	// AnnotationPublishPort on a Service asks `naru daemon` to publish its first port on
	// 127.0.0.1 at this port.
	AnnotationPublishPort = "naru.dev/publish-port"
	// AnnotationPublishFrom on such a Service says from where: ranges with commas between them, or PublishFromNowhere; absent:
	// everywhere. AnnotationPublishedFrom is the answer of who publishes it: the value that is in force.
	AnnotationPublishFrom   = "naru.dev/publish-from"
	AnnotationPublishedFrom = "naru.dev/published-from"
	PublishFromNowhere      = "none"
	// AnnotationRenewCertificates on a Cluster is a time, as 2026-11-24T12:00:00Z: all certificates and kubeconfigs that
	// were made before are made anew then, the authorities excepted. Without it they are renewed when two thirds of
	// their life are over.
	AnnotationRenewCertificates = "naru.dev/renew-certificates"
	// AnnotationTags on an object holds its tags, as users of the EKS API set them: a JSON object of strings.
	AnnotationTags = "naru.dev/tags"
	// AnnotationAsked on a Cluster or a NodeGroup holds, as JSON in the shapes of the EKS API, what was asked for
	// that has no meaning here and is only told again, as subnets.
	AnnotationAsked = "naru.dev/eks-asked"
	// AnnotationToken on an object holds the idempotency token that it was created with, and a hash of what was asked.
	AnnotationToken = "naru.dev/client-request-token"
	// AnnotationUpdates on a Cluster or a NodeGroup holds its last changes, as updates of the EKS API.
	AnnotationUpdates = "naru.dev/eks-updates"
	// AnnotationIdentityProvider on a Cluster holds what the EKS API knows of its identity provider that is no setting of it.
	AnnotationIdentityProvider = "naru.dev/eks-identity-provider"
	// AnnotationAuthentication on an API server's pod is a hash of who may say who a user is. It is there so that the kubelet looks
	// at the pod at once, and at the files that it mounts.
	AnnotationAuthentication = "naru.dev/authentication"
	// AnnotationTier on etcd's StatefulSet, and on the API servers' Deployment, is the tier that it has, or is about to have; absent: standard.
	AnnotationTier = "naru.dev/tier"
	// AnnotationAddons on a Cluster holds which of its components are add-ons of the EKS API.
	AnnotationAddons = "naru.dev/eks-addons"
	// AnnotationObserve on a Cluster is a time, as 2026-11-24T12:00:00Z: its observations are made anew where they are older.
	AnnotationObserve = "naru.dev/observe"
	// Finalizer keeps an object until what it stands for is gone.
	Finalizer = "naru.dev/finalizer"

	// SystemNamespace is where Naru's own pods run.
	SystemNamespace = "naru-system"
	namespacePrefix = "naru-"
)

// Namespace is the hosting cluster's namespace of a cluster: its control plane, node
// pods, node groups, machines and Secrets.
func Namespace(cluster string) string { return namespacePrefix + cluster }

// ClusterOf is the cluster whose namespace this is; empty where it is none's.
func ClusterOf(namespace string) string {
	if namespace == SystemNamespace || len(namespace) <= len(namespacePrefix) || namespace[:len(namespacePrefix)] != namespacePrefix {
		return ""
	}
	return namespace[len(namespacePrefix):]
}

const providerPrefix = "naru://"

// ProviderID is what a machine's node registers with.
func ProviderID(cluster, machine string) string { return providerPrefix + cluster + "/" + machine }

// ParseProviderID is the inverse of ProviderID; ok is false for any other string.
func ParseProviderID(id string) (cluster, machine string, ok bool) {
	rest, ok := strings.CutPrefix(id, providerPrefix)
	if !ok {
		return "", "", false
	}
	cluster, machine, ok = strings.Cut(rest, "/")
	if !ok || cluster == "" || machine == "" || strings.Contains(machine, "/") {
		return "", "", false
	}
	return cluster, machine, true
}

// Secrets in SystemNamespace by which the authenticator and the API servers of clusters know each other.
const (
	// SecretAuthenticatorCA holds the authority that signs both ends' certificates, and its key. The controller makes it.
	SecretAuthenticatorCA = "naru-authenticator-ca"
	// SecretAuthenticator holds the authenticator's own certificate and key, and, as ca.crt, the authority's certificate.
	SecretAuthenticator = "naru-authenticator-tls"
)

// AuthenticatorHost is the name in the authenticator's certificate.
const AuthenticatorHost = "naru-authenticator." + SystemNamespace + ".svc"

// AuthenticatorClient is the name in the certificate that a cluster's API servers show the authenticator. It
// answers whoever has it for that cluster, and for no other.
func AuthenticatorClient(cluster string) string { return "naru:apiserver:" + cluster }
