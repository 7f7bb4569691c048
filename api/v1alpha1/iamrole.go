package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// IAMRoleSpec is what somebody may become for a while.
type IAMRoleSpec struct {
	IAMIdentity `json:",inline"`
	IAMPolicies `json:",inline"`
	// trustPolicy says who may assume the role, as JSON.
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=65536
	// +required
	TrustPolicy string `json:"trustPolicy"`
	// description for people.
	// +kubebuilder:validation:MaxLength=1000
	// +optional
	Description string `json:"description,omitempty"`
	// maxSessionSeconds is how long a session may last.
	// +kubebuilder:validation:Minimum=3600
	// +kubebuilder:validation:Maximum=43200
	// +kubebuilder:default=3600
	// +optional
	MaxSessionSeconds int32 `json:"maxSessionSeconds,omitempty"`
}

// IAMRole is an IAM role.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=naru
// +kubebuilder:printcolumn:name="Role",type=string,JSONPath=`.spec.name`
// +kubebuilder:printcolumn:name="Policies",type=string,JSONPath=`.spec.attachedPolicies`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type IAMRole struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec IAMRoleSpec `json:"spec"`
}

// IAMRoleList is a list of IAM roles.
//
// +kubebuilder:object:root=true
type IAMRoleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []IAMRole `json:"items"`
}
