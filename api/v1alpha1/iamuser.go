package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// IAMUserSpec is a person or a program with keys of its own.
type IAMUserSpec struct {
	IAMIdentity `json:",inline"`
	IAMPolicies `json:",inline"`
}

// IAMUser is an IAM user. Its access keys are Secrets in naru-system.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=naru
// +kubebuilder:printcolumn:name="User",type=string,JSONPath=`.spec.name`
// +kubebuilder:printcolumn:name="Policies",type=string,JSONPath=`.spec.attachedPolicies`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type IAMUser struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec IAMUserSpec `json:"spec"`
}

// IAMUserList is a list of IAM users.
//
// +kubebuilder:object:root=true
type IAMUserList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []IAMUser `json:"items"`
}
