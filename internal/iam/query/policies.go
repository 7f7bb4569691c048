package query

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/policy"
)

func (h *handler) policies() map[string]action {
	return map[string]action{
		"CreatePolicy":            act(h.createPolicy, "PolicyName", "PolicyDocument"),
		"GetPolicy":               act(h.getPolicy, "PolicyArn"),
		"ListPolicies":            act(h.listPolicies),
		"DeletePolicy":            act(h.deletePolicy, "PolicyArn"),
		"CreatePolicyVersion":     act(h.createPolicyVersion, "PolicyArn", "PolicyDocument"),
		"GetPolicyVersion":        act(h.getPolicyVersion, "PolicyArn", "VersionId"),
		"ListPolicyVersions":      act(h.listPolicyVersions, "PolicyArn"),
		"SetDefaultPolicyVersion": act(h.setDefaultPolicyVersion, "PolicyArn", "VersionId"),
		"DeletePolicyVersion":     act(h.deletePolicyVersion, "PolicyArn", "VersionId"),
		"ListEntitiesForPolicy":   act(h.listEntitiesForPolicy, "PolicyArn"),
		"TagPolicy":               act(h.tagPolicy, "PolicyArn", "Tags"),
		"UntagPolicy":             act(h.untagPolicy, "PolicyArn", "TagKeys"),
		"ListPolicyTags":          act(h.listPolicyTags, "PolicyArn"),
	}
}

// findPolicy reads a policy by its ARN. Those that come with Naru have the same shape; builtIn tells them.
func (h *handler) findPolicy(ctx context.Context, arn string) (found *v1alpha1.IAMPolicy, builtIn bool, err error) {
	if p, ok := h.managed[arn]; ok {
		object := &v1alpha1.IAMPolicy{}
		object.Spec.Name, object.Spec.Path, object.Spec.ID = p.Name, "/", iam.PolicyPrefix+strings.ToUpper(strings.ReplaceAll(p.Name, "_", ""))
		for i, text := range p.Versions {
			object.Spec.Versions = append(object.Spec.Versions, v1alpha1.IAMPolicyVersion{ID: "v" + strconv.Itoa(i+1), Document: text})
		}
		object.Spec.DefaultVersion, _ = p.Default()
		return object, true, nil
	}
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	object, err := h.Store.Policies.Get(ctx, name)
	if err == nil && iam.PolicyARN(h.account(), object.Spec.Path, object.Spec.Name) == arn {
		return object, false, nil
	}
	if known, ok := toError(err); err == nil || ok && known.Code == "NoSuchEntity" {
		return nil, false, noSuchEntity("Policy %s does not exist or is not attachable.", arn)
	}
	return nil, false, err
}

// ownPolicy is findPolicy for what is to be changed.
func (h *handler) ownPolicy(ctx context.Context, arn string) (*v1alpha1.IAMPolicy, error) {
	object, builtIn, err := h.findPolicy(ctx, arn)
	if builtIn {
		return nil, fault(403, "AccessDenied", "The policy %s comes with Naru and can't be changed", arn)
	}
	return object, err
}

func (h *handler) policyExists(ctx context.Context, arn string) error {
	_, _, err := h.findPolicy(ctx, arn)
	return err
}

func (h *handler) policyARN(p *v1alpha1.IAMPolicy) string {
	if arn := iam.PolicyARN("aws", p.Spec.Path, p.Spec.Name); h.managed[arn].ARN != "" && p.ResourceVersion == "" {
		return arn
	}
	return iam.PolicyARN(h.account(), p.Spec.Path, p.Spec.Name)
}

func (h *handler) toPolicy(ctx context.Context, p *v1alpha1.IAMPolicy) (*types.Policy, error) {
	arn := h.policyARN(p)
	users, roles, err := h.entities(ctx, arn)
	if err != nil {
		return nil, err
	}
	shape := &types.Policy{
		Arn: aws.String(arn), AttachmentCount: aws.Int32(int32(len(users) + len(roles))), CreateDate: created(p), DefaultVersionId: aws.String(p.Spec.DefaultVersion),
		IsAttachable: true, Path: aws.String(p.Spec.Path), PermissionsBoundaryUsageCount: aws.Int32(0), PolicyId: aws.String(p.Spec.ID),
		PolicyName: aws.String(p.Spec.Name), UpdateDate: created(p), Tags: toTags(p.Spec.Tags),
	}
	if last := len(p.Spec.Versions) - 1; last >= 0 && !p.Spec.Versions[last].CreatedAt.IsZero() {
		shape.UpdateDate = aws.Time(p.Spec.Versions[last].CreatedAt.UTC())
	}
	if p.Spec.Description != "" {
		shape.Description = aws.String(p.Spec.Description)
	}
	return shape, nil
}

