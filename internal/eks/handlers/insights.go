package handlers

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/eks/convert"
)

func insights() map[string]operation {
	const which = "cluster, node group and control plane health; deprecated APIs requested from any API server, without who requested them; kubelets' and kube-proxies' versions; add-ons of the next release; what a rollback needs"
	const when = "a cluster is observed every 10 minutes and when it is asked for"
	return map[string]operation{
		"ListInsights":            reduced(which, (*Handlers).listInsights),
		"DescribeInsight":         reduced(which, (*Handlers).describeInsight),
		"StartInsightsRefresh":    reduced(when, (*Handlers).startRefresh),
		"DescribeInsightsRefresh": reduced(when+"; the last refresh is told of", (*Handlers).describeRefresh),
	}
}

// observed are all insights of a cluster, of what was observed last: no request waits for a cluster.
func (h *Handlers) observed(ctx context.Context, name string) ([]types.Insight, error) {
	about := subject{cluster: name}
	cluster, err := h.Backend.Cluster(ctx, name)
	if err != nil {
		return nil, about.exception(err)
	}
	groups, err := h.Backend.NodeGroups(ctx, name)
	if err != nil {
		return nil, about.exception(err)
	}
	catalogue, err := h.Backend.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	return h.Site.Insights(convert.Facts{Cluster: cluster, Groups: groups, Releases: catalogue.Releases, Now: h.Now().UTC()}), nil
}

func (h *Handlers) listInsights(ctx context.Context, in *eks.ListInsightsInput) (*eks.ListInsightsOutput, error) {
	all, err := h.observed(ctx, *in.ClusterName)
	if err != nil {
		return nil, err
	}
	filter := in.Filter
	if filter == nil {
		filter = &types.InsightsFilter{}
	}
	summaries := []types.InsightSummary{}
	which := []string{"ListInsights", *in.ClusterName}
	for _, category := range filter.Categories {
		which = append(which, string(category))
	}
	for _, i := range all {
		if wanted(filter.Categories, i.Category) && wanted(filter.KubernetesVersions, aws.ToString(i.KubernetesVersion)) && wanted(filter.Statuses, i.InsightStatus.Status) {
			summaries = append(summaries, convert.InsightSummary(i))
		}
	}
	part, next, err := page(subject{cluster: *in.ClusterName}, pages{which, in.MaxResults, in.NextToken}, summaries, func(s types.InsightSummary) string { return *s.Id })
	return &eks.ListInsightsOutput{Insights: part, NextToken: next}, err
}

// wanted tells whether a filter, of which none means all, has a value.
func wanted[T comparable](filter []T, value T) bool {
	return len(filter) == 0 || slices.Contains(filter, value)
}

func (h *Handlers) describeInsight(ctx context.Context, in *eks.DescribeInsightInput) (*eks.DescribeInsightOutput, error) {
	all, err := h.observed(ctx, *in.ClusterName)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if *all[i].Id == *in.Id {
			return &eks.DescribeInsightOutput{Insight: &all[i]}, nil
		}
	}
	return nil, &types.ResourceNotFoundException{Message: aws.String("No insight found for id: " + *in.Id + "."), ClusterName: in.ClusterName}
}

// startRefresh asks the controller for an observation. Each call asks for a new one.
func (h *Handlers) startRefresh(ctx context.Context, in *eks.StartInsightsRefreshInput) (*eks.StartInsightsRefreshOutput, error) {
	cluster, err := h.Backend.ChangeCluster(ctx, *in.ClusterName, func(cluster *v1alpha1.Cluster) error {
		metav1.SetMetaDataAnnotation(&cluster.ObjectMeta, v1alpha1.AnnotationObserve, h.Now().UTC().Format(time.RFC3339))
		return nil
	})
	if err != nil {
		return nil, subject{cluster: *in.ClusterName}.exception(err)
	}
	status, message, _, _ := refresh(cluster)
	return &eks.StartInsightsRefreshOutput{Status: status, Message: &message}, nil
}

func (h *Handlers) describeRefresh(ctx context.Context, in *eks.DescribeInsightsRefreshInput) (*eks.DescribeInsightsRefreshOutput, error) {
	cluster, err := h.Backend.Cluster(ctx, *in.ClusterName)
	if err != nil {
		return nil, subject{cluster: *in.ClusterName}.exception(err)
	}
	status, message, started, ended := refresh(cluster)
	return &eks.DescribeInsightsRefreshOutput{Status: status, Message: &message, StartedAt: started, EndedAt: ended}, nil
}

// refresh is how far the observation is that was asked for last, or, where none was, the last one.
func refresh(cluster *v1alpha1.Cluster) (status types.InsightsRefreshStatus, message string, started, ended *time.Time) {
	last := cluster.Status.Observations.ObservedAt.Time
	asked, err := time.Parse(time.RFC3339, cluster.Annotations[v1alpha1.AnnotationObserve])
	switch {
	case err != nil && last.IsZero():
		return types.InsightsRefreshStatusInProgress, "The cluster is observed as soon as it is ready.", nil, nil
	case err != nil:
		return types.InsightsRefreshStatusCompleted, "The cluster is observed every 10 minutes.", &last, &last
	case last.Before(asked):
		return types.InsightsRefreshStatusInProgress, "The cluster is being observed.", &asked, nil
	}
	return types.InsightsRefreshStatusCompleted, "The cluster was observed.", &asked, &last
}
