package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ReleaseSpec says what a Kubernetes version consists of.
type ReleaseSpec struct {
	// version is the full Kubernetes version, as "1.37.1".
	// +kubebuilder:validation:Pattern=`^1\.[1-9][0-9]\.[0-9]+$`
	// +required
	Version string `json:"version"`
	// images maps an image name (kube-apiserver, etcd, coredns, naru …) to its reference.
	// +kubebuilder:validation:MinProperties=1
	// +required
	Images map[string]string `json:"images"`
}

// Release is a Kubernetes version that clusters can run. Its name is the minor, as "1.37".
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=naru
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.version`
type Release struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ReleaseSpec `json:"spec"`
}

// ReleaseList is a list of releases.
//
// +kubebuilder:object:root=true
type ReleaseList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Release `json:"items"`
}

// NodeImageSpec is the file system of a worker machine.
type NodeImageSpec struct {
	// kubernetesVersion is the full version of the kubelet in it, as "1.37.1".
	// +kubebuilder:validation:Pattern=`^1\.[1-9][0-9]\.[0-9]+$`
	// +required
	KubernetesVersion string `json:"kubernetesVersion"`
	// os is the operating system in it, as "Debian GNU/Linux 12 (bookworm)".
	// +required
	OS string `json:"os"`
	// image is its reference.
	// +required
	Image string `json:"image"`
}

// NodeImage is a node's file system. The one that is named as a Release is what its node groups run.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=naru
// +kubebuilder:printcolumn:name="Kubernetes",type=string,JSONPath=`.spec.kubernetesVersion`
// +kubebuilder:printcolumn:name="OS",type=string,JSONPath=`.spec.os`
type NodeImage struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec NodeImageSpec `json:"spec"`
}

// NodeImageList is a list of node images.
//
// +kubebuilder:object:root=true
type NodeImageList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []NodeImage `json:"items"`
}
