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

// ControlPlaneSpec sizes a control plane.
//
// +kubebuilder:validation:XValidation:rule="!has(self.tier) || self.tier == 'standard' || self.replicas == 3",message="controlPlane.tier needs 3 replicas: what it promises has to be there when one is lost; set controlPlane.replicas to 3, or tier to standard"
type ControlPlaneSpec struct {
	// replicas is how many etcd members and API servers there are: 3 survives the loss of one, 1 is the
	// small form. Controller managers and schedulers are 2 and 1 respectively. It can be changed both ways.
	// +kubebuilder:validation:Enum=1;3
	// +kubebuilder:default=3
	// +optional
	Replicas int32 `json:"replicas,omitempty"`

	// tier is how much the control plane can do; absent: standard. The others are EKS' provisioned ones, and need 3 replicas:
	//
	//	           set aside  requests at once  pods placed a second  database
	//	standard   once       600 a server      -                     2 GB
	//	tier-xl    2 times    1700              167                   16 GB
	//	tier-2xl   4 times    3400              283                   16 GB
	//	tier-4xl   8 times    6800              400                   16 GB
	//	tier-8xl   16 times   13600             400                   16 GB
	//
	// What processor and memory are set aside for API servers, etcd, controller managers and schedulers, and their limits, are
	// those of standard so many times. Requests at once are taken by all API servers together with one of them lost. A second's pods and
	// the database are bounds, no promise: the machines have to be fast, and large, enough. It can be changed both ways, and
	// replaces pods one by one; where the hosting cluster has no room, the control plane stays as it is, and the condition TierReady says so.
	// +kubebuilder:validation:Enum=standard;tier-xl;tier-2xl;tier-4xl;tier-8xl
	// +optional
	Tier string `json:"tier,omitempty"`

	// apiServer, controllerManager and scheduler are settings of the components that users may change. A change replaces
	// their pods one by one.
	// +optional
	APIServer APIServerSpec `json:"apiServer,omitzero"`
	// +optional
	ControllerManager ControllerManagerSpec `json:"controllerManager,omitzero"`
	// +optional
	Scheduler SchedulerSpec `json:"scheduler,omitzero"`
}

// APIServerSpec are settings of kube-apiserver. What is absent is Kubernetes' own default.
type APIServerSpec struct {
	// eventTTL is how long events are kept, in one unit, as 30m or 2h.
	// +kubebuilder:validation:MaxLength=8
	// +kubebuilder:validation:XValidation:rule="self.matches('^[1-9][0-9]*[smh]$') && duration(self) >= duration('1m') && duration(self) <= duration('24h')",message="eventTTL must lie between 1m and 24h, in one unit, as 30m or 2h"
	// +optional
	EventTTL string `json:"eventTTL,omitempty"`
	// nodePortRange is the range of NodePort Services, as 30000-32767.
	// +kubebuilder:validation:MaxLength=11
	// +kubebuilder:validation:XValidation:rule="self.matches('^[1-9][0-9]{3,4}-[1-9][0-9]{3,4}$') && int(self.split('-')[0]) >= 1024 && int(self.split('-')[0]) <= int(self.split('-')[1]) && int(self.split('-')[1]) <= 65535",message="nodePortRange must be two ports between 1024 and 65535, the lower first, as 30000-32767"
	// +optional
	NodePortRange string `json:"nodePortRange,omitempty"`
	// auditLog is Enabled where requests are to be written down, with who sent them and what came of them: to the API servers'
	// log, as `naru logs cluster NAME audit` prints it. Absent: Disabled.
	// +kubebuilder:validation:Enum=Enabled;Disabled
	// +optional
	AuditLog string `json:"auditLog,omitempty"`
}

// AuditLogEnabled is APIServerSpec.AuditLog where there is one.
const AuditLogEnabled = "Enabled"

// ControllerManagerSpec are settings of kube-controller-manager. What is absent is Kubernetes' own default.
type ControllerManagerSpec struct {
	// hpaSyncPeriod is how often horizontal pod autoscalers look, in one unit, as 15s.
	// +kubebuilder:validation:MaxLength=8
	// +kubebuilder:validation:XValidation:rule="self.matches('^[1-9][0-9]*[smh]$') && duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="hpaSyncPeriod must lie between 1s and 1h, in one unit, as 15s"
	// +optional
	HPASyncPeriod string `json:"hpaSyncPeriod,omitempty"`
	// terminatedPodGCThreshold is how many pods that have ended are kept before the oldest are deleted.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	// +optional
	TerminatedPodGCThreshold int32 `json:"terminatedPodGCThreshold,omitempty"`
}

// SchedulerSpec are settings of kube-scheduler. What is absent is Kubernetes' own default.
type SchedulerSpec struct {
	// scoring is which of the nodes that a pod fits on is the best.
	// +optional
	Scoring *SchedulerScoring `json:"scoring,omitempty"`
}

// SchedulerScoring compares nodes by what pods ask of their resources.
type SchedulerScoring struct {
	// strategy spreads pods with LeastAllocated, Kubernetes' default, and packs nodes with MostAllocated.
	// +kubebuilder:validation:Enum=LeastAllocated;MostAllocated
	// +required
	Strategy string `json:"strategy"`
	// resources are what is compared; absent: cpu and memory, both with weight 1.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Resources []ResourceWeight `json:"resources,omitempty"`
}

// ResourceWeight is how much a resource counts.
type ResourceWeight struct {
	// name as pods ask for it: cpu, memory, example.org/gpu.
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +required
	Weight int32 `json:"weight"`
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

// TierRefused is the condition that says why the control plane does not get the tier that is asked for, for now; nil where it has it, or
// is getting it.
func (c *Cluster) TierRefused() *metav1.Condition {
	for i := range c.Status.Conditions {
		known := &c.Status.Conditions[i]
		if known.Type == ClusterTierReady && known.Status == metav1.ConditionFalse && (known.Reason == ReasonNoCapacity || known.Reason == ReasonDatabaseTooLarge) {
			return known
		}
	}
	return nil
}

// GetConditions returns the conditions, for internal/kube/conditions.
func (c *Cluster) GetConditions() *[]metav1.Condition { return &c.Status.Conditions }
