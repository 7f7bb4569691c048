package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Conditions of a Cluster. All are of positive polarity; Ready is the summary of the others.
const (
	// ClusterReady is true when every other condition is.
	ClusterReady = "Ready"
	// ClusterEndpointReady says that the front's address and the published port are allocated.
	ClusterEndpointReady = "EndpointReady"
	// ClusterRevisionReady says that the version asked for exists, and that a ClusterRevision of it is active.
	ClusterRevisionReady = "RevisionReady"
	// ClusterPKIReady says that every certificate and kubeconfig exists and is not near its end.
	ClusterPKIReady = "PKIReady"
	// ClusterEtcdReady says that every etcd member is healthy.
	ClusterEtcdReady = "EtcdReady"
	// ClusterControlPlaneReady says that the wanted API servers, controller managers, schedulers, fronts and the
	// node autoscaler are available, and that the API answered /readyz through the front.
	ClusterControlPlaneReady = "ControlPlaneReady"
	// ClusterBootstrapped says that the cluster's own objects (RBAC, CoreDNS, storage, metrics, Karpenter's
	// CRDs) were applied in it.
	ClusterBootstrapped = "Bootstrapped"
	// ClusterAuthoritiesReady says that the certificate authorities that were asked for are trusted, and that the one that
	// was asked for signs: by every server, client and node, as far as they are Naru's.
	ClusterAuthoritiesReady = "AuthoritiesReady"
	// ClusterTierReady says that the control plane has the tier that was asked for. It is no part of Ready: without it the
	// cluster goes on with the tier that it has.
	ClusterTierReady = "TierReady"
)

// Reasons of a Cluster's conditions.
const (
	// ReasonReady: what the condition speaks of was observed.
	ReasonReady = "Ready"
	// ReasonWaiting: an earlier phase is not done; the message names it.
	ReasonWaiting = "Waiting"
	// ReasonProgressing: it was asked for and is not there yet; the message says what is missing.
	ReasonProgressing = "Progressing"
	// ReasonFailed: an attempt ended in an error, which the message gives; it is tried again.
	ReasonFailed = "Failed"
	// ReasonNotFound: an object that the spec names does not exist; the message names those that do.
	ReasonNotFound = "NotFound"
	// ReasonNoCapacity: the hosting cluster has no room for it; the message says what is lacking. It is tried again, and done as
	// soon as there is.
	ReasonNoCapacity = "NoCapacity"
	// ReasonDatabaseTooLarge: the database holds more than it may in what was asked for; it is tried again.
	ReasonDatabaseTooLarge = "DatabaseTooLarge"
	// ReasonDeleting: the object is being deleted; the message says what is still there.
	ReasonDeleting = "Deleting"
)

// ClusterSpec is what a user asks of a managed cluster.
//
// +kubebuilder:validation:XValidation:rule="!cidr(self.networking.podCIDR).containsCIDR(self.networking.serviceCIDR) && !cidr(self.networking.serviceCIDR).containsCIDR(self.networking.podCIDR)",message="networking.serviceCIDR overlaps networking.podCIDR: choose ranges that have no address in common, for example 10.244.0.0/16 and 10.96.0.0/16"
type ClusterSpec struct {
	// version is the Kubernetes minor version, as "1.37". `naru release list` prints those that exist.
	// It can't be changed yet.
	// +kubebuilder:validation:Pattern=`^1\.[1-9][0-9]$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="version can't be changed: this Naru does not upgrade clusters yet; create another cluster"
	// +required
	Version string `json:"version"`

	// controlPlane sizes the control plane.
	// +kubebuilder:default={replicas: 3}
	// +optional
	ControlPlane ControlPlaneSpec `json:"controlPlane,omitzero"`

	// networking holds the ranges inside the cluster. Two clusters may have equal ones.
	// +kubebuilder:default={podCIDR: "10.244.0.0/16", serviceCIDR: "10.96.0.0/16"}
	// +optional
	Networking NetworkingSpec `json:"networking,omitzero"`

	// endpointAccess says from where users reach the API. Nodes, their pods and Naru itself always do, inside the hosting cluster.
	// +optional
	EndpointAccess EndpointAccess `json:"endpointAccess,omitzero"`

	// authorities rotates the cluster's certificate authority. Absent: what is trusted and what signs stays as it is. Any
	// change may be asked for at once, as trusting the second alone, and signing with it: it is made in steps, none of which
	// is taken before everything has been seen to follow the one before.
	// +optional
	Authorities *AuthoritiesSpec `json:"authorities,omitempty"`

	// deletionProtection refuses a deletion until it is false again.
	// +optional
	DeletionProtection bool `json:"deletionProtection,omitempty"`

	// identityProvider lets in who has a token of an OpenID Connect provider, besides IAM's users and roles. API servers load a
	// change without a restart.
	// +optional
	IdentityProvider *IdentityProvider `json:"identityProvider,omitempty"`

	// addons says how components that every cluster comes with are kept, where that is not as they come.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=5
	// +optional
	Addons []AddonSpec `json:"addons,omitempty"`
}

