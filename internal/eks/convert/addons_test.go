package convert

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// seen is what was observed of CoreDNS: for which generation it was active, and its conditions, each of a generation.
type seen struct {
	active      int64
	applied     string
	appliedFor  int64
	unavailable bool
}

func observedAddon(s seen) func(*v1alpha1.Cluster) {
	return func(c *v1alpha1.Cluster) {
		c.Spec.Addons = []v1alpha1.AddonSpec{{Name: "coredns"}}
		status := v1alpha1.AddonStatus{Name: "coredns", ObservedGeneration: s.active}
		set := func(kind string, value bool, reason, message string, generation int64) {
			is := metav1.ConditionFalse
			if value {
				is = metav1.ConditionTrue
			}
			meta.SetStatusCondition(&status.Conditions, metav1.Condition{Type: kind, Status: is, Reason: reason, Message: message, ObservedGeneration: generation})
		}
		set(v1alpha1.AddonApplied, s.applied == v1alpha1.ReasonReady || s.applied == v1alpha1.ReasonRemoved, s.applied, "why", s.appliedFor)
		set(v1alpha1.AddonAvailable, !s.unavailable, v1alpha1.ReasonProgressing, "1 of 2 pods", s.appliedFor)
		c.Status.Addons = []v1alpha1.AddonStatus{status}
	}
}

type addonCase struct {
	reason  string
	note    Addon
	cluster *v1alpha1.Cluster
	want    types.AddonStatus
	issue   types.AddonIssueCode
	update  types.UpdateStatus
}

func addonCases() []addonCase {
	bootstrapped := func(status bool) func(*v1alpha1.Cluster) {
		return func(c *v1alpha1.Cluster) {
			if status {
				conditions.True(c, v1alpha1.ClusterBootstrapped, v1alpha1.ReasonReady, "")
			} else {
				conditions.False(c, v1alpha1.ClusterBootstrapped, v1alpha1.ReasonFailed, "why")
			}
		}
	}
	const ready, conflict, rejected, failed = v1alpha1.ReasonReady, v1alpha1.ReasonConflict, v1alpha1.ReasonRejected, v1alpha1.ReasonFailed
	unseen := func(c *v1alpha1.Cluster) { c.Spec.Addons = []v1alpha1.AddonSpec{{Name: "coredns"}} }
	made := Addon{Name: "coredns", Generation: 2}
	updated := func(age time.Duration, failed *Failure) Addon {
		return Addon{Name: "coredns", Generation: 2, Updates: []Update{{ID: "u", Generation: 3, Created: noon.Add(-age), Failed: failed}}}
	}
	frozen := &Failure{Code: "ConfigurationConflict", Message: "why"}
	return []addonCase{
		{"when it is older than add-ons and its cluster is being made, it is too", Addon{Name: "coredns"}, cluster(1, 0, bootstrapped(false)), types.AddonStatusCreating, "", ""},
		{"when it is older than add-ons and was applied, it is active", Addon{Name: "coredns"}, cluster(1, 1, bootstrapped(true)), types.AddonStatusActive, "", ""},
		{"when it is older than add-ons and can't be applied any more, it is degraded", Addon{Name: "coredns"}, cluster(1, 1, bootstrapped(false)), types.AddonStatusDegraded, types.AddonIssueCodeInternalFailure, ""},
		{"when its cluster is deleted, so is it", made, cluster(2, 2, observedAddon(seen{active: 2, applied: ready}), deleting), types.AddonStatusDeleting, "", ""},
		{"when nothing was observed, it is being made", made, cluster(2, 1, unseen), types.AddonStatusCreating, "", ""},
		{"when its pods are not there yet, it is being made and not degraded, which waiters fail on", made, cluster(2, 2, observedAddon(seen{1, ready, 2, true})), types.AddonStatusCreating, types.AddonIssueCodeInsufficientNumberOfReplicas, ""},
		{"when an attempt failed, it is being made: another follows", made, cluster(2, 2, observedAddon(seen{1, failed, 2, false})), types.AddonStatusCreating, types.AddonIssueCodeInternalFailure, ""},
		{"when somebody has set a field, its creation has failed", made, cluster(2, 2, observedAddon(seen{1, conflict, 2, false})), types.AddonStatusCreateFailed, types.AddonIssueCodeConfigurationConflict, ""},
		{"when that was observed before it was asked for, it is being made", made, cluster(2, 2, observedAddon(seen{0, conflict, 1, false})), types.AddonStatusCreating, "", ""},
		{"when its pods were there, it is active", made, cluster(2, 2, observedAddon(seen{2, ready, 2, false})), types.AddonStatusActive, "", ""},
		{"when its pods are there no longer, it is degraded", made, cluster(2, 2, observedAddon(seen{2, ready, 2, true})), types.AddonStatusDegraded, types.AddonIssueCodeInsufficientNumberOfReplicas, ""},
		{"when somebody sets a field later, it is degraded", made, cluster(2, 2, observedAddon(seen{2, conflict, 2, false})), types.AddonStatusDegraded, types.AddonIssueCodeConfigurationConflict, ""},
		{"when an update was not observed, it goes on", updated(time.Minute, nil), cluster(3, 2, observedAddon(seen{2, ready, 2, false})), types.AddonStatusUpdating, "", types.UpdateStatusInProgress},
		{"when an update's pods are there, it is done", updated(time.Minute, nil), cluster(3, 3, observedAddon(seen{3, ready, 3, false})), types.AddonStatusActive, "", types.UpdateStatusSuccessful},
		{"when an update is refused, it has failed and so has the add-on", updated(time.Minute, nil), cluster(3, 3, observedAddon(seen{2, rejected, 3, false})), types.AddonStatusUpdateFailed, types.AddonIssueCodeAdmissionRequestDenied, types.UpdateStatusFailed},
		{"when an update takes too long, it has failed and the add-on lacks pods", updated(time.Hour, nil), cluster(3, 3, observedAddon(seen{2, ready, 3, true})), types.AddonStatusDegraded, types.AddonIssueCodeInsufficientNumberOfReplicas, types.UpdateStatusFailed},
		{"when an update has failed once, it stays so though the add-on is well", updated(time.Minute, frozen), cluster(4, 4, observedAddon(seen{4, ready, 4, false})), types.AddonStatusActive, "", types.UpdateStatusFailed},
		{"when a failed creation is updated, it is being made again", updated(time.Minute, nil), cluster(3, 2, observedAddon(seen{1, conflict, 2, false})), types.AddonStatusCreating, "", types.UpdateStatusInProgress},
	}
}

