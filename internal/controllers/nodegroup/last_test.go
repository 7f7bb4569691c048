package nodegroup

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	karpenter "sigs.k8s.io/karpenter/pkg/apis/v1"

	"naru.dev/naru/api/v1alpha1"
)

func TestLast(t *testing.T) {
	group := func(name string, scaling v1alpha1.ScalingSpec) v1alpha1.NodeGroup {
		return v1alpha1.NodeGroup{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.NodeGroupSpec{Scaling: scaling}}
	}
	going := group("going", v1alpha1.ScalingSpec{Min: 1, Max: 3})
	going.DeletionTimestamp = ptr.To(metav1.Now())
	for reason, tc := range map[string]struct {
		others []v1alpha1.NodeGroup
		want   bool
	}{
		"when there is no other group, it is the last":             {nil, true},
		"when another has nodes, it is not":                        {[]v1alpha1.NodeGroup{group("b", v1alpha1.ScalingSpec{Min: 2, Max: 2})}, false},
		"when another may grow, it is not":                         {[]v1alpha1.NodeGroup{group("b", v1alpha1.ScalingSpec{Min: 0, Max: 2})}, false},
		"when another is set to nothing, it is":                    {[]v1alpha1.NodeGroup{group("b", v1alpha1.ScalingSpec{Max: 2, Desired: ptr.To[int32](0)})}, true},
		"when the other is on its way out, it is":                  {[]v1alpha1.NodeGroup{going}, true},
		"when one goes and one stays, it is not":                   {[]v1alpha1.NodeGroup{going, group("b", v1alpha1.ScalingSpec{Min: 1, Max: 1})}, false},
		"when only the group itself has nodes, it is, by its name": {[]v1alpha1.NodeGroup{group("a", v1alpha1.ScalingSpec{Min: 1, Max: 1})}, true},
	} {
		t.Run(reason, func(t *testing.T) {
			if got := last(tc.others, "a"); got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestDeadline(t *testing.T) {
	begun := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	claim := func(deleted bool, says string) *metav1.PartialObjectMetadata {
		c := &metav1.PartialObjectMetadata{}
		if deleted {
			c.DeletionTimestamp = ptr.To(metav1.NewTime(begun))
		}
		if says != "" {
			c.Annotations = map[string]string{karpenter.NodeClaimTerminationTimestampAnnotationKey: says}
		}
		return c
	}
	for reason, tc := range map[string]struct {
		claim *metav1.PartialObjectMetadata
		at    string
	}{
		"when a claim is not ending, it is left alone":               {claim(false, ""), ""},
		"when it may resist for long, it is hurried":                 {claim(true, "2026-11-25T12:15:00Z"), "2026-11-25T12:01:00Z"},
		"when it has no limit, it gets one":                          {claim(true, ""), "2026-11-25T12:01:00Z"},
		"when what it says can't be read, it gets one":               {claim(true, "soon"), "2026-11-25T12:01:00Z"},
		"when it ends sooner, as a lost machine does, it stays that": {claim(true, "2026-11-25T12:00:30Z"), ""},
		"when it was hurried before, nothing is written":             {claim(true, "2026-11-25T12:01:00Z"), ""},
	} {
		t.Run(reason, func(t *testing.T) {
			at, sooner := deadline(tc.claim)
			if sooner != (tc.at != "") || sooner && at != tc.at {
				t.Errorf("got %q, %v", at, sooner)
			}
		})
	}
}
