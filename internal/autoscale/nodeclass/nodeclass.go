// Package nodeclass makes the API's NaruNodeClass what Karpenter wants a node class to be, and
// keeps its Ready condition. The API package itself may not know Karpenter.
package nodeclass

import (
	"github.com/awslabs/operatorpkg/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"naru.dev/naru/api/v1alpha1"
)

// Kind of the node class.
const Kind = "NaruNodeClass"

// NodeClass is a v1alpha1.NaruNodeClass that implements operatorpkg's status.Object.
type NodeClass struct {
	v1alpha1.NaruNodeClass `json:",inline"`
}

// List is a list of node classes.
type List struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []NodeClass `json:"items"`
}

var _ status.Object = (*NodeClass)(nil)

// AddToScheme registers NodeClass as the kind NaruNodeClass, in place of the API's own type: a scheme
// has one of the two.
func AddToScheme(scheme *runtime.Scheme) {
	scheme.AddKnownTypeWithName(v1alpha1.GroupVersion.WithKind(Kind), &NodeClass{})
	scheme.AddKnownTypeWithName(v1alpha1.GroupVersion.WithKind(Kind+"List"), &List{})
	metav1.AddToGroupVersion(scheme, v1alpha1.GroupVersion)
}

// GetConditions returns the conditions, for operatorpkg.
func (n *NodeClass) GetConditions() []status.Condition {
	conditions := make([]status.Condition, 0, len(n.Status.Conditions))
	for _, condition := range n.Status.Conditions {
		conditions = append(conditions, status.Condition(condition))
	}
	return conditions
}

// SetConditions replaces the conditions, for operatorpkg.
func (n *NodeClass) SetConditions(conditions []status.Condition) {
	n.Status.Conditions = make([]metav1.Condition, 0, len(conditions))
	for _, condition := range conditions {
		n.Status.Conditions = append(n.Status.Conditions, metav1.Condition(condition))
	}
}

// StatusConditions returns the set whose root is Ready.
func (n *NodeClass) StatusConditions(options ...status.ForOption) status.ConditionSet {
	return status.NewReadyConditions().For(n, options...)
}

// DeepCopyObject copies the node class, as its own type.
func (n *NodeClass) DeepCopyObject() runtime.Object {
	if n == nil {
		return nil
	}
	return &NodeClass{NaruNodeClass: *n.NaruNodeClass.DeepCopy()}
}

// DeepCopyObject copies the list.
func (l *List) DeepCopyObject() runtime.Object {
	if l == nil {
		return nil
	}
	c := &List{TypeMeta: l.TypeMeta, ListMeta: *l.ListMeta.DeepCopy(), Items: make([]NodeClass, 0, len(l.Items))}
	for i := range l.Items {
		c.Items = append(c.Items, NodeClass{NaruNodeClass: *l.Items[i].NaruNodeClass.DeepCopy()})
	}
	return c
}
