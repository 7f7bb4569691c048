package handlers

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"naru.dev/naru/internal/eks/convert"
)

func insights() map[string]operation {
	const which = "the health of the cluster and of its node groups, and the size of the control plane, as observed at the moment; deprecated API use and version skew are not looked at yet"
	return map[string]operation{
		"ListInsights":            reduced(which, (*Handlers).listInsights),
		"DescribeInsight":         reduced(which, (*Handlers).describeInsight),
		"StartInsightsRefresh":    reduced("insights are observed whenever they are asked for, so a refresh is done at once", (*Handlers).startRefresh),
		"DescribeInsightsRefresh": reduced("insights are observed whenever they are asked for, so a refresh is always done", (*Handlers).describeRefresh),
	}
}

// observed are all insights of a cluster, as they are now.
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
	return h.Site.Insights(cluster, groups, h.Now().UTC()), nil
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

const refreshed = "Insights are observed whenever they are asked for."

func (h *Handlers) startRefresh(ctx context.Context, in *eks.StartInsightsRefreshInput) (*eks.StartInsightsRefreshOutput, error) {
	return &eks.StartInsightsRefreshOutput{Status: types.InsightsRefreshStatusCompleted, Message: aws.String(refreshed)}, h.known(ctx, in.ClusterName)
}

func (h *Handlers) describeRefresh(ctx context.Context, in *eks.DescribeInsightsRefreshInput) (*eks.DescribeInsightsRefreshOutput, error) {
	now := aws.Time(h.Now().UTC())
	return &eks.DescribeInsightsRefreshOutput{Status: types.InsightsRefreshStatusCompleted, Message: aws.String(refreshed), StartedAt: now, EndedAt: now},
		h.known(ctx, in.ClusterName)
}
