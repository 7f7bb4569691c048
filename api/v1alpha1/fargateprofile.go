package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Conditions of a FargateProfile.
const (
	// FargateProfileReady is true when the profile is in force in its cluster.
	FargateProfileReady = "Ready"
	// FargateProfileSynced says that the profile's NodePool and NaruNodeClass, and the cluster's admission policies for
	// all of its profiles, say what the specs say.
	FargateProfileSynced = "Synced"
	// FargateProfileInForce says that a pod of the profile was shown to the cluster, without being made, and came back
	// as the profile's, and that Karpenter is ready to make machines for it. It stays true.
	FargateProfileInForce = "InForce"
)

// Labels, taint and gate by which pods and machines of Fargate are known in a cluster. The names are EKS's, where it has one.
const (
	// LabelFargateProfile on a pod names the profile that it runs by; on a NodePool, a NodeClaim, a Machine and a Node the one
	// that it belongs to.
	LabelFargateProfile = "eks.amazonaws.com/fargate-profile"
	// LabelComputeType on a Node, and the taint of the same key, is FargateComputeType where pods of Fargate run.
	LabelComputeType   = "eks.amazonaws.com/compute-type"
	FargateComputeType = "fargate"
	// LabelFargatePod on a NodeClaim and its Node is the UID of the one pod that they are for.
	LabelFargatePod = "naru.dev/fargate-pod"
	// FargateGate keeps a pod from being scheduled until it was told which machine is its own.
	FargateGate = "naru.dev/fargate"
	// LabelFargateProbe, on a pod that is only shown to the cluster and never made, is the UID of the profile that it asks for.
	LabelFargateProbe = "naru.dev/fargate-probe"
)

// FargateProfileSpec says which pods of a cluster get a machine of their own each:
// https://docs.aws.amazon.com/eks/latest/userguide/fargate-profile.html
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a Fargate profile can't be changed: create another one, and delete this one"
type FargateProfileSpec struct {
	// selectors choose pods when they are made; one of them has to match.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=5
	// +listType=atomic
	// +required
	Selectors []FargateProfileSelector `json:"selectors"`

	// podExecutionRoleARN is the IAM role that EKS wants. Nothing assumes it here: machines of Naru have no role, and pull images
	// from Naru's registry.
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	PodExecutionRoleARN string `json:"podExecutionRoleARN,omitempty"`

	// zones are the zones that the machines may be in; empty: all.
	// +kubebuilder:validation:MaxItems=20
	// +listType=set
	// +optional
	Zones []string `json:"zones,omitempty"`
}

// FargateProfileSelector chooses pods by their namespace and labels. In all of them * stands for any characters and ? for one.
type FargateProfileSelector struct {
	// namespace of the pods.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[-a-z0-9*?]+$`
	// +required
	Namespace string `json:"namespace"`
	// labels that the pods must have, all of them.
	// +kubebuilder:validation:MaxProperties=5
	// +optional
	Labels map[string]LabelPattern `json:"labels,omitempty"`
}

// LabelPattern is what the value of a label is to be.
//
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^[-A-Za-z0-9_.*?]*$`
type LabelPattern string

// FargateProfileStatus is what was observed of a profile.
type FargateProfileStatus struct {
	// observedGeneration is the generation of the spec that the profile was in force for; 0: it never was.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions; see the FargateProfile… constants.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// machines is how many Machines the profile's pods have.
	// +optional
	Machines int32 `json:"machines"`
}

// FargateProfile gives each of the pods that it chooses a machine of its own, in the cluster whose namespace it is in.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=naru,shortName=fp
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Namespaces",type=string,JSONPath=`.spec.selectors[*].namespace`
// +kubebuilder:printcolumn:name="Machines",type=integer,JSONPath=`.status.machines`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')",message="a Fargate profile's name must have 1 to 40 lower-case letters, digits or dashes, begin with a letter and end with a letter or digit"
type FargateProfile struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   FargateProfileSpec   `json:"spec"`
	Status FargateProfileStatus `json:"status,omitempty"`
}

// FargateProfileList is a list of Fargate profiles.
//
// +kubebuilder:object:root=true
type FargateProfileList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []FargateProfile `json:"items"`
}

// GetConditions returns the conditions, for internal/kube/conditions.
func (p *FargateProfile) GetConditions() *[]metav1.Condition { return &p.Status.Conditions }

// Failed tells that the profile never came into force, and that somebody has to mend something before it can.
func (p *FargateProfile) Failed() bool {
	synced := meta.FindStatusCondition(p.Status.Conditions, FargateProfileSynced)
	return p.Status.ObservedGeneration == 0 && synced != nil && synced.Status != metav1.ConditionTrue &&
		(synced.Reason == ReasonFailed || synced.Reason == ReasonNotFound)
}
