package server

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
)

func scoring(kind types.ScoringStrategyType, resources ...types.ResourceWeight) *types.KubeSchedulerConfigRequest {
	return &types.KubeSchedulerConfigRequest{NodeResourcesFit: &types.NodeResourcesFitConfig{ScoringStrategy: &types.ScoringStrategy{Type: kind, Resources: resources}}}
}

// settings are a cluster's.
type settings struct {
	*site
	api *eks.Client
}

func (s settings) spec(t *testing.T) v1alpha1.ClusterSpec {
	t.Helper()
	cluster := &v1alpha1.Cluster{}
	if err := s.world.Client.Get(t.Context(), client.ObjectKey{Name: "prod"}, cluster); err != nil {
		t.Fatal(err)
	}
	return cluster.Spec
}

// change updates the cluster, and describes it once the update is done.
func (s settings) change(t *testing.T, in *eks.UpdateClusterConfigInput) *types.Cluster {
	t.Helper()
	in.Name = aws.String("prod")
	out, err := s.api.UpdateClusterConfig(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for {
		update, err := s.api.DescribeUpdate(t.Context(), &eks.DescribeUpdateInput{Name: in.Name, UpdateId: out.Update.Id})
		if err != nil {
			t.Fatal(err)
		}
		if update.Update.Status == types.UpdateStatusSuccessful {
			break
		}
	}
	described, err := s.api.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: in.Name})
	if err != nil {
		t.Fatal(err)
	}
	return described.Cluster
}

// TestSettings changes one kind of setting after the other: each is in the spec, which controllers read, and is told again.
func TestSettings(t *testing.T) {
	site := newSite(t)
	s := settings{site, site.client()}
	active(t, s.api, "prod")
	t.Run("when nodes are to be packed, the scheduler is told", func(t *testing.T) {
		asked := scoring(types.ScoringStrategyTypeMostAllocated, types.ResourceWeight{Name: aws.String("cpu"), Weight: aws.Int32(3)})
		told := s.change(t, &eks.UpdateClusterConfigInput{KubeSchedulerConfig: asked}).KubeSchedulerConfig
		if diff := cmp.Diff(asked.NodeResourcesFit, told.NodeResourcesFit, cmpopts.IgnoreUnexported(types.NodeResourcesFitConfig{}, types.ScoringStrategy{}, types.ResourceWeight{})); diff != "" {
			t.Error(diff)
		}
		want := &v1alpha1.SchedulerScoring{Strategy: "MostAllocated", Resources: []v1alpha1.ResourceWeight{{Name: "cpu", Weight: 3}}}
		if diff := cmp.Diff(want, s.spec(t).ControlPlane.Scheduler.Scoring); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("when audit logs are asked for, API servers write them, until they are not", func(t *testing.T) {
		for _, on := range []bool{true, false} {
			cluster := s.change(t, &eks.UpdateClusterConfigInput{Logging: &types.Logging{ClusterLogging: []types.LogSetup{{Enabled: &on, Types: []types.LogType{types.LogTypeAudit}}}}})
			if written := s.spec(t).ControlPlane.APIServer.AuditLog == v1alpha1.AuditLogEnabled; written != on || *cluster.Logging.ClusterLogging[0].Enabled != on {
				t.Errorf("enabled %v: it is written: %v, told as %+v", on, written, cluster.Logging.ClusterLogging)
			}
		}
	})
	t.Run("when the authenticator's log is asked for, it is kept, until it is not, and what others are is left", func(t *testing.T) {
		for _, on := range []bool{true, false} {
			cluster := s.change(t, &eks.UpdateClusterConfigInput{Logging: &types.Logging{ClusterLogging: []types.LogSetup{{Enabled: &on, Types: []types.LogType{types.LogTypeAuthenticator}}}}})
			if kept := s.spec(t).ControlPlane.AuthenticatorLog == v1alpha1.AuthenticatorLogEnabled; kept != on || *cluster.Logging.ClusterLogging[0].Enabled != on {
				t.Errorf("enabled %v: it is kept: %v, told as %+v", on, kept, cluster.Logging.ClusterLogging)
			}
		}
	})
	t.Run("when the endpoint is limited, it is told, and who publishes it as well", func(t *testing.T) {
		told := s.change(t, &eks.UpdateClusterConfigInput{ResourcesVpcConfig: &types.VpcConfigRequest{PublicAccessCidrs: []string{"10.0.0.0/8"}}}).ResourcesVpcConfig
		if diff := cmp.Diff([]string{"10.0.0.0/8"}, told.PublicAccessCidrs); diff != "" || !told.EndpointPublicAccess {
			t.Errorf("%s, %v", diff, told.EndpointPublicAccess)
		}
		told = s.change(t, &eks.UpdateClusterConfigInput{ResourcesVpcConfig: &types.VpcConfigRequest{EndpointPublicAccess: aws.Bool(false), EndpointPrivateAccess: aws.Bool(true)}}).ResourcesVpcConfig
		if told.EndpointPublicAccess || !told.EndpointPrivateAccess || s.spec(t).EndpointAccess.Public != v1alpha1.EndpointClosed {
			t.Errorf("got %+v, %+v", told, s.spec(t).EndpointAccess)
		}
		told = s.change(t, &eks.UpdateClusterConfigInput{ResourcesVpcConfig: &types.VpcConfigRequest{EndpointPublicAccess: aws.Bool(true), PublicAccessCidrs: []string{"0.0.0.0/0"}}}).ResourcesVpcConfig
		if diff := cmp.Diff(v1alpha1.EndpointAccess{}, s.spec(t).EndpointAccess); diff != "" || !told.EndpointPublicAccess || told.PublicAccessCidrs[0] != "0.0.0.0/0" {
			t.Errorf("%s, %+v", diff, told)
		}
	})
}
