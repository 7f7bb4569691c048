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

// Facts are all that insights are told from. Nothing is asked of a cluster for them: they are what was observed last.
type Facts struct {
	Cluster  *v1alpha1.Cluster
	Groups   []v1alpha1.NodeGroup
	Releases []v1alpha1.Release
	Now      time.Time
}

// finding is what was observed, before it has the shape of an insight.
type finding struct {
	name, description, recommendation string
	category                          types.Category
	status                            types.InsightStatusValue
	reason                            string
	// since is when it became so; zero: that is not known. refreshed is when it was observed; zero: now.
	since, refreshed time.Time
	// version is the Kubernetes version that it is about; empty: the cluster's own.
	version   string
	resources []types.InsightResourceDetail
	summary   *types.InsightCategorySpecificSummary
	info      map[string]string
}

// Insights are what can be told of a cluster.
func (s Site) Insights(facts Facts) []types.Insight {
	findings := []finding{
		clusterReady(facts.Cluster), nodesReady(facts.Cluster, facts.Groups), spread(facts.Cluster),
		deprecated(facts), s.kubelets(facts), s.proxies(facts), compatible(facts), rollbackRelease(facts), s.rollbackNodes(facts), rollbackObjects(),
	}
	var all []types.Insight
	for _, f := range findings {
		all = append(all, s.insight(facts, f))
	}
	return all
}

func (s Site) insight(facts Facts, f finding) types.Insight {
	cluster := facts.Cluster
	if f.refreshed.IsZero() {
		f.refreshed = facts.Now
	}
	if f.version == "" {
		f.version = cluster.Spec.Version
	}
	if f.info == nil {
		f.info = map[string]string{}
	}
	status := &types.InsightStatus{Status: f.status, Reason: aws.String(f.reason)}
	if f.resources == nil {
		f.resources = []types.InsightResourceDetail{{Arn: aws.String(s.ClusterARN(cluster.Name)), InsightStatus: status}}
	}
	insight := types.Insight{
		Id: aws.String(uuid(string(cluster.UID), f.name)), Name: aws.String(f.name), Category: f.category,
		Description: aws.String(f.description), Recommendation: aws.String(f.recommendation), InsightStatus: status,
		KubernetesVersion: aws.String(f.version), LastRefreshTime: aws.Time(f.refreshed),
		AdditionalInfo: f.info, Resources: f.resources, CategorySpecificSummary: f.summary,
	}
	if !f.since.IsZero() {
		insight.LastTransitionTime = aws.Time(f.since)
	}
	return insight
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
