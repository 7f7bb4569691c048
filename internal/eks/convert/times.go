package convert

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// created is never nil: Terraform's provider panics without it.
func created(o metav1.Object) *time.Time { return aws.Time(o.GetCreationTimestamp().Time) }

// modified is when the object, its status aside, was written last.
func modified(o metav1.Object) *time.Time {
	latest := o.GetCreationTimestamp().Time
	for _, entry := range o.GetManagedFields() {
		if entry.Subresource == "" && entry.Time != nil && entry.Time.After(latest) {
			latest = entry.Time.Time
		}
	}
	return &latest
}
