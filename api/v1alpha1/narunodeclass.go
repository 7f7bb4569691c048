package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// NaruNodeClassSpec is what Naru's cloud provider needs to make machines for a NodePool.
//
// +kubebuilder:validation:XValidation:rule="has(self.nodeGroup) != has(self.fargateProfile)",message="a node class is that of a node group or that of a Fargate profile"
type NaruNodeClassSpec struct {
	// nodeGroup is the group that this class was derived from, if it was one.
	// +optional
	NodeGroup string `json:"nodeGroup,omitempty"`
	// fargateProfile is the profile that this class was derived from, if it was one.
	// +optional
	FargateProfile string `json:"fargateProfile,omitempty"`
	// machineClasses are the sizes that may be used.
	// +kubebuilder:validation:MinItems=1
	// +listType=set
	// +required
	MachineClasses []string `json:"machineClasses"`
	// image is the reference of the node image; nodes of another image have drifted.
	// +required
	Image string `json:"image"`
}

// NaruNodeClassStatus is what was observed of a node class.
type NaruNodeClassStatus struct {
	// conditions, of which Karpenter reads Ready.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// NaruNodeClass is Karpenter's node class for Naru. It lives in the managed cluster.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,categories={naru,karpenter}
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
type NaruNodeClass struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   NaruNodeClassSpec   `json:"spec"`
	Status NaruNodeClassStatus `json:"status,omitempty"`
}

// NaruNodeClassList is a list of node classes.
//
// +kubebuilder:object:root=true
type NaruNodeClassList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []NaruNodeClass `json:"items"`
}
