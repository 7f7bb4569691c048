package handlers

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/eks/convert"
)

func nodegroups() map[string]operation {
	return map[string]operation{
		"CreateNodegroup": reduced("instance types are this Naru's machine classes; subnets that DescribeSubnets lists choose zones, others mean all zones; the node's system is Naru's own image, "+
			"whatever x86 amiType is asked for; SPOT, launch templates, remote access, disk sizes, warm pools and details of node repair are refused by name", (*Handlers).createNodegroup),
		"DescribeNodegroup": full((*Handlers).describeNodegroup),
		"ListNodegroups":    full((*Handlers).listNodegroups),
		"DeleteNodegroup":   full((*Handlers).deleteNodegroup),
		"UpdateNodegroupConfig": reduced("real: size, labels, taints, maxUnavailable; node repair is always on, and warm pools are refused",
			(*Handlers).updateNodegroupConfig),
		"UpdateNodegroupVersion": reduced("nodes follow their cluster's version by themselves, so only that version is accepted, and nothing is left to do",
			(*Handlers).updateNodegroupVersion),
	}
}

func (h *Handlers) describeNodegroup(ctx context.Context, in *eks.DescribeNodegroupInput) (*eks.DescribeNodegroupOutput, error) {
	about := subject{cluster: *in.ClusterName, nodegroup: *in.NodegroupName}
	cluster, err := h.Backend.Cluster(ctx, *in.ClusterName)
	if err != nil {
		return nil, about.exception(err)
	}
	group, err := h.Backend.NodeGroup(ctx, *in.ClusterName, *in.NodegroupName)
	if err != nil {
		return nil, about.exception(err)
	}
	shape, err := h.nodegroup(ctx, group, cluster)
	return &eks.DescribeNodegroupOutput{Nodegroup: shape}, err
}

func (h *Handlers) nodegroup(ctx context.Context, group *v1alpha1.NodeGroup, cluster *v1alpha1.Cluster) (*types.Nodegroup, error) {
	catalogue, err := h.Backend.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	return h.Site.Nodegroup(group, cluster, releaseVersion(catalogue, cluster)), nil
}

// releaseVersion is that of a cluster's nodes; empty where the cluster's release was taken away.
func releaseVersion(catalogue backend.Catalogue, cluster *v1alpha1.Cluster) string {
	for _, release := range catalogue.Releases {
		if release.Name == cluster.Spec.Version {
			return release.Spec.Version
		}
	}
	return ""
}

func (h *Handlers) listNodegroups(ctx context.Context, in *eks.ListNodegroupsInput) (*eks.ListNodegroupsOutput, error) {
	about := subject{cluster: *in.ClusterName}
	all, err := h.Backend.NodeGroups(ctx, *in.ClusterName)
	if err != nil {
		return nil, about.exception(err)
	}
	names := make([]string, 0, len(all))
	for i := range all {
		names = append(names, all[i].Name)
	}
	part, next, err := page(about, pages{[]string{"ListNodegroups", *in.ClusterName}, in.MaxResults, in.NextToken}, names, itself)
	return &eks.ListNodegroupsOutput{Nodegroups: part, NextToken: next}, err
}

func (h *Handlers) createNodegroup(ctx context.Context, in *eks.CreateNodegroupInput) (*eks.CreateNodegroupOutput, error) {
	about := subject{cluster: *in.ClusterName, nodegroup: aws.ToString(in.NodegroupName)}
	cluster, err := h.Backend.Cluster(ctx, *in.ClusterName)
	if err != nil {
		return nil, subject{cluster: *in.ClusterName}.exception(err)
	}
	token := h.token("CreateNodegroup", in.ClientRequestToken, in)
	// A repeated creation is answered whatever became of the cluster meanwhile.
	if first, err := h.Backend.NodeGroup(ctx, *in.ClusterName, about.nodegroup); err == nil {
		if err := about.repeated(token, convert.TokenOf(first), "NodeGroup already exists with name "+first.Name+" and cluster name "+cluster.Name); err != nil {
			return nil, err
		}
		shape, err := h.nodegroup(ctx, first, cluster)
		return &eks.CreateNodegroupOutput{Nodegroup: shape}, err
	}
	if status := convert.ClusterStatus(cluster); status != types.ClusterStatusActive && status != types.ClusterStatusUpdating {
		return nil, about.request("Cluster '%s' is not in ACTIVE status: it is %s", cluster.Name, status)
	}
	catalogue, err := h.Backend.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	group, err := about.newNodegroup(in, cluster, h.Site, catalogue)
	if err != nil {
		return nil, err
	}
	if err := h.trusted(ctx, *in.NodeRole, "ec2.amazonaws.com", func(arn string) error {
		return about.invalid("Following required service principals [ec2.amazonaws.com] were not found in the trust relationships of nodeRole %s, or it does not exist", arn)
	}); err != nil {
		return nil, err
	}
	convert.SetToken(group, token)
	if err := h.Backend.CreateNodeGroup(ctx, group); err != nil {
		return nil, about.exception(err)
	}
	shape, err := h.nodegroup(ctx, group, cluster)
	return &eks.CreateNodegroupOutput{Nodegroup: shape}, err
}

