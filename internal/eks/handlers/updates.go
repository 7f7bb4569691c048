package handlers

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/internal/eks/convert"
)

func updates() map[string]operation {
	return map[string]operation{
		"DescribeUpdate": reduced("the last 20 changes of a cluster, a node group or an add-on are remembered", (*Handlers).describeUpdate),
		"ListUpdates":    reduced("the last 20 changes of a cluster, a node group or an add-on are remembered", (*Handlers).listUpdates),
		"CancelUpdate": refused("changes take effect within seconds, so that there is nothing to cancel: ask for the opposite change",
			func(s subject, why string) error { return s.request("%s", why) }),
		"UpdateClusterVersion": refused("this Naru does not upgrade clusters yet: create another cluster of the new version",
			func(s subject, why string) error { return s.request("%s", why) }),
		"AssociateEncryptionConfig": refused("there is no KMS here: Secrets of every cluster are encrypted with a key of its own anyway",
			func(s subject, why string) error { return s.request("%s", why) }),
	}
}

// updated is the object whose updates are asked for, and how far they are.
func (h *Handlers) updated(ctx context.Context, cluster string, nodegroup, addon, capability *string) (metav1.Object, convert.Observed, error) {
	about := subject{cluster: cluster, nodegroup: aws.ToString(nodegroup), addon: aws.ToString(addon)}
	if capability != nil {
		return nil, convert.Observed{}, &types.ResourceNotFoundException{Message: aws.String("No capability found for name: " + *capability + "."), ClusterName: &cluster}
	}
	found, err := h.Backend.Cluster(ctx, cluster)
	if err != nil {
		return nil, convert.Observed{}, subject{cluster: cluster}.exception(err)
	}
	if about.addon != "" {
		return addonUpdates(found, about.addon), convert.ObservedCluster(found), nil
	}
	if about.nodegroup == "" {
		return found, convert.ObservedCluster(found), nil
	}
	group, err := h.Backend.NodeGroup(ctx, cluster, about.nodegroup)
	if err != nil {
		return nil, convert.Observed{}, about.exception(err)
	}
	return group, convert.Observed{Ready: group.Status.ObservedGeneration}, nil
}

func (h *Handlers) describeUpdate(ctx context.Context, in *eks.DescribeUpdateInput) (*eks.DescribeUpdateOutput, error) {
	object, seen, err := h.updated(ctx, *in.Name, in.NodegroupName, in.AddonName, in.CapabilityName)
	if err != nil {
		return nil, err
	}
	update, ok := convert.FindUpdate(object, *in.UpdateId)
	if !ok {
		return nil, &types.ResourceNotFoundException{Message: aws.String("No update found for ID: " + *in.UpdateId), ClusterName: in.Name, NodegroupName: in.NodegroupName}
	}
	if in.AddonName != nil {
		cluster, err := h.Backend.Cluster(ctx, *in.Name)
		if err != nil {
			return nil, subject{cluster: *in.Name}.exception(err)
		}
		return &eks.DescribeUpdateOutput{Update: convert.AddonUpdate(cluster, *in.AddonName, update, h.Now())}, nil
	}
	return &eks.DescribeUpdateOutput{Update: update.Shape(seen)}, nil
}

func (h *Handlers) listUpdates(ctx context.Context, in *eks.ListUpdatesInput) (*eks.ListUpdatesOutput, error) {
	object, _, err := h.updated(ctx, *in.Name, in.NodegroupName, in.AddonName, in.CapabilityName)
	if err != nil {
		return nil, err
	}
	ids := []string{}
	for _, update := range convert.Updates(object) {
		ids = append(ids, update.ID)
	}
	which := []string{"ListUpdates", *in.Name, aws.ToString(in.NodegroupName), aws.ToString(in.AddonName)}
	part, next, err := page(subject{cluster: *in.Name}, pages{which, in.MaxResults, in.NextToken}, ids, itself)
	return &eks.ListUpdatesOutput{UpdateIds: part, NextToken: next}, err
}
