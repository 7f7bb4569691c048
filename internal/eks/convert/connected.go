package convert

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
)

// ConnectedStatus is where a connected cluster stands in EKS's life cycle. It is pending until it was connected for the first
// time: https://docs.aws.amazon.com/eks/latest/userguide/troubleshooting-connector.html
//
//	PENDING ──▶ ACTIVE ◀──▶ FAILED
func ConnectedStatus(cluster *v1alpha1.ConnectedCluster) types.ClusterStatus {
	connected := conditions.Get(cluster, v1alpha1.ConnectedClusterConnected)
	switch {
	case cluster.DeletionTimestamp != nil:
		return types.ClusterStatusDeleting
	case connected == nil:
		return types.ClusterStatusPending
	case connected.Status != metav1.ConditionTrue:
		return types.ClusterStatusFailed
	}
	return types.ClusterStatusActive
}

// ConnectedCluster is a connected cluster as EKS describes it. The version is the one that was seen last. The activation code
// is not in it: nobody has it any more.
func (s Site) ConnectedCluster(cluster *v1alpha1.ConnectedCluster, now time.Time) *types.Cluster {
	spec := cluster.Spec
	return &types.Cluster{
		Name: aws.String(cluster.Name), Arn: aws.String(s.ClusterARN(cluster.Name)), CreatedAt: created(cluster),
		Status: ConnectedStatus(cluster), Version: optional(cluster.Status.Version), Tags: Tags(cluster),
		ClientRequestToken: optional(TokenOf(cluster).Token), Health: connectedHealth(cluster, now),
		ConnectorConfig: &types.ConnectorConfigResponse{
			ActivationId: aws.String(spec.Activation.ID), ActivationExpiry: aws.Time(spec.Activation.Expires.Time),
			Provider: aws.String(spec.Provider), RoleArn: optional(spec.RoleARN),
		},
	}
}

func connectedHealth(cluster *v1alpha1.ConnectedCluster, now time.Time) *types.ClusterHealth {
	health := &types.ClusterHealth{Issues: []types.ClusterIssue{}}
	issue := func(code types.ClusterIssueCode, message string) {
		health.Issues = append(health.Issues, types.ClusterIssue{Code: code, Message: &message, ResourceIds: []string{cluster.Name}})
	}
	connected := conditions.Get(cluster, v1alpha1.ConnectedClusterConnected)
	switch {
	case cluster.Status.AgentKey == "" && !now.Before(cluster.Spec.Activation.Expires.Time):
		issue(types.ClusterIssueCodeConfigurationConflict, "The activation has expired, and no agent has come: deregister the cluster, and register it again")
	case connected != nil && connected.Status != metav1.ConditionTrue:
		issue(types.ClusterIssueCodeClusterUnreachable, connected.Message)
	}
	return health
}
