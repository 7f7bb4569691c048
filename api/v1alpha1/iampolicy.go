package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// IAMPolicySpec is a policy that can be attached to several principals. Those of AWS come with Naru and are no objects.
//
// +kubebuilder:validation:XValidation:rule="self.versions.exists(v, v.id == self.defaultVersion)",message="defaultVersion is none of versions"
type IAMPolicySpec struct {
	IAMIdentity `json:",inline"`
	// description for people. It can't be changed.
	// +kubebuilder:validation:MaxLength=1000
	// +optional
	Description string `json:"description,omitempty"`
	// versions, the oldest first.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=5
	// +listType=map
	// +listMapKey=id
	// +required
	Versions []IAMPolicyVersion `json:"versions"`
	// defaultVersion is the one that decides.
	// +kubebuilder:validation:MaxLength=16
	// +required
	DefaultVersion string `json:"defaultVersion"`
	// lastVersion is the number of the version that was made last: numbers are never given again.
	// +kubebuilder:validation:Minimum=1
	// +required
	LastVersion int32 `json:"lastVersion"`
}

// IAMPolicyVersion is one version of a policy. It is never changed.
type IAMPolicyVersion struct {
	// id as v1.
	// +kubebuilder:validation:MaxLength=16
	// +required
	ID string `json:"id"`
	// document is the policy as JSON.
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=65536
	// +required
	Document string `json:"document"`
	// createdAt is when it was made.
	// +required
	CreatedAt metav1.Time `json:"createdAt"`
}

// IAMPolicy is a customer-managed policy.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=naru
// +kubebuilder:printcolumn:name="Policy",type=string,JSONPath=`.spec.name`
// +kubebuilder:printcolumn:name="Default",type=string,JSONPath=`.spec.defaultVersion`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type IAMPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec IAMPolicySpec `json:"spec"`
}

// IAMPolicyList is a list of managed policies.
//
// +kubebuilder:object:root=true
type IAMPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []IAMPolicy `json:"items"`
}
