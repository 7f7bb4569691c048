package server

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-cmp/cmp"
)

// resize asks for a tier, and returns the update once it is over.
func (s settings) resize(t *testing.T, tier types.ProvisionedControlPlaneTier) *types.Update {
	t.Helper()
	out, err := s.api.UpdateClusterConfig(t.Context(), &eks.UpdateClusterConfigInput{Name: aws.String("prod"), ControlPlaneScalingConfig: &types.ControlPlaneScalingConfig{Tier: tier}})
	if err != nil {
		t.Fatal(err)
	}
	return s.over(t, out.Update.Id)
}

func (s settings) over(t *testing.T, id *string) *types.Update {
	t.Helper()
	for {
		update, err := s.api.DescribeUpdate(t.Context(), &eks.DescribeUpdateInput{Name: aws.String("prod"), UpdateId: id})
		if err != nil {
			t.Fatal(err)
		}
		if update.Update.Status != types.UpdateStatusInProgress {
			return update.Update
		}
	}
}

func (s settings) described(t *testing.T) *types.Cluster {
	t.Helper()
	described, err := s.api.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("prod")})
	if err != nil {
		t.Fatal(err)
	}
	return described.Cluster
}

func TestTier(t *testing.T) {
	site := newSite(t)
	s := settings{site, site.client()}
	active(t, s.api, "prod")
	t.Run("when nobody asked, it is standard", func(t *testing.T) {
		if got := s.described(t).ControlPlaneScalingConfig.Tier; got != types.ProvisionedControlPlaneTierStandard {
			t.Errorf("it is %s", got)
		}
	})
	t.Run("when another is asked for, the cluster has it, and the update tells from which to which", func(t *testing.T) {
		update := s.resize(t, types.ProvisionedControlPlaneTierTier2xl)
		var told []string
		for _, param := range update.Params {
			told = append(told, string(param.Type)+"="+*param.Value)
		}
		if diff := cmp.Diff([]string{"PreviousTier=standard", "UpdatedTier=tier-2xl"}, told); diff != "" || update.Status != types.UpdateStatusSuccessful ||
			update.Type != types.UpdateTypeControlPlaneScalingConfigUpdate {
			t.Errorf("%s, %s, %s", diff, update.Status, update.Type)
		}
		if got := s.described(t).ControlPlaneScalingConfig.Tier; got != types.ProvisionedControlPlaneTierTier2xl {
			t.Errorf("it is %s", got)
		}
	})
	var refused *types.Update
	t.Run("when there is no room, the update fails and says so, and the cluster stays as it is, active", func(t *testing.T) {
		refused = s.resize(t, types.ProvisionedControlPlaneTierTier8xl)
		if refused.Status != types.UpdateStatusFailed || len(refused.Errors) != 1 || !strings.Contains(*refused.Errors[0].ErrorMessage, "no room for tier-8xl") {
			t.Errorf("got %s, %+v", refused.Status, refused.Errors)
		}
		cluster := s.described(t)
		if cluster.Status != types.ClusterStatusActive || cluster.ControlPlaneScalingConfig.Tier != types.ProvisionedControlPlaneTierTier2xl ||
			len(cluster.Health.Issues) != 1 || cluster.Health.Issues[0].Code != types.ClusterIssueCodeResourceLimitExceeded {
			t.Errorf("got %s, %+v, %+v", cluster.Status, cluster.ControlPlaneScalingConfig, cluster.Health.Issues)
		}
	})
	t.Run("when it goes back to standard, what failed stays failed, and the cluster is well", func(t *testing.T) {
		if update := s.resize(t, types.ProvisionedControlPlaneTierStandard); update.Status != types.UpdateStatusSuccessful {
			t.Errorf("got %s, %+v", update.Status, update.Errors)
		}
		if before := s.over(t, refused.Id); before.Status != types.UpdateStatusFailed || !strings.Contains(*before.Errors[0].ErrorMessage, "no room for tier-8xl") {
			t.Errorf("what failed is %s, %+v", before.Status, before.Errors)
		}
		if cluster := s.described(t); len(cluster.Health.Issues) != 0 || cluster.ControlPlaneScalingConfig.Tier != types.ProvisionedControlPlaneTierStandard || s.spec(t).ControlPlane.Tier != "" {
			t.Errorf("got %+v, %+v", cluster.Health.Issues, cluster.ControlPlaneScalingConfig)
		}
	})
}

// TestTierRefused asks for what can't be.
func TestTierRefused(t *testing.T) {
	s := newSite(t)
	api := s.client()
	active(t, api, "prod")
	t.Run("when it is standard already, nothing changes", func(t *testing.T) {
		_, err := api.UpdateClusterConfig(t.Context(), &eks.UpdateClusterConfigInput{Name: aws.String("prod"), ControlPlaneScalingConfig: &types.ControlPlaneScalingConfig{Tier: types.ProvisionedControlPlaneTierStandard}})
		if err == nil || !strings.Contains(err.Error(), "already at the desired configuration") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("when the form is small, it is refused, and says what to do", func(t *testing.T) {
		_, err := api.CreateCluster(t.Context(), &eks.CreateClusterInput{Name: aws.String("tiny"), RoleArn: aws.String(role), ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: []string{subnet}},
			Tags: map[string]string{"naru.dev/control-plane-replicas": "1"}, ControlPlaneScalingConfig: &types.ControlPlaneScalingConfig{Tier: types.ProvisionedControlPlaneTierTierXl}})
		if err == nil || !strings.Contains(err.Error(), "set the tag naru.dev/control-plane-replicas to 3") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("when versions are described, their tiers are told", func(t *testing.T) {
		out, err := api.DescribeClusterVersions(t.Context(), &eks.DescribeClusterVersionsInput{})
		if err != nil {
			t.Fatal(err)
		}
		if tiers := out.ClusterVersions[0].ControlPlaneScalingTiers; len(tiers) != 4 || *tiers[0].TierName != "tier-xl" || *tiers[0].ApiRequestConcurrency != 1700 || *tiers[3].ClusterDatabaseSizeGb != 16 {
			t.Errorf("got %+v", tiers)
		}
	})
}
