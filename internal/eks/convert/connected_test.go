package convert

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
)

func TestConnectedStatus(t *testing.T) {
	now := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name   string
		change func(*v1alpha1.ConnectedCluster)
		want   types.ClusterStatus
		issue  types.ClusterIssueCode
	}{
		{"when no agent has come, it is pending", func(*v1alpha1.ConnectedCluster) {}, types.ClusterStatusPending, ""},
		{"when none has come in time, it says so", func(c *v1alpha1.ConnectedCluster) { c.Spec.Activation.Expires = metav1.NewTime(now) }, types.ClusterStatusPending, types.ClusterIssueCodeConfigurationConflict},
		{"when an agent was activated and not seen to work, it is pending", func(c *v1alpha1.ConnectedCluster) {
			c.Status.AgentKey = "key"
			conditions.True(c, v1alpha1.ConnectedClusterActivated, v1alpha1.ReasonReady, "")
		}, types.ClusterStatusPending, ""},
		{"when its API answers, it is active", func(c *v1alpha1.ConnectedCluster) {
			c.Status.AgentKey = "key"
			conditions.True(c, v1alpha1.ConnectedClusterConnected, v1alpha1.ReasonReady, "")
		}, types.ClusterStatusActive, ""},
		{"when the agent is gone, it has failed", func(c *v1alpha1.ConnectedCluster) {
			c.Status.AgentKey = "key"
			conditions.False(c, v1alpha1.ConnectedClusterConnected, v1alpha1.ReasonAgentGone, "gone")
		}, types.ClusterStatusFailed, types.ClusterIssueCodeClusterUnreachable},
		{"when it is on its way out, it is deleting", func(c *v1alpha1.ConnectedCluster) {
			c.DeletionTimestamp = &metav1.Time{Time: now}
			conditions.True(c, v1alpha1.ConnectedClusterConnected, v1alpha1.ReasonReady, "")
		}, types.ClusterStatusDeleting, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			cluster := &v1alpha1.ConnectedCluster{}
			cluster.Spec.Activation.Expires = metav1.NewTime(now.Add(time.Hour))
			test.change(cluster)
			shape := Site{Account: "111122223333", Region: "naru-kr-1"}.ConnectedCluster(cluster, now)
			var issue types.ClusterIssueCode
			if len(shape.Health.Issues) > 0 {
				issue = shape.Health.Issues[0].Code
			}
			if shape.Status != test.want || issue != test.issue || shape.ConnectorConfig.ActivationCode != nil || shape.CreatedAt == nil {
				t.Errorf("it is %s, with %q", shape.Status, issue)
			}
		})
	}
}
