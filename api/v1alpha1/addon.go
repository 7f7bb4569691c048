package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Conditions of an add-on of a cluster. Both are of positive polarity.
const (
	// AddonApplied says that the cluster has what was asked of the add-on last, or, where it was to be removed, has it no longer.
	AddonApplied = "Applied"
	// AddonAvailable says that enough of the add-on's pods serve, as its Deployment says.
	AddonAvailable = "Available"
)

// Reasons of an add-on's conditions, beside ReasonReady, ReasonProgressing and ReasonFailed.
const (
	// ReasonConflict: another field manager owns fields, which the message names, and conflicts is Fail. Nothing was written.
	ReasonConflict = "Conflict"
	// ReasonRejected: the cluster's API server refused what was to be applied; the message says why. It is not tried again
	// by itself before the next regular pass.
	ReasonRejected = "Rejected"
	// ReasonRemoved: the add-on's objects were deleted.
	ReasonRemoved = "Removed"
	// ReasonReleased: the add-on's objects stay as they are, and Naru writes them no longer.
	ReasonReleased = "Released"
)

// AddonManagement says what Naru does with an add-on's objects.
// +kubebuilder:validation:Enum=Applied;Released;Removed
type AddonManagement string

const (
	// AddonKept has its objects applied, again and again.
	AddonKept AddonManagement = "Applied"
	// AddonReleased has its objects left as they are: users care for them.
	AddonReleased AddonManagement = "Released"
	// AddonRemoved has its objects deleted.
	AddonRemoved AddonManagement = "Removed"
)

// AddonConflicts says what happens to fields of an add-on that another field manager owns and has set to something else.
// +kubebuilder:validation:Enum=Overwrite;Preserve;Fail
type AddonConflicts string

const (
	// ConflictsOverwrite takes the fields over.
	ConflictsOverwrite AddonConflicts = "Overwrite"
	// ConflictsPreserve leaves those fields as they are, and applies the others.
	ConflictsPreserve AddonConflicts = "Preserve"
	// ConflictsFail applies nothing.
	ConflictsFail AddonConflicts = "Fail"
)

// AddonSpec says how a component that every cluster comes with is kept. Without one a component is applied as it
// comes, and what others change of it is put right.
type AddonSpec struct {
	// name of the add-on.
	// +kubebuilder:validation:Enum=coredns;eks-pod-identity-agent;kube-proxy;metrics-server;vpc-cni
	// +required
	Name string `json:"name"`
	// management says what is done with its objects. What is a part of every node, as kube-proxy, is always applied.
	// +kubebuilder:default=Applied
	// +optional
	Management AddonManagement `json:"management,omitempty"`
	// configuration is a JSON or YAML object that the add-on's schema allows; `aws eks describe-addon-configuration` prints it.
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	Configuration string `json:"configuration,omitempty"`
	// conflicts says what happens to fields that another manager owns.
	// +kubebuilder:default=Overwrite
	// +optional
	Conflicts AddonConflicts `json:"conflicts,omitempty"`
	// attempt is raised to have it applied anew, though nothing else has changed.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Attempt int64 `json:"attempt,omitempty"`
}

// AddonStatus is what was observed of an add-on that the spec has.
type AddonStatus struct {
	// name of the add-on.
	// +required
	Name string `json:"name"`
	// observedGeneration is the newest generation of the cluster for which the add-on was applied and all of its
	// pods were new and available; 0: it never was.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions; see the Addon… constants.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// FindAddon returns what the spec says of an add-on; nil: nothing.
func (c *Cluster) FindAddon(name string) *AddonSpec {
	for i := range c.Spec.Addons {
		if c.Spec.Addons[i].Name == name {
			return &c.Spec.Addons[i]
		}
	}
	return nil
}

// FindAddonStatus returns what was observed of an add-on; nil: nothing yet.
func (c *Cluster) FindAddonStatus(name string) *AddonStatus {
	for i := range c.Status.Addons {
		if c.Status.Addons[i].Name == name {
			return &c.Status.Addons[i]
		}
	}
	return nil
}
