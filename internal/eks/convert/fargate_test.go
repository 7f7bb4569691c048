package convert

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
)

func TestFargateProfileStatus(t *testing.T) {
	for reason, test := range map[string]struct {
		change func(*v1alpha1.FargateProfile)
		want   types.FargateProfileStatus
		issues int
	}{
		"when it is new, it is being created": {func(*v1alpha1.FargateProfile) {}, types.FargateProfileStatusCreating, 0},
		"when it waits for its cluster, it is being created": {func(p *v1alpha1.FargateProfile) {
			conditions.False(p, v1alpha1.FargateProfileSynced, v1alpha1.ReasonWaiting, "not yet")
			conditions.False(p, v1alpha1.FargateProfileReady, v1alpha1.ReasonWaiting, "not yet")
		}, types.FargateProfileStatusCreating, 0},
		"when the cluster refuses it, it has failed": {func(p *v1alpha1.FargateProfile) {
			conditions.False(p, v1alpha1.FargateProfileSynced, v1alpha1.ReasonNotFound, "no zone")
			conditions.False(p, v1alpha1.FargateProfileReady, v1alpha1.ReasonNotFound, "no zone")
		}, types.FargateProfileStatusCreateFailed, 1},
		"when it is in force, it is active": {func(p *v1alpha1.FargateProfile) {
			p.Status.ObservedGeneration = 1
			conditions.True(p, v1alpha1.FargateProfileReady, v1alpha1.ReasonReady, "yes")
		}, types.FargateProfileStatusActive, 0},
		"when it was and something is missing, it says what": {func(p *v1alpha1.FargateProfile) {
			p.Status.ObservedGeneration = 1
			conditions.False(p, v1alpha1.FargateProfileSynced, v1alpha1.ReasonNotFound, "no image")
			conditions.False(p, v1alpha1.FargateProfileReady, v1alpha1.ReasonNotFound, "no image")
		}, types.FargateProfileStatusActive, 1},
		"when it is deleted, that comes before all else": {func(p *v1alpha1.FargateProfile) {
			p.Status.ObservedGeneration = 1
			p.DeletionTimestamp = &metav1.Time{Time: time.Unix(1700000100, 0)}
		}, types.FargateProfileStatusDeleting, 0},
	} {
		t.Run(reason, func(t *testing.T) {
			profile := &v1alpha1.FargateProfile{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-prod", Name: "web", UID: "uid-1", Generation: 1}}
			test.change(profile)
			shape := site.FargateProfile(profile)
			if shape.Status != test.want || len(shape.Health.Issues) != test.issues {
				t.Errorf("got %s, %+v", shape.Status, shape.Health)
			}
		})
	}
}

func TestFargateSelectors(t *testing.T) {
	want := []v1alpha1.FargateProfileSelector{{Namespace: "a*"}, {Namespace: "b", Labels: map[string]v1alpha1.LabelPattern{"k": "v?"}}}
	profile := &v1alpha1.FargateProfile{Spec: v1alpha1.FargateProfileSpec{Selectors: want}}
	if diff := cmp.Diff(want, FargateSelectors(site.FargateProfile(profile).Selectors)); diff != "" {
		t.Errorf("when selectors go to the wire and back, they are the same (-want +got):\n%s", diff)
	}
}