// Values of EndpointAccess.Public.
const (
	EndpointOpen   = "Open"
	EndpointClosed = "Closed"
)

// EndpointAccess says from where users reach a cluster's API. A change ends the connections of those who may no longer.
type EndpointAccess struct {
	// public is Closed where no user is to reach the API from outside of the hosting cluster; absent: Open.
	// +kubebuilder:validation:Enum=Open;Closed
	// +optional
	Public string `json:"public,omitempty"`
	// publicCIDRs are the IPv4 ranges that users may come from, as 10.0.0.0/8; absent: all.
	// +kubebuilder:validation:MaxItems=40
	// +kubebuilder:validation:items:MaxLength=18
	// +kubebuilder:validation:XValidation:rule="self.all(r, isCIDR(r) && cidr(r).ip().family() == 4)",message="publicCIDRs must be IPv4 ranges, as 10.0.0.0/8"
	// +optional
	PublicCIDRs []string `json:"publicCIDRs,omitempty"`
}

// NetworkingSpec holds the ranges of a cluster. They can't be changed later: every node and
// Service has an address from them.
//
// +kubebuilder:validation:XValidation:rule="self.podCIDR == oldSelf.podCIDR",message="podCIDR can't be changed: every node has a part of it; create another cluster"
// +kubebuilder:validation:XValidation:rule="self.serviceCIDR == oldSelf.serviceCIDR",message="serviceCIDR can't be changed: every Service has an address from it; create another cluster"
type NetworkingSpec struct {
	// podCIDR is the IPv4 range of the pods, /20 or larger; each node gets a /24 of it.
	// +kubebuilder:default="10.244.0.0/16"
	// +kubebuilder:validation:MaxLength=18
	// +kubebuilder:validation:XValidation:rule="isCIDR(self) && cidr(self).ip().family() == 4 && cidr(self).prefixLength() >= 8 && cidr(self).prefixLength() <= 20",message="podCIDR must be an IPv4 range between /8 and /20, as 10.244.0.0/16"
	// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || (!cidr('100.64.0.0/10').containsCIDR(self) && !cidr(self).containsCIDR('100.64.0.0/10'))",message="podCIDR overlaps 100.64.0.0/10, which the hosting cluster uses: choose another range, for example 10.244.0.0/16"
	// +optional
	PodCIDR string `json:"podCIDR,omitempty"`

	// serviceCIDR is the IPv4 range of the Services, between /12 and /24.
	// +kubebuilder:default="10.96.0.0/16"
	// +kubebuilder:validation:MaxLength=18
	// +kubebuilder:validation:XValidation:rule="isCIDR(self) && cidr(self).ip().family() == 4 && cidr(self).prefixLength() >= 12 && cidr(self).prefixLength() <= 24",message="serviceCIDR must be an IPv4 range between /12 and /24, as 10.96.0.0/16"
	// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || (!cidr('100.64.0.0/10').containsCIDR(self) && !cidr(self).containsCIDR('100.64.0.0/10'))",message="serviceCIDR overlaps 100.64.0.0/10, which the hosting cluster uses: choose another range, for example 10.96.0.0/16"
	// +optional
	ServiceCIDR string `json:"serviceCIDR,omitempty"`
}

