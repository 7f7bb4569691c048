package server

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

// patience is how many polls a state machine may take.
const polls = 100

// awaitState is Terraform's retry.StateChangeConf: a state that is neither pending nor the target is an error. An empty
// target means that the thing has to be gone, which get tells by an empty state.
func awaitState(t *testing.T, what string, pending []string, target string, get func() (string, error)) {
	t.Helper()
	for range polls {
		state, err := get()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if state == target {
			return
		}
		if !slices.Contains(pending, state) {
			t.Fatalf("%s: unexpected state '%s', wanted target '%s'", what, state, target)
		}
	}
	t.Fatalf("%s: not in time", what)
}

// provider makes the calls that terraform-provider-aws makes.
type provider struct {
	*testing.T
	client *eks.Client
}

func (p provider) cluster(name string) (string, error) {
	out, err := p.client.DescribeCluster(p.Context(), &eks.DescribeClusterInput{Name: &name})
	if gone := new(types.ResourceNotFoundException); errors.As(err, &gone) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if out.Cluster.CreatedAt == nil {
		return "", errors.New("the provider panics without createdAt")
	}
	return string(out.Cluster.Status), nil
}

func (p provider) nodegroup(cluster, name string) (string, error) {
	out, err := p.client.DescribeNodegroup(p.Context(), &eks.DescribeNodegroupInput{ClusterName: &cluster, NodegroupName: &name})
	if gone := new(types.ResourceNotFoundException); errors.As(err, &gone) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if len(out.Nodegroup.Resources.AutoScalingGroups) == 0 {
		return "", errors.New("the provider reads resources.autoScalingGroups")
	}
	return string(out.Nodegroup.Status), nil
}

func (p provider) updated(cluster string, nodegroup *string, update *types.Update, err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
	awaitState(p.T, "update "+string(update.Type), []string{"InProgress"}, "Successful", func() (string, error) {
		if _, err := p.cluster(cluster); err != nil { // the world takes a step when it is looked at
			return "", err
		}
		out, err := p.client.DescribeUpdate(p.Context(), &eks.DescribeUpdateInput{Name: &cluster, UpdateId: update.Id, NodegroupName: nodegroup})
		if err != nil {
			return "", err
		}
		if len(out.Update.Errors) > 0 {
			return "", fmt.Errorf("%+v", out.Update.Errors)
		}
		return string(out.Update.Status), nil
	})
}

func (p provider) config(in *eks.UpdateClusterConfigInput) {
	p.Helper()
	out, err := p.client.UpdateClusterConfig(p.Context(), in)
	if err != nil {
		p.Fatal(err)
	}
	p.updated(*in.Name, nil, out.Update, nil)
}

// TestTerraform replays aws_eks_cluster, aws_eks_node_group, aws_eks_access_entry and aws_eks_addon: create, read, update, delete.
func TestTerraform(t *testing.T) {
	s := newSite(t)
	p := provider{t, s.client()}
	name := aws.String("prod")
	in := create("prod")
	in.AccessConfig = &types.CreateAccessConfigRequest{AuthenticationMode: types.AuthenticationModeApiAndConfigMap}
	in.Tags = map[string]string{"team": "web", replicas: "1"}
	if _, err := p.client.CreateCluster(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	awaitState(t, "creating the cluster", []string{"PENDING", "CREATING"}, "ACTIVE", func() (string, error) { return p.cluster("prod") })

	p.config(&eks.UpdateClusterConfigInput{Name: name, AccessConfig: &types.UpdateAccessConfigRequest{AuthenticationMode: types.AuthenticationModeApi}})
	p.config(&eks.UpdateClusterConfigInput{Name: name, DeletionProtection: aws.Bool(true)})
	p.config(&eks.UpdateClusterConfigInput{Name: name, Logging: &types.Logging{ClusterLogging: []types.LogSetup{{Enabled: aws.Bool(true), Types: []types.LogType{types.LogTypeApi}}}}})
	p.config(&eks.UpdateClusterConfigInput{Name: name, UpgradePolicy: &types.UpgradePolicyRequest{SupportType: types.SupportTypeStandard}})
	p.config(&eks.UpdateClusterConfigInput{Name: name, ResourcesVpcConfig: &types.VpcConfigRequest{EndpointPrivateAccess: aws.Bool(true)}})
	p.config(&eks.UpdateClusterConfigInput{Name: name, ResourcesVpcConfig: &types.VpcConfigRequest{SecurityGroupIds: []string{"sg-0123456789abcdef0"}}})
	p.autoModeOff(name)
	arn := aws.String("arn:aws:eks:naru-kr-1:111122223333:cluster/prod")
	if _, err := p.client.TagResource(t.Context(), &eks.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"stage": "1"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.client.UntagResource(t.Context(), &eks.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"team"}}); err != nil {
		t.Fatal(err)
	}
	p.checkCluster(name)
	p.nodes(name)
	p.access(name)
	p.addon(name)

	_, err := p.client.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: name})
	if refused := new(types.InvalidRequestException); !errors.As(err, &refused) {
		t.Errorf("a protected cluster: %v", err)
	}
	p.config(&eks.UpdateClusterConfigInput{Name: name, DeletionProtection: aws.Bool(false)})
	if _, err := p.client.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: name}); err != nil {
		t.Fatal(err)
	}
	awaitState(t, "deleting the cluster", []string{"ACTIVE", "DELETING"}, "", func() (string, error) { return p.cluster("prod") })
}

