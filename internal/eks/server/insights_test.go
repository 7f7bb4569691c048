package server

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

// TestInsights asks for a refresh, waits for it, and reads insights by category.
func TestInsights(t *testing.T) {
	s := newSite(t)
	client, prod := s.client(), aws.String("prod")
	if _, err := client.CreateCluster(t.Context(), &eks.CreateClusterInput{Name: prod, RoleArn: aws.String(role), ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: []string{subnet}}}); err != nil {
		t.Fatal(err)
	}
	started, err := client.StartInsightsRefresh(t.Context(), &eks.StartInsightsRefreshInput{ClusterName: prod})
	if err != nil || started.Status != types.InsightsRefreshStatusInProgress {
		t.Fatalf("got %+v, %v: nothing was observed yet", started, err)
	}
	awaitState(t, "the refresh", []string{"IN_PROGRESS"}, "COMPLETED", func() (string, error) {
		out, err := client.DescribeInsightsRefresh(t.Context(), &eks.DescribeInsightsRefreshInput{ClusterName: prod})
		if err != nil {
			return "", err
		}
		return string(out.Status), nil
	})
	for category, want := range map[types.Category]int{types.CategoryUpgradeReadiness: 6, types.CategoryRollbackReadiness: 3, types.CategoryMisconfiguration: 1} {
		out, err := client.ListInsights(t.Context(), &eks.ListInsightsInput{ClusterName: prod, Filter: &types.InsightsFilter{Categories: []types.Category{category}}})
		if err != nil || len(out.Insights) != want {
			t.Errorf("%s: %+v, %v; want %d", category, out, err, want)
			continue
		}
		described, err := client.DescribeInsight(t.Context(), &eks.DescribeInsightInput{ClusterName: prod, Id: out.Insights[0].Id})
		if err != nil || *described.Insight.Name != *out.Insights[0].Name || described.Insight.LastRefreshTime == nil || *described.Insight.Recommendation == "" {
			t.Errorf("got %+v, %v", described, err)
		}
	}
}