// deleteNodegroup answers once the deletion is in the store.
func (h *Handlers) deleteNodegroup(ctx context.Context, in *eks.DeleteNodegroupInput) (*eks.DeleteNodegroupOutput, error) {
	about := subject{cluster: *in.ClusterName, nodegroup: *in.NodegroupName}
	cluster, err := h.Backend.Cluster(ctx, *in.ClusterName)
	if err != nil {
		return nil, subject{cluster: *in.ClusterName}.exception(err)
	}
	group, err := h.Backend.NodeGroup(ctx, *in.ClusterName, *in.NodegroupName)
	if err != nil {
		return nil, about.exception(err)
	}
	if err := h.Backend.DeleteNodeGroup(ctx, *in.ClusterName, *in.NodegroupName); err != nil {
		return nil, about.exception(err)
	}
	shape, err := h.nodegroup(ctx, group, cluster)
	if err != nil {
		return nil, err
	}
	shape.Status, shape.Health = types.NodegroupStatusDeleting, &types.NodegroupHealth{Issues: []types.Issue{}}
	return &eks.DeleteNodegroupOutput{Nodegroup: shape}, nil
}

func (h *Handlers) updateNodegroupConfig(ctx context.Context, in *eks.UpdateNodegroupConfigInput) (*eks.UpdateNodegroupConfigOutput, error) {
	about := subject{cluster: *in.ClusterName, nodegroup: *in.NodegroupName}
	err := about.refuse([]forbidden{
		{in.WarmPoolConfig != nil, "warmPoolConfig", "there are no warm pools: leave it out"},
		{in.NodeRepairConfig != nil && !aws.ToBool(in.NodeRepairConfig.Enabled), "nodeRepairConfig.enabled", "nodes that are not well are always replaced"},
		{in.NodeRepairConfig != nil && tuned(in.NodeRepairConfig), "nodeRepairConfig", "only enabled can be set"},
	})
	if err != nil {
		return nil, err
	}
	update := convert.Update{ID: h.NewID(), Type: string(types.UpdateTypeConfigUpdate), Created: h.Now().UTC(),
		Token: h.token("UpdateNodegroupConfig", in.ClientRequestToken, in)}
	group, err := h.Backend.ChangeNodeGroup(ctx, *in.ClusterName, *in.NodegroupName, func(group *v1alpha1.NodeGroup) error {
		return about.changeNodegroup(group, in, &update)
	})
	if err != nil {
		return nil, about.exception(err)
	}
	return &eks.UpdateNodegroupConfigOutput{Update: update.Shape(convert.Observed{Ready: group.Status.ObservedGeneration})}, nil
}

func (h *Handlers) updateNodegroupVersion(ctx context.Context, in *eks.UpdateNodegroupVersionInput) (*eks.UpdateNodegroupVersionOutput, error) {
	about := subject{cluster: *in.ClusterName, nodegroup: *in.NodegroupName}
	cluster, err := h.Backend.Cluster(ctx, *in.ClusterName)
	if err != nil {
		return nil, subject{cluster: *in.ClusterName}.exception(err)
	}
	catalogue, err := h.Backend.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	release := releaseVersion(catalogue, cluster)
	err = about.refuse([]forbidden{
		{in.LaunchTemplate != nil, "launchTemplate", "there are no launch templates: leave it out"},
		{in.ReleaseVersion != nil && *in.ReleaseVersion != release, "releaseVersion", "nodes run the image of their cluster's release, " + release},
		{in.Version != nil && *in.Version != cluster.Spec.Version, "version", "nodes run their cluster's version, " + cluster.Spec.Version},
	})
	if err != nil {
		return nil, err
	}
	update := convert.Update{ID: h.NewID(), Type: string(types.UpdateTypeVersionUpdate), Created: h.Now().UTC(),
		Params: params(types.UpdateParamTypeVersion, cluster.Spec.Version), Token: h.token("UpdateNodegroupVersion", in.ClientRequestToken, in)}
	group, err := h.Backend.ChangeNodeGroup(ctx, *in.ClusterName, *in.NodegroupName, func(group *v1alpha1.NodeGroup) error {
		if done, err := about.remembered(group, &update); done || err != nil {
			return err
		}
		update.Generation = group.Generation
		return convert.AddUpdate(group, update)
	})
	if err != nil {
		return nil, about.exception(err)
	}
	return &eks.UpdateNodegroupVersionOutput{Update: update.Shape(convert.Observed{Ready: group.Status.ObservedGeneration})}, nil
}
