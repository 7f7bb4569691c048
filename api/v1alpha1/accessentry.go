package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AccessEntrySpec is what an IAM principal is in a cluster, as an EKS access entry says it:
// https://docs.aws.amazon.com/eks/latest/userguide/access-entries.html
//
// +kubebuilder:validation:XValidation:rule="self.type == 'STANDARD' || ((!has(self.kubernetesGroups) || size(self.kubernetesGroups) == 0) && (!has(self.policies) || size(self.policies) == 0))",message="only an entry of type STANDARD has groups and policies of its own"
type AccessEntrySpec struct {
	// principalARN is the IAM user or role.
	// +kubebuilder:validation:MinLength=20
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="principalARN can't be changed: create another access entry"
	// +required
	PrincipalARN string `json:"principalARN"`
	// type says who the principal is: a person or program (STANDARD), or a machine.
	// +kubebuilder:validation:Enum=STANDARD;EC2_LINUX;EC2_WINDOWS;FARGATE_LINUX;HYBRID_LINUX;EC2
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="type can't be changed: create another access entry"
	// +required
	Type string `json:"type"`
	// username in the cluster. It may hold {{SessionName}}.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +required
	Username string `json:"username"`
	// kubernetesGroups that the principal belongs to. What those may do is for the cluster's RBAC to say.
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=set
	// +optional
	KubernetesGroups []string `json:"kubernetesGroups,omitempty"`
	// policies that the principal has in the cluster.
	// +kubebuilder:validation:MaxItems=20
	// +listType=map
	// +listMapKey=policy
	// +optional
	Policies []AccessPolicyAssociation `json:"policies,omitempty"`
}

// AccessPolicyAssociation gives an access entry the rights of an access policy.
type AccessPolicyAssociation struct {
	// policy by name, as AmazonEKSViewPolicy.
	// +kubebuilder:validation:Pattern=`^Amazon[A-Za-z]+Policy$`
	// +kubebuilder:validation:MaxLength=128
	// +required
	Policy string `json:"policy"`
	// scope says where it holds.
	// +required
	Scope AccessScope `json:"scope"`
	// associatedAt and modifiedAt are when it was given, and when its scope was changed last.
	// +optional
	AssociatedAt metav1.Time `json:"associatedAt,omitzero"`
	// +optional
	ModifiedAt metav1.Time `json:"modifiedAt,omitzero"`
}

// AccessScope is where an access policy holds.
//
// +kubebuilder:validation:XValidation:rule="(self.type == 'namespace') == (has(self.namespaces) && size(self.namespaces) > 0)",message="a scope of type namespace names namespaces, one of type cluster does not"
type AccessScope struct {
	// +kubebuilder:validation:Enum=cluster;namespace
	// +required
	Type string `json:"type"`
	// namespaces by name; * stands for any characters.
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=63
	// +listType=set
	// +optional
	Namespaces []string `json:"namespaces,omitempty"`
}

// AccessEntry lets an IAM principal into the cluster whose namespace it is in. Its name follows from
// the principal, so that a principal has one entry at most; see AccessEntryName.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=naru
// +kubebuilder:printcolumn:name="Principal",type=string,JSONPath=`.spec.principalARN`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Username",type=string,JSONPath=`.spec.username`,priority=1
// +kubebuilder:printcolumn:name="Policies",type=string,JSONPath=`.spec.policies[*].policy`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type AccessEntry struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec AccessEntrySpec `json:"spec"`
}

// AccessEntryList is a list of access entries.
//
// +kubebuilder:object:root=true
type AccessEntryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AccessEntry `json:"items"`
}

// ReservedPrefixes begin the names of users and groups that only Kubernetes, EKS and Naru themselves give.
func ReservedPrefixes() []string {
	return []string{"system:", "eks:", "aws:", "amazon:", "iam:", "naru:"}
}

// AccessEntryName is the name of a principal's entry.
func AccessEntryName(principalARN string) string {
	sum := sha256.Sum256([]byte(principalARN))
	return "entry-" + hex.EncodeToString(sum[:10])
}