func TestAddonStatus(t *testing.T) {
	for _, test := range addonCases() {
		t.Run(test.reason, func(t *testing.T) {
			shape := site.Addon(test.cluster, test.note, v1alpha1.ReleaseSpec{Version: "1.37.1"}, noon)
			if shape.Status != test.want {
				t.Errorf("got %s, want %s", shape.Status, test.want)
			}
			var issue types.AddonIssueCode
			if len(shape.Health.Issues) > 0 {
				issue = shape.Health.Issues[0].Code
			}
			if issue != test.issue {
				t.Errorf("its issue is %q, want %q", issue, test.issue)
			}
			for _, u := range test.note.Updates {
				if got := AddonUpdate(test.cluster, "coredns", u, noon); got.Status != test.update || (got.Status == types.UpdateStatusFailed) != (len(got.Errors) == 1) {
					t.Errorf("its update is %s %+v, want %s", got.Status, got.Errors, test.update)
				}
			}
		})
	}
}

func TestSettle(t *testing.T) {
	c := cluster(3, 3, observedAddon(seen{2, v1alpha1.ReasonConflict, 3, false}))
	a := Addon{Name: "coredns", Generation: 1, Updates: []Update{{ID: "done", Generation: 2, Created: noon}, {ID: "refused", Generation: 3, Created: noon}, {ID: "new", Generation: 4, Created: noon}}}
	if running := a.Settle(c, noon); running != "new" {
		t.Errorf("%q goes on, want the new one", running)
	}
	if a.Updates[0].Failed != nil || a.Updates[1].Failed == nil || a.Updates[1].Failed.Code != "ConfigurationConflict" || a.Updates[2].Failed != nil {
		t.Errorf("got %+v: what has failed is to be remembered, and nothing else", a.Updates)
	}
}

func TestDeletedAddon(t *testing.T) {
	for _, test := range []struct {
		reason string
		seen   seen
		want   bool
	}{
		{"when its deletion was not observed, it is still there", seen{2, v1alpha1.ReasonReady, 2, false}, true},
		{"when an earlier deletion was observed, it is still there", seen{2, v1alpha1.ReasonRemoved, 2, true}, true},
		{"when its objects are gone, it is", seen{3, v1alpha1.ReasonRemoved, 3, true}, false},
	} {
		t.Run(test.reason, func(t *testing.T) {
			c := cluster(3, 3, observedAddon(test.seen))
			if err := SetAddon(c, Addon{Name: "coredns", Deletion: 3}); err != nil {
				t.Fatal(err)
			}
			found, ok := FindAddon(c, "coredns")
			if ok != test.want || ok && site.Addon(c, found, v1alpha1.ReleaseSpec{}, noon).Status != types.AddonStatusDeleting {
				t.Errorf("it is there: %v, %+v", ok, found)
			}
		})
	}
}