// autoModeOff is what the provider sends from 5.79 on when compute_config is written down: the whole network, too.
func (p provider) autoModeOff(name *string) {
	p.Helper()
	described, err := p.client.DescribeCluster(p.Context(), &eks.DescribeClusterInput{Name: name})
	if err != nil {
		p.Fatal(err)
	}
	in := &eks.UpdateClusterConfigInput{Name: name, ComputeConfig: &types.ComputeConfigRequest{Enabled: aws.Bool(false)},
		StorageConfig: &types.StorageConfigRequest{BlockStorage: &types.BlockStorage{Enabled: aws.Bool(false)}},
		KubernetesNetworkConfig: &types.KubernetesNetworkConfigRequest{ServiceIpv4Cidr: aws.String("10.97.0.0/16"), IpFamily: types.IpFamilyIpv4,
			ElasticLoadBalancing: &types.ElasticLoadBalancing{Enabled: aws.Bool(false)}}}
	_, err = p.client.UpdateClusterConfig(p.Context(), in)
	if refused := new(types.InvalidParameterException); !errors.As(err, &refused) || !strings.Contains(*refused.Message, "can't be changed") {
		p.Errorf("another range for Services: %v", err)
	}
	in.KubernetesNetworkConfig.ServiceIpv4Cidr = described.Cluster.KubernetesNetworkConfig.ServiceIpv4Cidr
	p.config(in)
}

const replicas = "naru.dev/control-plane-replicas"

func (p provider) checkCluster(name *string) {
	p.Helper()
	out, err := p.client.DescribeCluster(p.Context(), &eks.DescribeClusterInput{Name: name})
	if err != nil {
		p.Fatal(err)
	}
	c := out.Cluster
	if !*c.DeletionProtection || c.AccessConfig.AuthenticationMode != types.AuthenticationModeApi || !c.ResourcesVpcConfig.EndpointPrivateAccess ||
		c.UpgradePolicy.SupportType != types.SupportTypeStandard || !slices.Equal(c.ResourcesVpcConfig.SecurityGroupIds, []string{"sg-0123456789abcdef0"}) ||
		c.Tags["stage"] != "1" || c.Tags["team"] != "" || c.Logging.ClusterLogging[0].Types[0] != types.LogTypeApi {
		p.Errorf("what was changed is not what is told: %+v", c)
	}
	updates, err := p.client.ListUpdates(p.Context(), &eks.ListUpdatesInput{Name: name})
	if err != nil || len(updates.UpdateIds) != 7 {
		p.Errorf("seven updates were made: %v, %v", updates, err)
	}
}

