package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PodIdentityAssociationSpec gives the pods of a service account an IAM role:
// https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html
type PodIdentityAssociationSpec struct {
	// namespace of the service account, in the cluster.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="namespace can't be changed: create another association"
	// +required
	Namespace string `json:"namespace"`
	// serviceAccount by name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="serviceAccount can't be changed: create another association"
	// +required
	ServiceAccount string `json:"serviceAccount"`
	// roleARN is the role whose credentials the pods get.
	// +kubebuilder:validation:MinLength=20
	// +kubebuilder:validation:MaxLength=2048
	// +required
	RoleARN string `json:"roleARN"`
	// targetRoleARN is a second role, which the first one assumes; the pods get its credentials then.
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	TargetRoleARN string `json:"targetRoleARN,omitempty"`
	// externalID is passed when the target role is assumed. Naru chooses it.
	// +kubebuilder:validation:MaxLength=1224
	// +optional
	ExternalID string `json:"externalID,omitempty"`
	// disableSessionTags leaves out the session tags that say which pod asked.
	// +optional
	DisableSessionTags bool `json:"disableSessionTags,omitempty"`
	// policy, an IAM policy as JSON, bounds what the credentials may do.
	// +kubebuilder:validation:MaxLength=10240
	// +optional
	Policy string `json:"policy,omitempty"`
}

// PodIdentityAssociation gives pods of the cluster whose namespace it is in an IAM role. Its name
// follows from the service account, so that one has one role at most; see PodIdentityAssociationName.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=naru
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=`.spec.namespace`
// +kubebuilder:printcolumn:name="ServiceAccount",type=string,JSONPath=`.spec.serviceAccount`
// +kubebuilder:printcolumn:name="Role",type=string,JSONPath=`.spec.roleARN`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type PodIdentityAssociation struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec PodIdentityAssociationSpec `json:"spec"`
}

// PodIdentityAssociationList is a list of associations.
//
// +kubebuilder:object:root=true
type PodIdentityAssociationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []PodIdentityAssociation `json:"items"`
}

// PodIdentityAssociationName is the name, and the id, of a service account's association.
func PodIdentityAssociationName(namespace, serviceAccount string) string {
	sum := sha256.Sum256([]byte(namespace + "/" + serviceAccount))
	return "a-" + hex.EncodeToString(sum[:10])
}
