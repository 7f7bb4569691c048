package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// IAMInstanceProfileSpec gives machines a role.
type IAMInstanceProfileSpec struct {
	IAMIdentity `json:",inline"`
	// roles by name; AWS allows one.
	// +kubebuilder:validation:MaxItems=1
	// +kubebuilder:validation:items:MaxLength=128
	// +listType=set
	// +optional
	Roles []string `json:"roles,omitempty"`
}

// IAMInstanceProfile is an instance profile.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=naru
// +kubebuilder:printcolumn:name="Profile",type=string,JSONPath=`.spec.name`
// +kubebuilder:printcolumn:name="Roles",type=string,JSONPath=`.spec.roles`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type IAMInstanceProfile struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec IAMInstanceProfileSpec `json:"spec"`
}

// IAMInstanceProfileList is a list of instance profiles.
//
// +kubebuilder:object:root=true
type IAMInstanceProfileList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []IAMInstanceProfile `json:"items"`
}