func (p provider) nodes(name *string) {
	p.Helper()
	web := aws.String("web")
	in := group(*name, *web)
	in.Labels, in.Tags = map[string]string{"tier": "front"}, map[string]string{"team": "web"}
	in.Taints = []types.Taint{{Key: aws.String("only"), Value: aws.String("web"), Effect: types.TaintEffectNoSchedule}}
	in.ReleaseVersion = aws.String("1.36.3")
	_, err := p.client.CreateNodegroup(p.Context(), in)
	if refused := new(types.InvalidParameterException); !errors.As(err, &refused) || !strings.Contains(*refused.Message, "releaseVersion") {
		p.Errorf("another release's image: %v", err)
	}
	in.ReleaseVersion = aws.String("1.37.1") // what DescribeNodegroup tells may be written down
	if _, err := p.client.CreateNodegroup(p.Context(), in); err != nil {
		p.Fatal(err)
	}
	awaitState(p.T, "creating the node group", []string{"CREATING"}, "ACTIVE", func() (string, error) { return p.nodegroup(*name, *web) })
	out, err := p.client.UpdateNodegroupConfig(p.Context(), &eks.UpdateNodegroupConfigInput{ClusterName: name, NodegroupName: web,
		ScalingConfig: &types.NodegroupScalingConfig{MinSize: aws.Int32(1), MaxSize: aws.Int32(5), DesiredSize: aws.Int32(4)},
		Labels:        &types.UpdateLabelsPayload{AddOrUpdateLabels: map[string]string{"a": "b"}, RemoveLabels: []string{"tier"}},
		Taints:        &types.UpdateTaintsPayload{RemoveTaints: in.Taints},
	})
	if err != nil {
		p.Fatal(err)
	}
	p.updated(*name, web, out.Update, nil)
	_, err = p.client.UpdateNodegroupVersion(p.Context(), &eks.UpdateNodegroupVersionInput{ClusterName: name, NodegroupName: web, ReleaseVersion: aws.String("1.36.3")})
	if refused := new(types.InvalidParameterException); !errors.As(err, &refused) || !strings.Contains(*refused.Message, "releaseVersion") {
		p.Errorf("another release's image: %v", err)
	}
	described, err := p.client.DescribeNodegroup(p.Context(), &eks.DescribeNodegroupInput{ClusterName: name, NodegroupName: web})
	if err != nil {
		p.Fatal(err)
	}
	g := described.Nodegroup
	if *g.ScalingConfig.DesiredSize != 4 || len(g.Taints) != 0 || len(g.Labels) != 1 || g.Labels["a"] != "b" || *g.ReleaseVersion != "1.37.1" || g.Tags["team"] != "web" {
		p.Errorf("what was changed is not what is told: %+v", g)
	}
	if _, err := p.client.DeleteNodegroup(p.Context(), &eks.DeleteNodegroupInput{ClusterName: name, NodegroupName: web}); err != nil {
		p.Fatal(err)
	}
	awaitState(p.T, "deleting the node group", []string{"ACTIVE", "DELETING"}, "", func() (string, error) { return p.nodegroup(*name, *web) })
}

func (p provider) access(name *string) {
	p.Helper()
	principal, policy := aws.String(role), aws.String("arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy")
	created, err := p.client.CreateAccessEntry(p.Context(), &eks.CreateAccessEntryInput{ClusterName: name, PrincipalArn: principal, KubernetesGroups: []string{"viewers"}})
	if err != nil {
		p.Fatal(err)
	}
	if got, want := *created.AccessEntry.Username, "arn:aws:sts::111122223333:assumed-role/eks/{{SessionName}}"; got != want {
		p.Errorf("the username is %s, want %s: a role's path is left out", got, want)
	}
	scope := &types.AccessScope{Type: types.AccessScopeTypeNamespace, Namespaces: []string{"team-*"}}
	if _, err := p.client.AssociateAccessPolicy(p.Context(), &eks.AssociateAccessPolicyInput{ClusterName: name, PrincipalArn: principal, PolicyArn: policy, AccessScope: scope}); err != nil {
		p.Fatal(err)
	}
	policies, err := p.client.ListAssociatedAccessPolicies(p.Context(), &eks.ListAssociatedAccessPoliciesInput{ClusterName: name, PrincipalArn: principal})
	if err != nil || len(policies.AssociatedAccessPolicies) != 1 || policies.AssociatedAccessPolicies[0].AccessScope.Namespaces[0] != "team-*" {
		p.Errorf("got %+v, %v", policies, err)
	}
	if _, err := p.client.DisassociateAccessPolicy(p.Context(), &eks.DisassociateAccessPolicyInput{ClusterName: name, PrincipalArn: principal, PolicyArn: policy}); err != nil {
		p.Fatal(err)
	}
	if _, err := p.client.DeleteAccessEntry(p.Context(), &eks.DeleteAccessEntryInput{ClusterName: name, PrincipalArn: principal}); err != nil {
		p.Fatal(err)
	}
	_, err = p.client.DescribeAccessEntry(p.Context(), &eks.DescribeAccessEntryInput{ClusterName: name, PrincipalArn: principal})
	if gone := new(types.ResourceNotFoundException); !errors.As(err, &gone) {
		p.Errorf("a deleted entry: %v", err)
	}
}

