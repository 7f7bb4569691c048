package convert

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
)

var site = Site{Account: "111122223333", Region: "naru-kr-1"}

// cluster of a generation, that was ready for another.
func cluster(generation, ready int64, change ...func(*v1alpha1.Cluster)) *v1alpha1.Cluster {
	c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "prod", UID: "uid-1", Generation: generation, CreationTimestamp: metav1.NewTime(time.Unix(1700000000, 0))}}
	c.Status.ObservedGeneration = ready
	for _, f := range change {
		f(c)
	}
	return c
}

func deleting(c *v1alpha1.Cluster) {
	c.DeletionTimestamp = &metav1.Time{Time: time.Unix(1700000100, 0)}
}

func updated(generation int64) func(*v1alpha1.Cluster) {
	return func(c *v1alpha1.Cluster) {
		if err := AddUpdate(c, Update{ID: "u", Generation: generation}); err != nil {
			panic(err)
		}
	}
}

func unready(part string) func(*v1alpha1.Cluster) {
	return func(c *v1alpha1.Cluster) {
		conditions.False(c, v1alpha1.ClusterReady, v1alpha1.ReasonProgressing, "a part is missing")
		conditions.False(c, part, v1alpha1.ReasonProgressing, "a part is missing")
	}
}

func TestClusterStatus(t *testing.T) {
	for _, test := range []struct {
		reason  string
		cluster *v1alpha1.Cluster
		want    types.ClusterStatus
		issues  []types.ClusterIssueCode
	}{
		{"when it was never ready, it is being created", cluster(1, 0), types.ClusterStatusCreating, nil},
		{"when it was never ready and something is missing, that is no illness yet", cluster(1, 0, unready(v1alpha1.ClusterEtcdReady)), types.ClusterStatusCreating, nil},
		{"when it was never ready and was changed, it is still being created: Terraform fails on an early UPDATING", cluster(2, 0, updated(2)), types.ClusterStatusCreating, nil},
		{"when it is ready, it is active", cluster(1, 1), types.ClusterStatusActive, nil},
		{"when it fell ill, it stays active and says so", cluster(1, 1, unready(v1alpha1.ClusterEtcdReady)), types.ClusterStatusActive, []types.ClusterIssueCode{types.ClusterIssueCodeInternalFailure}},
		{"when its servers are missing, it can't be reached", cluster(1, 1, unready(v1alpha1.ClusterControlPlaneReady)), types.ClusterStatusActive, []types.ClusterIssueCode{types.ClusterIssueCodeClusterUnreachable}},
		{"when a change is not done, it is updating", cluster(2, 1, updated(2)), types.ClusterStatusUpdating, nil},
		{"when a change is done, it is active", cluster(2, 2, updated(2)), types.ClusterStatusActive, nil},
		{"when kubectl changed it, no update of EKS runs", cluster(3, 2, updated(2)), types.ClusterStatusActive, nil},
		{"when it is deleted while it is being created, that comes first", cluster(1, 0, deleting), types.ClusterStatusDeleting, nil},
		{"when it is deleted while it is updating, that comes first", cluster(2, 1, updated(2), deleting, unready(v1alpha1.ClusterEtcdReady)), types.ClusterStatusDeleting, nil},
	} {
		t.Run(test.reason, func(t *testing.T) {
			shape := site.Cluster(test.cluster)
			var issues []types.ClusterIssueCode
			for _, issue := range shape.Health.Issues {
				issues = append(issues, issue.Code)
			}
			if shape.Status != test.want {
				t.Errorf("got %s, want %s", shape.Status, test.want)
			}
			if diff := cmp.Diff(test.issues, issues); diff != "" {
				t.Error(diff)
			}
			if shape.CreatedAt == nil || shape.CreatedAt.IsZero() {
				t.Error("createdAt is missing: Terraform's provider panics")
			}
		})
	}
}

// group of a generation, that was ready for another, with the reason why it is not synced; empty: it is.
func group(generation, ready int64, reason string) *v1alpha1.NodeGroup {
	g := &v1alpha1.NodeGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-prod", Name: "web", UID: "uid-2", Generation: generation}}
	g.Status.ObservedGeneration = ready
	if reason != "" {
		conditions.False(g, v1alpha1.NodeGroupSynced, reason, "why")
	} else {
		conditions.True(g, v1alpha1.NodeGroupSynced, v1alpha1.ReasonReady, "")
	}
	return g
}

