package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ClusterRevisionSpec is everything that decides what a control plane runs. It never changes:
// an upgrade writes a new revision, a rollback activates an old one.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a ClusterRevision can't be changed: write a new one"
type ClusterRevisionSpec struct {
	// version is the full Kubernetes version, as "1.37.1".
	// +kubebuilder:validation:Pattern=`^1\.[1-9][0-9]\.[0-9]+$`
	// +required
	Version string `json:"version"`
	// emulatedVersion is the minor that the servers emulate; empty: their own.
	// +kubebuilder:validation:Pattern=`^(1\.[1-9][0-9])?$`
	// +optional
	EmulatedVersion string `json:"emulatedVersion,omitempty"`
	// images maps a component's image name (kube-apiserver, etcd …) to its reference.
	// +kubebuilder:validation:MinProperties=1
	// +required
	Images map[string]string `json:"images"`
}

// ClusterRevision is one thing that a control plane ran or runs. Cluster.status.revision names the active one.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=naru
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.version`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ClusterRevision struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ClusterRevisionSpec `json:"spec"`
}

// ClusterRevisionList is a list of cluster revisions.
//
// +kubebuilder:object:root=true
type ClusterRevisionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ClusterRevision `json:"items"`
}