// AuthoritiesSpec says which generations of a cluster's certificate authority are trusted, and which of them signs. The first
// is what the cluster was made with.
//
// +kubebuilder:validation:XValidation:rule="self.signing in self.trusted",message="authorities.signing must be one of authorities.trusted: what nobody trusts can't sign"
type AuthoritiesSpec struct {
	// trusted are one or two generations. One that there never was is made: take the number after the highest there was.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:Minimum=1
	// +listType=set
	// +required
	Trusted []int32 `json:"trusted"`
	// signing is the generation that signs certificates.
	// +kubebuilder:validation:Minimum=1
	// +required
	Signing int32 `json:"signing"`
}

// ClusterStatus is what was observed of a managed cluster.
type ClusterStatus struct {
	// observedGeneration is the newest generation of the spec that the cluster was Ready for; 0: it never was.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions; see the Cluster… constants.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// endpoint is where the cluster's API is reached.
	// +optional
	Endpoint ClusterEndpoint `json:"endpoint,omitzero"`

	// authorities are the generations of the cluster's certificate authority, lowest first.
	// +listType=map
	// +listMapKey=generation
	// +optional
	Authorities []ClusterAuthority `json:"authorities,omitempty"`
	// lastAuthority is the highest generation that there ever was.
	// +optional
	LastAuthority int32 `json:"lastAuthority,omitempty"`
	// followed is the fingerprint of the authorities that everything in the cluster was last seen to follow.
	// +optional
	Followed string `json:"followed,omitempty"`

	// issuer is who the cluster's service account tokens are from.
	// +optional
	Issuer ClusterIssuer `json:"issuer,omitzero"`

	// identityProvider is how far API servers have loaded spec.identityProvider.
	// +optional
	IdentityProvider ClusterIdentityProvider `json:"identityProvider,omitzero"`

	// version is the Kubernetes version that the API answered with last, as "v1.37.1".
	// +optional
	Version string `json:"version,omitempty"`

	// revision is the name of the active ClusterRevision.
	// +optional
	Revision string `json:"revision,omitempty"`

	// tier is what every pod of the control plane was last seen to have; absent: it was never ready.
	// +optional
	Tier string `json:"tier,omitempty"`

	// addons are those that the spec has.
	// +listType=map
	// +listMapKey=name
	// +optional
	Addons []AddonStatus `json:"addons,omitempty"`

	// observations tell whether the cluster can take another version.
	// +optional
	Observations ClusterObservations `json:"observations,omitzero"`
}

// ClusterEndpoint is where a cluster's API is reached.
type ClusterEndpoint struct {
	// port on 127.0.0.1 of the machine that runs `naru up`. It is stable for the cluster's life.
	// +optional
	Port int32 `json:"port,omitempty"`
	// address is the front's address in the hosting cluster's service network.
	// +optional
	Address string `json:"address,omitempty"`
	// certificateAuthority holds the certificates, in PEM, of the authorities that are trusted; the first one signs.
	// +optional
	CertificateAuthority []byte `json:"certificateAuthority,omitempty"`
}

// ClusterIssuer is who a cluster's service account tokens are from: an OpenID Connect provider, whose discovery naru server
// serves.
type ClusterIssuer struct {
	// url is what new tokens have as their iss. It is stable for the cluster's life.
	// +optional
	URL string `json:"url,omitempty"`
	// keys is the JSON Web Key Set of the public keys that tokens are verified with.
	// +optional
	Keys string `json:"keys,omitempty"`
}

// Cluster is a managed Kubernetes cluster.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,categories=naru
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.version`
// +kubebuilder:printcolumn:name="Replicas",type=integer,JSONPath=`.spec.controlPlane.replicas`
// +kubebuilder:printcolumn:name="Port",type=integer,JSONPath=`.status.endpoint.port`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')",message="a cluster's name must have 1 to 40 lower-case letters, digits or dashes, begin with a letter and end with a letter or digit"
// +kubebuilder:validation:XValidation:rule="self.metadata.name != 'system'",message="the name system is Naru's own: choose another"
type Cluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ClusterSpec   `json:"spec"`
	Status ClusterStatus `json:"status,omitempty"`
}

// ClusterList is a list of clusters.
//
// +kubebuilder:object:root=true
type ClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Cluster `json:"items"`
}

// GetConditions returns the conditions, for internal/kube/conditions.
func (c *Cluster) GetConditions() *[]metav1.Condition { return &c.Status.Conditions }