func (h *handler) createPolicy(ctx context.Context, _ iam.Caller, in *sdk.CreatePolicyInput) (*sdk.CreatePolicyOutput, error) {
	id, err := identity("policyName", *in.PolicyName, in.Path, 128, in.Tags)
	if err != nil {
		return nil, err
	}
	if err := checkDocument(policy.Identity, *in.PolicyDocument, maxManaged); err != nil {
		return nil, err
	}
	object := &v1alpha1.IAMPolicy{}
	object.Spec = v1alpha1.IAMPolicySpec{
		IAMIdentity: newID(id, iam.PolicyPrefix), Description: aws.ToString(in.Description), DefaultVersion: "v1", LastVersion: 1,
		Versions: []v1alpha1.IAMPolicyVersion{{ID: "v1", Document: *in.PolicyDocument, CreatedAt: metav1.NewTime(h.now())}},
	}
	if err := h.Store.Policies.Create(ctx, object); err != nil {
		return nil, err
	}
	shape, err := h.toPolicy(ctx, object)
	return &sdk.CreatePolicyOutput{Policy: shape}, err
}

func (h *handler) getPolicy(ctx context.Context, _ iam.Caller, in *sdk.GetPolicyInput) (*sdk.GetPolicyOutput, error) {
	object, _, err := h.findPolicy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	shape, err := h.toPolicy(ctx, object)
	return &sdk.GetPolicyOutput{Policy: shape}, err
}

func (h *handler) listPolicies(ctx context.Context, _ iam.Caller, in *sdk.ListPoliciesInput) (*sdk.ListPoliciesOutput, error) {
	all := []*v1alpha1.IAMPolicy{}
	if in.Scope != types.PolicyScopeTypeAws {
		own, err := h.Store.Policies.List(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, own...)
	}
	if in.Scope != types.PolicyScopeTypeLocal {
		for arn := range h.managed {
			object, _, err := h.findPolicy(ctx, arn)
			if err != nil {
				return nil, err
			}
			all = append(all, object)
		}
	}
	list := []types.Policy{}
	for _, object := range all {
		shape, err := h.toPolicy(ctx, object)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(*shape.Path, aws.ToString(in.PathPrefix)) && !(in.OnlyAttached && *shape.AttachmentCount == 0) {
			shape.Tags, shape.Description = nil, nil // GetPolicy has them
			list = append(list, *shape)
		}
	}
	slices.SortFunc(list, func(a, b types.Policy) int { return strings.Compare(*a.Arn, *b.Arn) })
	list, more, marker, err := page("ListPolicies", list, func(p types.Policy) string { return *p.Arn }, in.Marker, in.MaxItems)
	return &sdk.ListPoliciesOutput{Policies: list, IsTruncated: more, Marker: marker}, err
}

func (h *handler) deletePolicy(ctx context.Context, _ iam.Caller, in *sdk.DeletePolicyInput) (*sdk.DeletePolicyOutput, error) {
	object, err := h.ownPolicy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	users, roles, err := h.entities(ctx, *in.PolicyArn)
	switch {
	case err != nil:
		return nil, err
	case len(users)+len(roles) > 0:
		return nil, deleteConflict("Cannot delete a policy attached to entities.")
	case len(object.Spec.Versions) > 1:
		return nil, deleteConflict("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
	}
	return &sdk.DeletePolicyOutput{}, h.Store.Policies.Delete(ctx, object.Spec.Name)
}

func (h *handler) tagPolicy(ctx context.Context, _ iam.Caller, in *sdk.TagPolicyInput) (*sdk.TagPolicyOutput, error) {
	return &sdk.TagPolicyOutput{}, h.changePolicy(ctx, *in.PolicyArn, func(p *v1alpha1.IAMPolicy) (err error) {
		p.Spec.Tags, err = addTags(p.Spec.Tags, in.Tags)
		return err
	})
}

func (h *handler) untagPolicy(ctx context.Context, _ iam.Caller, in *sdk.UntagPolicyInput) (*sdk.UntagPolicyOutput, error) {
	return &sdk.UntagPolicyOutput{}, h.changePolicy(ctx, *in.PolicyArn, func(p *v1alpha1.IAMPolicy) error { removeTags(p.Spec.Tags, in.TagKeys); return nil })
}

func (h *handler) listPolicyTags(ctx context.Context, _ iam.Caller, in *sdk.ListPolicyTagsInput) (*sdk.ListPolicyTagsOutput, error) {
	object, _, err := h.findPolicy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	return &sdk.ListPolicyTagsOutput{Tags: toTags(object.Spec.Tags)}, nil
}

func (h *handler) changePolicy(ctx context.Context, arn string, change func(*v1alpha1.IAMPolicy) error) error {
	object, err := h.ownPolicy(ctx, arn)
	if err != nil {
		return err
	}
	_, err = h.Store.Policies.Update(ctx, object.Spec.Name, change)
	return err
}
