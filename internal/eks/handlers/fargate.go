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

// fargateService is who has to be trusted by the role of a profile.
const fargateService = "eks-fargate-pods.amazonaws.com"

func fargate() map[string]operation {
	return map[string]operation{
		"CreateFargateProfile": reduced("names are Naru's (1 to 40 lower-case letters, digits and dashes); each pod gets a machine of its own, which is a machine as those of node groups are and no micro VM; "+
			"the pod execution role has to exist and to trust EKS, and nothing assumes it: machines pull from Naru's registry; subnets that DescribeSubnets lists choose zones, others mean all zones",
			(*Handlers).createFargateProfile),
		"DescribeFargateProfile": full((*Handlers).describeFargateProfile),
		"ListFargateProfiles":    full((*Handlers).listFargateProfiles),
		"DeleteFargateProfile":   full((*Handlers).deleteFargateProfile),
	}
}

func (h *Handlers) createFargateProfile(ctx context.Context, in *eks.CreateFargateProfileInput) (*eks.CreateFargateProfileOutput, error) {
	about := subject{cluster: *in.ClusterName, profile: aws.ToString(in.FargateProfileName)}
	cluster, err := h.Backend.Cluster(ctx, *in.ClusterName)
	if err != nil {
		return nil, subject{cluster: *in.ClusterName}.exception(err)
	}
	token := h.token("CreateFargateProfile", in.ClientRequestToken, in)
	// A repeated creation is answered whatever became of the cluster meanwhile.
	if first, err := h.Backend.FargateProfile(ctx, *in.ClusterName, about.profile); err == nil {
		if err := about.repeated(token, convert.TokenOf(first), about.profileExists()); err != nil {
			return nil, err
		}
		return &eks.CreateFargateProfileOutput{FargateProfile: h.Site.FargateProfile(first)}, nil
	}
	if status := convert.ClusterStatus(cluster); status != types.ClusterStatusActive && status != types.ClusterStatusUpdating {
		return nil, about.request("Cluster '%s' is not in ACTIVE status: it is %s", cluster.Name, status)
	}
	catalogue, err := h.Backend.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	profile, err := about.newFargateProfile(in, h.Site, catalogue)
	if err != nil {
		return nil, err
	}
	// Terraform tries again for these words: the role may have been made a moment ago.
	if err := h.trusted(ctx, *in.PodExecutionRoleArn, fargateService, func(arn string) error {
		return about.invalid("Misconfigured PodExecutionRole Trust Policy; Please add the %s Service Principal to %s, or it does not exist", fargateService, arn)
	}); err != nil {
		return nil, err
	}
	convert.SetToken(profile, token)
	if err := h.Backend.CreateFargateProfile(ctx, profile); err != nil {
		return nil, about.exception(err)
	}
	return &eks.CreateFargateProfileOutput{FargateProfile: h.Site.FargateProfile(profile)}, nil
}

func (s subject) profileExists() string {
	return "Fargate Profile already exists with this name in this cluster: " + s.profile
}

// newFargateProfile is the profile that a request asks for.
func (s subject) newFargateProfile(in *eks.CreateFargateProfileInput, site convert.Site, catalogue backend.Catalogue) (*v1alpha1.FargateProfile, error) {
	err := s.missing(given("fargateProfileName", in.FargateProfileName), given("podExecutionRoleArn", in.PodExecutionRoleArn), member{"selectors", len(in.Selectors) > 0})
	if err != nil {
		return nil, err
	}
	if err := s.role("podExecutionRoleArn", *in.PodExecutionRoleArn, site); err != nil {
		return nil, err
	}
	for _, id := range in.Subnets {
		if !subnetID.MatchString(id) {
			return nil, s.invalid("The subnet ID '%s' does not exist", id)
		}
	}
	if err := s.validTags(in.Tags); err != nil {
		return nil, err
	}
	profile := backend.NewFargateProfile(s.cluster, s.profile, v1alpha1.FargateProfileSpec{
		Selectors: convert.FargateSelectors(in.Selectors), PodExecutionRoleARN: *in.PodExecutionRoleArn, Zones: zones(in.Subnets, site, catalogue.Zones),
	})
	if err := convert.SetTags(profile, in.Tags); err != nil {
		return nil, err
	}
	return profile, convert.SetNote(profile, v1alpha1.AnnotationAsked, convert.FargateAsked{Subnets: in.Subnets})
}

func (h *Handlers) describeFargateProfile(ctx context.Context, in *eks.DescribeFargateProfileInput) (*eks.DescribeFargateProfileOutput, error) {
	profile, err := h.Backend.FargateProfile(ctx, *in.ClusterName, *in.FargateProfileName)
	if err != nil {
		return nil, subject{cluster: *in.ClusterName, profile: *in.FargateProfileName}.exception(err)
	}
	return &eks.DescribeFargateProfileOutput{FargateProfile: h.Site.FargateProfile(profile)}, nil
}

func (h *Handlers) listFargateProfiles(ctx context.Context, in *eks.ListFargateProfilesInput) (*eks.ListFargateProfilesOutput, error) {
	about := subject{cluster: *in.ClusterName}
	all, err := h.Backend.FargateProfiles(ctx, *in.ClusterName)
	if err != nil {
		return nil, about.exception(err)
	}
	names := make([]string, 0, len(all))
	for i := range all {
		names = append(names, all[i].Name)
	}
	part, next, err := page(about, pages{[]string{"ListFargateProfiles", *in.ClusterName}, in.MaxResults, in.NextToken}, names, itself)
	return &eks.ListFargateProfilesOutput{FargateProfileNames: part, NextToken: next}, err
}

// deleteFargateProfile answers once the deletion is in the store.
func (h *Handlers) deleteFargateProfile(ctx context.Context, in *eks.DeleteFargateProfileInput) (*eks.DeleteFargateProfileOutput, error) {
	profile, err := h.Backend.DeleteFargateProfile(ctx, *in.ClusterName, *in.FargateProfileName)
	if err != nil {
		return nil, subject{cluster: *in.ClusterName, profile: *in.FargateProfileName}.exception(err)
	}
	shape := h.Site.FargateProfile(profile)
	shape.Status, shape.Health = types.FargateProfileStatusDeleting, &types.FargateProfileHealth{Issues: []types.FargateProfileIssue{}}
	return &eks.DeleteFargateProfileOutput{FargateProfile: shape}, nil
}
