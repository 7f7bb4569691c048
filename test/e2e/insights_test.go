//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

// testInsights requests a deprecated API, asks for a refresh, and looks for both the API and the node in what is told.
func (a awsClients) testInsights(t *testing.T, w *world) {
	c, name := w.connect(t, eksCluster), aws.String(eksCluster)
	if result, err := w.cli.Kubectl(t.Context(), c.name, "get", "componentstatuses"); err != nil {
		t.Fatalf("%v, %s", err, result.Stderr)
	}
	if _, err := a.eks.StartInsightsRefresh(t.Context(), &eks.StartInsightsRefreshInput{ClusterName: name}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the refresh", time.Minute, func(ctx context.Context) error {
		out, err := a.eks.DescribeInsightsRefresh(ctx, &eks.DescribeInsightsRefreshInput{ClusterName: name})
		if err == nil && out.Status != types.InsightsRefreshStatusCompleted {
			err = fmt.Errorf("it is %s", out.Status)
		}
		return err
	})
	deprecated := a.insight(t, "Deprecated APIs removed in Kubernetes")
	asked := deprecated.CategorySpecificSummary != nil && slices.ContainsFunc(deprecated.CategorySpecificSummary.DeprecationDetails, func(d types.DeprecationDetail) bool {
		return *d.Usage == "/api/v1/componentstatuses"
	})
	if !asked || deprecated.InsightStatus.Status == types.InsightStatusValueUnknown {
		t.Errorf("a deprecated API was requested: %s, %+v", *deprecated.InsightStatus.Reason, deprecated.CategorySpecificSummary)
	}
	kubelets := a.insight(t, "Kubelet version skew")
	if kubelets.InsightStatus.Status != types.InsightStatusValuePassing || len(kubelets.Resources) != 1 || !strings.HasPrefix(*kubelets.Resources[0].KubernetesResourceUri, "/api/v1/nodes/") {
		t.Errorf("the node's kubelet: %s, %+v", *kubelets.InsightStatus.Reason, kubelets.Resources)
	}
	t.Logf("%s %s; %s %s", deprecated.InsightStatus.Status, *deprecated.InsightStatus.Reason, kubelets.InsightStatus.Status, *kubelets.InsightStatus.Reason)
}

// insight is the one whose name begins so.
func (a awsClients) insight(t *testing.T, name string) *types.Insight {
	t.Helper()
	list, err := a.eks.ListInsights(t.Context(), &eks.ListInsightsInput{ClusterName: aws.String(eksCluster)})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list.Insights, func(s types.InsightSummary) bool { return strings.HasPrefix(*s.Name, name) })
	if i < 0 {
		t.Fatalf("there is no insight %q", name)
	}
	out, err := a.eks.DescribeInsight(t.Context(), &eks.DescribeInsightInput{ClusterName: aws.String(eksCluster), Id: list.Insights[i].Id})
	if err != nil {
		t.Fatal(err)
	}
	return out.Insight
}