func TestNodegroupStatus(t *testing.T) {
	gone := group(2, 1, v1alpha1.ReasonFailed)
	gone.DeletionTimestamp = &metav1.Time{Time: time.Unix(1700000100, 0)}
	busy := group(2, 1, "")
	if err := AddUpdate(busy, Update{ID: "u", Generation: 2}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		reason  string
		group   *v1alpha1.NodeGroup
		cluster *v1alpha1.Cluster
		want    types.NodegroupStatus
	}{
		{"when it was never ready, it is being created", group(1, 0, ""), cluster(1, 1), types.NodegroupStatusCreating},
		{"when it waits for its cluster, it is being created", group(1, 0, v1alpha1.ReasonWaiting), cluster(1, 1), types.NodegroupStatusCreating},
		{"when its machine class is gone before it was ready, its creation failed", group(1, 0, v1alpha1.ReasonNotFound), cluster(1, 1), types.NodegroupStatusCreateFailed},
		{"when the cluster refuses it before it was ready, its creation failed", group(1, 0, v1alpha1.ReasonFailed), cluster(1, 1), types.NodegroupStatusCreateFailed},
		{"when the cluster refuses it later, it is degraded", group(2, 1, v1alpha1.ReasonFailed), cluster(1, 1), types.NodegroupStatusDegraded},
		{"when it is ready, it is active", group(1, 1, ""), cluster(1, 1), types.NodegroupStatusActive},
		{"when a change is not done, it is updating", busy, cluster(1, 1), types.NodegroupStatusUpdating},
		{"when it is deleted, that comes before all else: Terraform fails on DEGRADED then", gone, cluster(1, 1), types.NodegroupStatusDeleting},
		{"when its cluster is deleted, so is it", group(1, 1, ""), cluster(1, 1, deleting), types.NodegroupStatusDeleting},
	} {
		t.Run(test.reason, func(t *testing.T) {
			if got := site.Nodegroup(test.group, test.cluster, "1.37.1").Status; got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestUpdates(t *testing.T) {
	c := cluster(1, 1)
	for n := range 25 {
		if err := AddUpdate(c, Update{ID: string(rune('a' + n)), Generation: int64(n)}); err != nil {
			t.Fatal(err)
		}
	}
	if all := Updates(c); len(all) != keptUpdates || all[0].ID != "f" || all[keptUpdates-1].ID != "y" {
		t.Errorf("the last %d are kept: %v", keptUpdates, all)
	}
	if _, ok := FindUpdate(c, "a"); ok {
		t.Error("the oldest is forgotten")
	}
	c.Annotations[v1alpha1.AnnotationUpdates] = "{spoilt"
	if Updates(c) != nil {
		t.Error("what somebody spoilt is nothing")
	}
}

func TestARNs(t *testing.T) {
	for _, test := range []struct{ reason, got, want string }{
		{"when a role has a path, it is left out", site.AccessEntryARN("prod", "arn:aws:iam::111122223333:role/team/dev", "u"), "arn:aws:eks:naru-kr-1:111122223333:access-entry/prod/role/111122223333/dev/u"},
		{"when a user has none, it is the name", site.AccessEntryARN("prod", "arn:aws:iam::111122223333:user/alice", "u"), "arn:aws:eks:naru-kr-1:111122223333:access-entry/prod/user/111122223333/alice/u"},
		{"when a node group is made anew, its ARN is another", site.NodegroupARN("prod", "web", "u"), "arn:aws:eks:naru-kr-1:111122223333:nodegroup/prod/web/u"},
		{"when a zone has a subnet, its id has EC2's form", site.Subnet("naru-1a"), "subnet-0ba95a66ec6bfe1db"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			if test.got != test.want {
				t.Errorf("got %s, want %s", test.got, test.want)
			}
		})
	}
	for _, arn := range []string{"", "arn:aws:eks:naru-kr-1:444455556666:cluster/a", "arn:aws:eks:us-east-1:111122223333:cluster/a", "arn:aws:iam::111122223333:role/a", "arn:aws:eks:naru-kr-1:111122223333:cluster"} {
		if r, ok := site.ParseARN(arn); ok {
			t.Errorf("%q is taken for %+v", arn, r)
		}
	}
}

func TestTaintsAndLabels(t *testing.T) {
	have := []corev1.Taint{{Key: "a", Value: "1", Effect: corev1.TaintEffectNoSchedule}, {Key: "a", Value: "2", Effect: corev1.TaintEffectNoExecute}, {Key: "b", Effect: corev1.TaintEffectPreferNoSchedule}}
	got := ChangeTaints(have, &types.UpdateTaintsPayload{
		AddOrUpdateTaints: []types.Taint{{Key: aws.String("a"), Value: aws.String("9"), Effect: types.TaintEffectNoSchedule}},
		RemoveTaints:      []types.Taint{{Key: aws.String("b"), Effect: types.TaintEffectPreferNoSchedule}},
	})
	want := []corev1.Taint{{Key: "a", Value: "2", Effect: corev1.TaintEffectNoExecute}, {Key: "a", Value: "9", Effect: corev1.TaintEffectNoSchedule}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a taint is known by key and effect: %s", diff)
	}
	labels := ChangeLabels(map[string]string{"a": "1", "b": "2"}, &types.UpdateLabelsPayload{AddOrUpdateLabels: map[string]string{"a": "9"}, RemoveLabels: []string{"b"}})
	if diff := cmp.Diff(map[string]string{"a": "9"}, labels); diff != "" {
		t.Error(diff)
	}
}

func TestToken(t *testing.T) {
	first := NewToken(aws.String("t"), []byte("a"))
	c := cluster(1, 1)
	SetToken(c, first)
	for _, test := range []struct {
		reason         string
		token          Token
		same, sameCall bool
	}{
		{"when all is the same, it is the same call", NewToken(aws.String("t"), []byte("a")), true, true},
		{"when something else is asked, it is not", NewToken(aws.String("t"), []byte("b")), true, false},
		{"when the token is another, it is not", NewToken(aws.String("u"), []byte("a")), false, false},
		{"when there is no token, nothing is the same", NewToken(nil, []byte("a")), false, false},
	} {
		t.Run(test.reason, func(t *testing.T) {
			if same, call := test.token.Same(TokenOf(c)); same != test.same || call != test.sameCall {
				t.Errorf("got %t, %t", same, call)
			}
		})
	}
}
