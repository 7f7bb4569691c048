package convert

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
)

// finding is what was observed, before it has the shape of an insight.
type finding struct {
	name, description, recommendation string
	category                          types.Category
	status                            types.InsightStatusValue
	reason                            string
	since                             time.Time
}

// Insights are what can be told of a cluster from what its status says was observed.
func (s Site) Insights(cluster *v1alpha1.Cluster, groups []v1alpha1.NodeGroup, now time.Time) []types.Insight {
	var all []types.Insight
	for _, f := range []finding{clusterReady(cluster), nodesReady(cluster, groups), spread(cluster)} {
		all = append(all, types.Insight{
			Id: aws.String(uuid(string(cluster.UID), f.name)), Name: aws.String(f.name), Category: f.category,
			Description: aws.String(f.description), Recommendation: aws.String(f.recommendation),
			InsightStatus:     &types.InsightStatus{Status: f.status, Reason: aws.String(f.reason)},
			KubernetesVersion: aws.String(cluster.Spec.Version), LastRefreshTime: &now, LastTransitionTime: &f.since,
			AdditionalInfo: map[string]string{},
			Resources:      []types.InsightResourceDetail{{Arn: aws.String(s.ClusterARN(cluster.Name)), InsightStatus: &types.InsightStatus{Status: f.status, Reason: aws.String(f.reason)}}},
		})
	}
	return all
}

// InsightSummary is what a list tells of an insight.
func InsightSummary(i types.Insight) types.InsightSummary {
	return types.InsightSummary{Id: i.Id, Name: i.Name, Category: i.Category, Description: i.Description, InsightStatus: i.InsightStatus,
		KubernetesVersion: i.KubernetesVersion, LastRefreshTime: i.LastRefreshTime, LastTransitionTime: i.LastTransitionTime}
}

func clusterReady(cluster *v1alpha1.Cluster) finding {
	f := finding{
		name: "Cluster health", category: types.CategoryUpgradeReadiness,
		description:    "Tells whether every part of the control plane was observed to be well.",
		recommendation: "Mend what the reason names before the version is changed.",
		status:         types.InsightStatusValueUnknown, reason: "Nothing was observed yet.", since: cluster.CreationTimestamp.Time,
	}
	if ready := conditions.Get(cluster, v1alpha1.ClusterReady); ready != nil {
		f.status, f.reason, f.since = types.InsightStatusValueError, ready.Message, ready.LastTransitionTime.Time
		if ready.Status == metav1.ConditionTrue {
			f.status = types.InsightStatusValuePassing
		}
	}
	return f
}

func nodesReady(cluster *v1alpha1.Cluster, groups []v1alpha1.NodeGroup) finding {
	f := finding{
		name: "Node group health", category: types.CategoryUpgradeReadiness,
		description:    "Tells whether every node group has the nodes that it wants.",
		recommendation: "Wait for the nodes, or mend what the reason names.",
		status:         types.InsightStatusValuePassing, reason: fmt.Sprintf("%d node groups have the nodes that they want.", len(groups)), since: cluster.CreationTimestamp.Time,
	}
	for i := range groups {
		ready := conditions.Get(&groups[i], v1alpha1.NodeGroupReady)
		if ready != nil && ready.LastTransitionTime.After(f.since) {
			f.since = ready.LastTransitionTime.Time
		}
		if ready == nil || ready.Status != metav1.ConditionTrue {
			f.status, f.reason = types.InsightStatusValueWarning, "Node group "+groups[i].Name+" is not ready."
			if ready != nil {
				f.reason = "Node group " + groups[i].Name + ": " + ready.Message
			}
			return f
		}
	}
	return f
}

func spread(cluster *v1alpha1.Cluster) finding {
	f := finding{
		name: "Control plane redundancy", category: types.CategoryMisconfiguration,
		description:    "Tells whether the control plane survives the loss of one member.",
		recommendation: "Run three members: set the tag naru.dev/control-plane-replicas to 3.",
		status:         types.InsightStatusValuePassing, reason: "There are three members.", since: cluster.CreationTimestamp.Time,
	}
	if cluster.Spec.ControlPlane.Replicas == 1 {
		f.status, f.reason = types.InsightStatusValueWarning, "There is one member: while it is replaced, the API does not answer."
	}
	return f
}

// uuid follows from the parts, in the form of one of version 8 (RFC 9562).
func uuid(parts ...string) string {
	sum := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(sum, "%s\x00", part)
	}
	b := sum.Sum(nil)[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
