package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Conditions of a Machine.
const (
	// MachineReady is true while the machine runs and its kubelet answers for it in the cluster.
	MachineReady = "Ready"
	// MachineProvisioned says that the driver has made the machine and that it runs.
	MachineProvisioned = "Provisioned"
	// MachineJoined says that the machine's Node exists in the cluster and is Ready.
	MachineJoined = "Joined"
)

// MachineClassSpec is a size, as an EC2 instance type is one.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a MachineClass can't be changed while machines rely on what it promises: create another one"
type MachineClassSpec struct {
	// cpu that a machine of this class has.
	// +required
	CPU resource.Quantity `json:"cpu"`
	// memory that a machine of this class has.
	// +required
	Memory resource.Quantity `json:"memory"`
	// pods is how many pods a machine of this class takes.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=250
	// +kubebuilder:default=110
	// +optional
	Pods int32 `json:"pods,omitempty"`
	// pricePerHour, in any one unit: Karpenter prefers the cheaper of two classes that fit.
	// +optional
	PricePerHour *resource.Quantity `json:"pricePerHour,omitempty"`
}

// MachineClass is a size of machines, named as EC2 names it, so that existing manifests work.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=naru
// +kubebuilder:printcolumn:name="CPU",type=string,JSONPath=`.spec.cpu`
// +kubebuilder:printcolumn:name="Memory",type=string,JSONPath=`.spec.memory`
// +kubebuilder:printcolumn:name="Pods",type=integer,JSONPath=`.spec.pods`
type MachineClass struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec MachineClassSpec `json:"spec"`
}

// MachineClassList is a list of machine classes.
//
// +kubebuilder:object:root=true
type MachineClassList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []MachineClass `json:"items"`
}

// MachineSpec is one machine. It never changes: a machine that should be otherwise is replaced. Only one that was made
// ahead of its NodeClaim is given that, once, with the labels and taints that go with it.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf || size(oldSelf.claim.uid) == 0 && !has(self.fargateProfile) && self.machineClass == oldSelf.machineClass && self.image == oldSelf.image && has(self.nodeGroup) == has(oldSelf.nodeGroup) && (!has(self.nodeGroup) || self.nodeGroup == oldSelf.nodeGroup) && has(self.zone) == has(oldSelf.zone) && (!has(self.zone) || self.zone == oldSelf.zone)",message="a Machine can't be changed, but for the NodeClaim of one that has none yet: Karpenter replaces it"
type MachineSpec struct {
	// claim is the NodeClaim, in the cluster, that this machine serves; empty while it was made ahead and has none yet.
	// +required
	Claim MachineClaim `json:"claim"`
	// nodeGroup is the name of the group that the machine belongs to.
	// +optional
	NodeGroup string `json:"nodeGroup,omitempty"`
	// fargateProfile is the name of the profile by which the machine's one pod runs.
	// +optional
	FargateProfile string `json:"fargateProfile,omitempty"`
	// machineClass is the machine's size.
	// +required
	MachineClass string `json:"machineClass"`
	// zone that the machine is to be in; empty: any.
	// +optional
	Zone string `json:"zone,omitempty"`
	// image is the reference of the node image.
	// +required
	Image string `json:"image"`
	// labels that the node registers with.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// taints that the node registers with.
	// +optional
	Taints []corev1.Taint `json:"taints,omitempty"`
}

// Claimed tells whether the machine serves a NodeClaim.
func (m *Machine) Claimed() bool { return m.Spec.Claim.UID != "" }

// MachineClaim names a NodeClaim. The UID is the idempotency key: one claim has at most one machine.
type MachineClaim struct {
	// +required
	Name string `json:"name"`
	// +required
	UID types.UID `json:"uid"`
}

// MachineStatus is what was observed of a machine.
type MachineStatus struct {
	// conditions; see the Machine… constants.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// providerID is what the node registers with: naru://<cluster>/<machine>.
	// +optional
	ProviderID string `json:"providerID,omitempty"`
	// address is the machine's address in the hosting cluster's pod network.
	// +optional
	Address string `json:"address,omitempty"`
	// host is the hosting cluster's node that the machine runs on, zone the zone of that.
	// +optional
	Host string `json:"host,omitempty"`
	// +optional
	Zone string `json:"zone,omitempty"`
}

// Machine is one worker machine of the cluster whose namespace it is in.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=naru
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Group",type=string,JSONPath=`.spec.nodeGroup`
// +kubebuilder:printcolumn:name="Fargate",type=string,JSONPath=`.spec.fargateProfile`,priority=1
// +kubebuilder:printcolumn:name="Class",type=string,JSONPath=`.spec.machineClass`
// +kubebuilder:printcolumn:name="Zone",type=string,JSONPath=`.status.zone`
// +kubebuilder:printcolumn:name="Host",type=string,JSONPath=`.status.host`,priority=1
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.address`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Machine struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   MachineSpec   `json:"spec"`
	Status MachineStatus `json:"status,omitempty"`
}

// MachineList is a list of machines.
//
// +kubebuilder:object:root=true
type MachineList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Machine `json:"items"`
}

// GetConditions returns the conditions, for internal/kube/conditions.
func (m *Machine) GetConditions() *[]metav1.Condition { return &m.Status.Conditions }
