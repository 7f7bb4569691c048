// Package conditions sets and summarises the conditions of Naru's kinds.
package conditions

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Owner is an object that has conditions.
type Owner interface {
	metav1.Object
	GetConditions() *[]metav1.Condition
}

// True records that what the condition speaks of was observed.
func True(o Owner, condition, reason, message string) {
	set(o, condition, metav1.ConditionTrue, reason, message)
}

// False records that what the condition speaks of was observed not to be so.
func False(o Owner, condition, reason, message string) {
	set(o, condition, metav1.ConditionFalse, reason, message)
}

// Unknown records that what the condition speaks of could not be observed.
func Unknown(o Owner, condition, reason, message string) {
	set(o, condition, metav1.ConditionUnknown, reason, message)
}

func set(o Owner, condition string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(o.GetConditions(), metav1.Condition{
		Type: condition, Status: status, Reason: reason, Message: message, ObservedGeneration: o.GetGeneration(),
	})
}

// IsTrue tells whether the condition is there and true.
func IsTrue(o Owner, condition string) bool {
	return meta.IsStatusConditionTrue(*o.GetConditions(), condition)
}

// Get returns the condition, or nil.
func Get(o Owner, condition string) *metav1.Condition {
	return meta.FindStatusCondition(*o.GetConditions(), condition)
}

// Summarize sets summary from parts: true when all of them are, otherwise false with the reason of
// the first that is not and the messages of all that are not.
func Summarize(o Owner, summary, readyReason, message string, parts ...string) {
	var missing []string
	reason := ""
	for _, part := range parts {
		condition := Get(o, part)
		if condition != nil && condition.Status == metav1.ConditionTrue {
			continue
		}
		text := part + " was not observed yet"
		if condition != nil {
			text = condition.Message
		}
		missing = append(missing, text)
		if reason == "" {
			reason = "Waiting"
			if condition != nil {
				reason = condition.Reason
			}
		}
	}
	if len(missing) == 0 {
		True(o, summary, readyReason, message)
		return
	}
	False(o, summary, reason, strings.Join(missing, "; "))
}
