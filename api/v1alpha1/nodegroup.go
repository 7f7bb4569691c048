package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Conditions of a NodeGroup.
const (
	// NodeGroupReady is true when the group's NodePool is in the cluster and as many nodes are Ready as the
	// group wants (dynamic groups: at least min).
	NodeGroupReady = "Ready"
	// NodeGroupSynced says that the group's NodePool and NaruNodeClass in the cluster say what the spec says.
	NodeGroupSynced = "Synced"
)

// NodeGroupSpec is a set of like worker machines.
type NodeGroupSpec struct {
	// scaling bounds the number of machines.
	// +required
	Scaling ScalingSpec `json:"scaling"`

	// machineClasses are the sizes that the group may use, by MachineClass name.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	// +listType=set
	// +required
	MachineClasses []string `json:"machineClasses"`

	// zones are the zones that the group's machines may be in; empty: all.
	// +kubebuilder:validation:MaxItems=20
	// +listType=set
	// +optional
	Zones []string `json:"zones,omitempty"`

	// labels of the group's nodes.
	// +kubebuilder:validation:MaxProperties=50
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// maxUnavailable is how many nodes are replaced at a time when they differ from the group or could be fewer: a
	// number, as 2, or a share of the group, as 25%. Empty: 10%.
	// +kubebuilder:validation:Pattern=`^([1-9][0-9]?|100)%?$`
	// +kubebuilder:validation:MaxLength=4
	// +optional
	MaxUnavailable string `json:"maxUnavailable,omitempty"`

	// taints of the group's nodes.
	// +kubebuilder:validation:MaxItems=50
	// +optional
	Taints []corev1.Taint `json:"taints,omitempty"`
}

// ScalingSpec bounds the number of a group's machines. With desired, or min equal to max, the
// number is fixed; otherwise pending pods get machines, up to max, and idle machines go, down to min.
//
// +kubebuilder:validation:XValidation:rule="self.min <= self.max",message="scaling.min is above scaling.max: lower min or raise max"
// +kubebuilder:validation:XValidation:rule="!has(self.desired) || (self.desired >= self.min && self.desired <= self.max)",message="scaling.desired must lie between scaling.min and scaling.max"
type ScalingSpec struct {
	// min is the least number of machines.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:default=0
	// +optional
	Min int32 `json:"min"`
	// max is the greatest number of machines.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +required
	Max int32 `json:"max"`
	// desired fixes the number of machines.
	// +optional
	Desired *int32 `json:"desired,omitempty"`
}

// NodeGroupStatus is what was observed of a node group.
type NodeGroupStatus struct {
	// observedGeneration is the newest generation of the spec that the group was Ready for; 0: it never was.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions; see the NodeGroup… constants.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// machines is how many Machines the group has.
	// +optional
	Machines int32 `json:"machines"`
	// readyNodes is how many of its nodes are Ready in the cluster.
	// +optional
	ReadyNodes int32 `json:"readyNodes"`
}

// NodeGroup is a set of like worker machines of the cluster whose namespace it is in.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=naru
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Min",type=integer,JSONPath=`.spec.scaling.min`
// +kubebuilder:printcolumn:name="Max",type=integer,JSONPath=`.spec.scaling.max`
// +kubebuilder:printcolumn:name="Desired",type=integer,JSONPath=`.spec.scaling.desired`
// +kubebuilder:printcolumn:name="Machines",type=integer,JSONPath=`.status.machines`
// +kubebuilder:printcolumn:name="Nodes",type=integer,JSONPath=`.status.readyNodes`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')",message="a node group's name must have 1 to 40 lower-case letters, digits or dashes, begin with a letter and end with a letter or digit"
type NodeGroup struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   NodeGroupSpec   `json:"spec"`
	Status NodeGroupStatus `json:"status,omitempty"`
}

// NodeGroupList is a list of node groups.
//
// +kubebuilder:object:root=true
type NodeGroupList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []NodeGroup `json:"items"`
}

// GetConditions returns the conditions, for internal/kube/conditions.
func (g *NodeGroup) GetConditions() *[]metav1.Condition { return &g.Status.Conditions }

// FixedSize is the number of machines that the group is to have, and whether it is fixed at
// all (desired is set, or min equals max). Such a group becomes a static NodePool.
func (s ScalingSpec) FixedSize() (size int32, fixed bool) {
	switch {
	case s.Desired != nil:
		return *s.Desired, true
	case s.Min == s.Max:
		return s.Min, true
	}
	return 0, false
}