func (p provider) addon(name *string) {
	p.Helper()
	coredns := aws.String("coredns")
	if _, err := p.client.CreateAddon(p.Context(), &eks.CreateAddonInput{ClusterName: name, AddonName: coredns, ResolveConflicts: types.ResolveConflictsOverwrite}); err != nil {
		p.Fatal(err)
	}
	state := func() (string, error) {
		out, err := p.client.DescribeAddon(p.Context(), &eks.DescribeAddonInput{ClusterName: name, AddonName: coredns})
		if gone := new(types.ResourceNotFoundException); errors.As(err, &gone) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		return string(out.Addon.Status), nil
	}
	awaitState(p.T, "creating the add-on", []string{"CREATING"}, "ACTIVE", state)
	p.retag(name, coredns)
	updated, err := p.client.UpdateAddon(p.Context(), &eks.UpdateAddonInput{ClusterName: name, AddonName: coredns, AddonVersion: aws.String("v1.14.0-naru.1"), ConfigurationValues: aws.String(`{"replicaCount":3}`)})
	if err != nil {
		p.Fatal(err)
	}
	awaitState(p.T, "updating the add-on", []string{"InProgress"}, "Successful", func() (string, error) {
		out, err := p.client.DescribeUpdate(p.Context(), &eks.DescribeUpdateInput{Name: name, AddonName: coredns, UpdateId: updated.Update.Id})
		if err != nil {
			return "", err
		}
		return string(out.Update.Status), nil
	})
	if _, err := p.client.DeleteAddon(p.Context(), &eks.DeleteAddonInput{ClusterName: name, AddonName: coredns}); err != nil {
		p.Fatal(err)
	}
	awaitState(p.T, "deleting the add-on", []string{"ACTIVE", "DELETING"}, "", state)
}

// retag changes the tags of an add-on, as every resource with an ARN has them changed.
func (p provider) retag(cluster, addon *string) {
	p.Helper()
	described := func() *types.Addon {
		out, err := p.client.DescribeAddon(p.Context(), &eks.DescribeAddonInput{ClusterName: cluster, AddonName: addon})
		if err != nil {
			p.Fatal(err)
		}
		return out.Addon
	}
	arn := described().AddonArn
	if _, err := p.client.TagResource(p.Context(), &eks.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"team": "web", "stage": "1"}}); err != nil {
		p.Fatal(err)
	}
	if _, err := p.client.UntagResource(p.Context(), &eks.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"stage"}}); err != nil {
		p.Fatal(err)
	}
	listed, err := p.client.ListTagsForResource(p.Context(), &eks.ListTagsForResourceInput{ResourceArn: arn})
	if want := map[string]string{"team": "web"}; err != nil || !maps.Equal(listed.Tags, want) || !maps.Equal(described().Tags, want) {
		p.Errorf("an add-on's tags: %+v, %v", listed, err)
	}
	_, err = p.client.ListTagsForResource(p.Context(), &eks.ListTagsForResourceInput{ResourceArn: aws.String(*arn + "0")})
	if gone := new(types.NotFoundException); !errors.As(err, &gone) {
		p.Errorf("one that was made anew under the same name: %v", err)
	}
}
