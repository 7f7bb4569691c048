package handlers

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/eks/convert"
)

func identities() map[string]operation {
	return map[string]operation{
		"CreatePodIdentityAssociation":   full((*Handlers).createPodIdentity),
		"DescribePodIdentityAssociation": full((*Handlers).describePodIdentity),
		"ListPodIdentityAssociations":    full((*Handlers).listPodIdentities),
		"UpdatePodIdentityAssociation":   full((*Handlers).updatePodIdentity),
		"DeletePodIdentityAssociation":   full((*Handlers).deletePodIdentity),
	}
}

func (h *Handlers) createPodIdentity(ctx context.Context, in *eks.CreatePodIdentityAssociationInput) (*eks.CreatePodIdentityAssociationOutput, error) {
	about := subject{cluster: *in.ClusterName}
	if err := about.missing(given("namespace", in.Namespace), given("serviceAccount", in.ServiceAccount), given("roleArn", in.RoleArn)); err != nil {
		return nil, err
	}
	if err := h.podRole(ctx, about, *in.RoleArn); err != nil {
		return nil, err
	}
	a := &v1alpha1.PodIdentityAssociation{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.Namespace(*in.ClusterName)}}
	a.Spec = v1alpha1.PodIdentityAssociationSpec{
		Namespace: *in.Namespace, ServiceAccount: *in.ServiceAccount, RoleARN: *in.RoleArn, Policy: aws.ToString(in.Policy),
		DisableSessionTags: aws.ToBool(in.DisableSessionTags),
	}
	h.target(a, aws.ToString(in.TargetRoleArn))
	if err := about.validTags(in.Tags); err != nil {
		return nil, err
	}
	if err := convert.SetTags(a, in.Tags); err != nil {
		return nil, err
	}
	token := h.token("CreatePodIdentityAssociation", in.ClientRequestToken, in)
	convert.SetToken(a, token)
	err := h.Backend.CreatePodIdentityAssociation(ctx, a)
	if exists(err) {
		if a, err = h.Backend.PodIdentityAssociation(ctx, *in.ClusterName, v1alpha1.PodIdentityAssociationName(*in.Namespace, *in.ServiceAccount)); err == nil {
			err = about.repeated(token, convert.TokenOf(a), "Association already exists: "+a.Name)
		}
	}
	if err != nil {
		return nil, about.exception(err)
	}
	return &eks.CreatePodIdentityAssociationOutput{Association: h.Site.PodIdentityAssociation(a)}, nil
}

// podRole checks that a role is this account's and lets pods have it.
func (h *Handlers) podRole(ctx context.Context, about subject, arn string) error {
	if err := about.role("roleArn", arn, h.Site); err != nil {
		return err
	}
	return h.trusted(ctx, arn, "pods.eks.amazonaws.com", func(arn string) error {
		return about.invalid("Role provided in the request does not exist in the account, or does not trust pods.eks.amazonaws.com: %s", arn)
	})
}

// target sets a second role, and an external id for its trust policy to ask for. The id stays the same
// as long as there is a target.
func (h *Handlers) target(a *v1alpha1.PodIdentityAssociation, role string) {
	a.Spec.TargetRoleARN = role
	switch {
	case role == "":
		a.Spec.ExternalID = ""
	case a.Spec.ExternalID == "":
		a.Spec.ExternalID = h.NewID()
	}
}

func (h *Handlers) describePodIdentity(ctx context.Context, in *eks.DescribePodIdentityAssociationInput) (*eks.DescribePodIdentityAssociationOutput, error) {
	a, err := h.Backend.PodIdentityAssociation(ctx, *in.ClusterName, *in.AssociationId)
	if err != nil {
		return nil, subject{cluster: *in.ClusterName}.exception(err)
	}
	return &eks.DescribePodIdentityAssociationOutput{Association: h.Site.PodIdentityAssociation(a)}, nil
}

func (h *Handlers) listPodIdentities(ctx context.Context, in *eks.ListPodIdentityAssociationsInput) (*eks.ListPodIdentityAssociationsOutput, error) {
	about := subject{cluster: *in.ClusterName}
	all, err := h.Backend.PodIdentityAssociations(ctx, *in.ClusterName)
	if err != nil {
		return nil, about.exception(err)
	}
	summaries := []types.PodIdentityAssociationSummary{}
	for i := range all {
		a := h.Site.PodIdentityAssociation(&all[i])
		if in.Namespace != nil && *in.Namespace != *a.Namespace || in.ServiceAccount != nil && *in.ServiceAccount != *a.ServiceAccount {
			continue
		}
		summaries = append(summaries, types.PodIdentityAssociationSummary{AssociationArn: a.AssociationArn, AssociationId: a.AssociationId,
			ClusterName: a.ClusterName, Namespace: a.Namespace, ServiceAccount: a.ServiceAccount})
	}
	which := []string{"ListPodIdentityAssociations", *in.ClusterName, aws.ToString(in.Namespace), aws.ToString(in.ServiceAccount)}
	part, next, err := page(about, pages{which, in.MaxResults, in.NextToken}, summaries, func(s types.PodIdentityAssociationSummary) string { return *s.AssociationId })
	return &eks.ListPodIdentityAssociationsOutput{Associations: part, NextToken: next}, err
}

func (h *Handlers) updatePodIdentity(ctx context.Context, in *eks.UpdatePodIdentityAssociationInput) (*eks.UpdatePodIdentityAssociationOutput, error) {
	about := subject{cluster: *in.ClusterName}
	if in.RoleArn != nil {
		if err := h.podRole(ctx, about, *in.RoleArn); err != nil {
			return nil, err
		}
	}
	a, err := h.Backend.ChangePodIdentityAssociation(ctx, *in.ClusterName, *in.AssociationId, func(a *v1alpha1.PodIdentityAssociation) error {
		a.Spec.RoleARN = first(aws.ToString(in.RoleArn), a.Spec.RoleARN)
		if in.DisableSessionTags != nil {
			a.Spec.DisableSessionTags = *in.DisableSessionTags
		}
		if in.Policy != nil {
			a.Spec.Policy = *in.Policy
		}
		if in.TargetRoleArn != nil {
			h.target(a, *in.TargetRoleArn)
		}
		return nil
	})
	if err != nil {
		return nil, about.exception(err)
	}
	return &eks.UpdatePodIdentityAssociationOutput{Association: h.Site.PodIdentityAssociation(a)}, nil
}

func (h *Handlers) deletePodIdentity(ctx context.Context, in *eks.DeletePodIdentityAssociationInput) (*eks.DeletePodIdentityAssociationOutput, error) {
	a, err := h.Backend.DeletePodIdentityAssociation(ctx, *in.ClusterName, *in.AssociationId)
	if err != nil {
		return nil, subject{cluster: *in.ClusterName}.exception(err)
	}
	return &eks.DeletePodIdentityAssociationOutput{Association: h.Site.PodIdentityAssociation(a)}, nil
}
