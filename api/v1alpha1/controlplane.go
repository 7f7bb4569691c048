package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ControlPlaneSpec sizes a control plane.
//
// +kubebuilder:validation:XValidation:rule="!has(self.tier) || self.tier == 'standard' || self.replicas == 3",message="controlPlane.tier needs 3 replicas: what it promises has to be there when one is lost; set controlPlane.replicas to 3, or tier to standard"
type ControlPlaneSpec struct {
	// replicas is how many etcd members and API servers there are: 3 survives the loss of one, 1 is the
	// small form. Controller managers and schedulers are 2 and 1 respectively. It can be changed both ways.
	// +kubebuilder:validation:Enum=1;3
	// +kubebuilder:default=3
	// +optional
	Replicas int32 `json:"replicas,omitempty"`

	// tier is how much the control plane can do; absent: standard. The others are EKS' provisioned ones, and need 3 replicas:
	//
	//	           set aside  requests at once  pods placed a second  database
	//	standard   once       600 a server      -                     2 GB
	//	tier-xl    2 times    1700              167                   16 GB
	//	tier-2xl   4 times    3400              283                   16 GB
	//	tier-4xl   8 times    6800              400                   16 GB
	//	tier-8xl   16 times   13600             400                   16 GB
	//
	// What processor and memory are set aside for API servers, etcd, controller managers and schedulers, and their limits, are
	// those of standard so many times. Requests at once are taken by all API servers together with one of them lost. A second's pods and
	// the database are bounds, no promise: the machines have to be fast, and large, enough. It can be changed both ways, and
	// replaces pods one by one; where the hosting cluster has no room, the control plane stays as it is, and the condition TierReady says so.
	// +kubebuilder:validation:Enum=standard;tier-xl;tier-2xl;tier-4xl;tier-8xl
	// +optional
	Tier string `json:"tier,omitempty"`

	// authenticatorLog is Enabled where is to be written down whose tokens of the EKS API came to the API servers, and what was
	// decided: to the authenticator's log, as `naru logs cluster NAME authenticator` prints it. It replaces nothing. Absent: Disabled.
	// +kubebuilder:validation:Enum=Enabled;Disabled
	// +optional
	AuthenticatorLog string `json:"authenticatorLog,omitempty"`

	// apiServer, controllerManager and scheduler are settings of the components that users may change. A change replaces
	// their pods one by one.
	// +optional
	APIServer APIServerSpec `json:"apiServer,omitzero"`
	// +optional
	ControllerManager ControllerManagerSpec `json:"controllerManager,omitzero"`
	// +optional
	Scheduler SchedulerSpec `json:"scheduler,omitzero"`
}

// APIServerSpec are settings of kube-apiserver. What is absent is Kubernetes' own default.
type APIServerSpec struct {
	// eventTTL is how long events are kept, in one unit, as 30m or 2h.
	// +kubebuilder:validation:MaxLength=8
	// +kubebuilder:validation:XValidation:rule="self.matches('^[1-9][0-9]*[smh]$') && duration(self) >= duration('1m') && duration(self) <= duration('24h')",message="eventTTL must lie between 1m and 24h, in one unit, as 30m or 2h"
	// +optional
	EventTTL string `json:"eventTTL,omitempty"`
	// nodePortRange is the range of NodePort Services, as 30000-32767.
	// +kubebuilder:validation:MaxLength=11
	// +kubebuilder:validation:XValidation:rule="self.matches('^[1-9][0-9]{3,4}-[1-9][0-9]{3,4}$') && int(self.split('-')[0]) >= 1024 && int(self.split('-')[0]) <= int(self.split('-')[1]) && int(self.split('-')[1]) <= 65535",message="nodePortRange must be two ports between 1024 and 65535, the lower first, as 30000-32767"
	// +optional
	NodePortRange string `json:"nodePortRange,omitempty"`
	// auditLog is Enabled where requests are to be written down, with who sent them and what came of them: to the API servers'
	// log, as `naru logs cluster NAME audit` prints it. Absent: Disabled.
	// +kubebuilder:validation:Enum=Enabled;Disabled
	// +optional
	AuditLog string `json:"auditLog,omitempty"`
}

// AuthenticatorLogEnabled is ControlPlaneSpec.AuthenticatorLog where there is one.
const AuthenticatorLogEnabled = "Enabled"

// AuditLogEnabled is APIServerSpec.AuditLog where there is one.
const AuditLogEnabled = "Enabled"

// ControllerManagerSpec are settings of kube-controller-manager. What is absent is Kubernetes' own default.
type ControllerManagerSpec struct {
	// hpaSyncPeriod is how often horizontal pod autoscalers look, in one unit, as 15s.
	// +kubebuilder:validation:MaxLength=8
	// +kubebuilder:validation:XValidation:rule="self.matches('^[1-9][0-9]*[smh]$') && duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="hpaSyncPeriod must lie between 1s and 1h, in one unit, as 15s"
	// +optional
	HPASyncPeriod string `json:"hpaSyncPeriod,omitempty"`
	// terminatedPodGCThreshold is how many pods that have ended are kept before the oldest are deleted.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	// +optional
	TerminatedPodGCThreshold int32 `json:"terminatedPodGCThreshold,omitempty"`
}

// SchedulerSpec are settings of kube-scheduler. What is absent is Kubernetes' own default.
type SchedulerSpec struct {
	// scoring is which of the nodes that a pod fits on is the best.
	// +optional
	Scoring *SchedulerScoring `json:"scoring,omitempty"`
}

// SchedulerScoring compares nodes by what pods ask of their resources.
type SchedulerScoring struct {
	// strategy spreads pods with LeastAllocated, Kubernetes' default, and packs nodes with MostAllocated.
	// +kubebuilder:validation:Enum=LeastAllocated;MostAllocated
	// +required
	Strategy string `json:"strategy"`
	// resources are what is compared; absent: cpu and memory, both with weight 1.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Resources []ResourceWeight `json:"resources,omitempty"`
}

// ResourceWeight is how much a resource counts.
type ResourceWeight struct {
	// name as pods ask for it: cpu, memory, example.org/gpu.
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +required
	Weight int32 `json:"weight"`
}

// TierRefused is the condition that says why the control plane does not get the tier that is asked for, for now; nil where it has it, or
// is getting it.
func (c *Cluster) TierRefused() *metav1.Condition {
	for i := range c.Status.Conditions {
		known := &c.Status.Conditions[i]
		if known.Type == ClusterTierReady && known.Status == metav1.ConditionFalse && (known.Reason == ReasonNoCapacity || known.Reason == ReasonDatabaseTooLarge) {
			return known
		}
	}
	return nil
}
