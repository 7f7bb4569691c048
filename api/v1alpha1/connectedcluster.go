package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Conditions of a ConnectedCluster.
const (
	// ConnectedClusterActivated is true once an agent has shown the activation code. It stays true.
	ConnectedClusterActivated = "Activated"
	// ConnectedClusterConnected says that the cluster's API was asked through the agent's tunnel, and answered. It is absent until
	// that was so for the first time.
	ConnectedClusterConnected = "Connected"
)

// Reasons of ConnectedClusterConnected where it is not true.
const (
	// ReasonAgentGone: the agent has no tunnel open.
	ReasonAgentGone = "AgentGone"
	// ReasonNoAnswer: the agent is there, and the cluster's API does not answer it.
	ReasonNoAnswer = "NoAnswer"
)

// ConnectedClusterSpec is a cluster that somebody else runs, which an agent in it connects:
// https://docs.aws.amazon.com/eks/latest/userguide/eks-connector.html
type ConnectedClusterSpec struct {
	// provider is who runs the cluster, as EKS names providers.
	// +kubebuilder:validation:Enum=EKS_ANYWHERE;ANTHOS;GKE;AKS;OPENSHIFT;TANZU;RANCHER;EC2;OTHER
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a connected cluster's provider can't be changed: deregister it, and register it again"
	// +required
	Provider string `json:"provider"`
	// roleARN is the IAM role that EKS wants. Nothing assumes it here: the agent is known by its key.
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	RoleARN string `json:"roleARN,omitempty"`
	// activation is what the agent shows when it comes for the first time.
	// +required
	Activation Activation `json:"activation"`
}

// Activation lets one agent in, once.
type Activation struct {
	// id names the activation; it is no secret.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +required
	ID string `json:"id"`
	// codeHash is the SHA-256 of the code, in hexadecimal digits. The code itself is told once, and kept nowhere.
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{64}$`
	// +required
	CodeHash string `json:"codeHash"`
	// expires is when the code stops being good.
	// +required
	Expires metav1.Time `json:"expires"`
}

// ConnectedClusterStatus is what was observed of a connected cluster.
type ConnectedClusterStatus struct {
	// agentKey is the SHA-256 of the public key of the agent that was activated, in hexadecimal digits; empty: none was.
	// +optional
	AgentKey string `json:"agentKey,omitempty"`
	// version of Kubernetes, as v1.37.1, and its nodes, as the agent saw them last.
	// +optional
	Version string `json:"version,omitempty"`
	// +optional
	Nodes int32 `json:"nodes,omitempty"`
	// +optional
	ReadyNodes int32 `json:"readyNodes,omitempty"`
	// conditions; see the ConnectedCluster… constants.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ConnectedCluster is a Kubernetes cluster that is not Naru's, and that is seen through Naru. It can't have a Cluster's name.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,categories=naru
// +kubebuilder:printcolumn:name="Provider",type=string,JSONPath=`.spec.provider`
// +kubebuilder:printcolumn:name="Connected",type=string,JSONPath=`.status.conditions[?(@.type=="Connected")].status`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.version`
// +kubebuilder:printcolumn:name="Nodes",type=integer,JSONPath=`.status.nodes`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')",message="a cluster's name must have 1 to 40 lower-case letters, digits or dashes, begin with a letter and end with a letter or digit"
// +kubebuilder:validation:XValidation:rule="self.metadata.name != 'system'",message="the name system is Naru's own: choose another"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.agentKey) || self.spec.activation == oldSelf.spec.activation",message="an agent was activated already: deregister the cluster, and register it again"
type ConnectedCluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ConnectedClusterSpec   `json:"spec"`
	Status ConnectedClusterStatus `json:"status,omitempty"`
}

// ConnectedClusterList is a list of connected clusters.
//
// +kubebuilder:object:root=true
type ConnectedClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ConnectedCluster `json:"items"`
}

// GetConditions returns the conditions, for internal/kube/conditions.
func (c *ConnectedCluster) GetConditions() *[]metav1.Condition { return &c.Status.Conditions }
