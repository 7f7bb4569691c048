package query

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/policy"
)

func (h *handler) roles() map[string]action {
	return map[string]action{
		"CreateRole":                  act(h.createRole, "RoleName", "AssumeRolePolicyDocument"),
		"GetRole":                     act(h.getRole, "RoleName"),
		"ListRoles":                   act(h.listRoles),
		"UpdateRole":                  act(h.updateRole, "RoleName"),
		"UpdateRoleDescription":       act(h.updateRoleDescription, "RoleName"),
		"UpdateAssumeRolePolicy":      act(h.updateAssumeRolePolicy, "RoleName", "PolicyDocument"),
		"DeleteRole":                  act(h.deleteRole, "RoleName"),
		"TagRole":                     act(h.tagRole, "RoleName", "Tags"),
		"UntagRole":                   act(h.untagRole, "RoleName", "TagKeys"),
		"ListRoleTags":                act(h.listRoleTags, "RoleName"),
		"ListInstanceProfilesForRole": act(h.listInstanceProfilesForRole, "RoleName"),
	}
}

func (h *handler) toRole(r *v1alpha1.IAMRole) *types.Role {
	role := &types.Role{
		Arn: aws.String(iam.RoleARN(h.account(), r.Spec.Path, r.Spec.Name)), CreateDate: created(r), Path: aws.String(r.Spec.Path),
		RoleId: aws.String(r.Spec.ID), RoleName: aws.String(r.Spec.Name), AssumeRolePolicyDocument: escapeDocument(r.Spec.TrustPolicy),
		MaxSessionDuration: aws.Int32(r.Spec.MaxSessionSeconds), PermissionsBoundary: boundary(r.Spec.PermissionsBoundary), Tags: toTags(r.Spec.Tags),
		RoleLastUsed: &types.RoleLastUsed{},
	}
	if r.Spec.Description != "" {
		role.Description = aws.String(r.Spec.Description)
	}
	return role
}

// sessionSeconds is how long sessions may last; an hour where nothing is asked for.
func sessionSeconds(asked *int32) (int32, error) {
	if asked == nil {
		return 3600, nil
	}
	if *asked < 3600 || *asked > 43200 {
		return 0, validation("1 validation error detected: Value '%d' at 'maxSessionDuration' failed to satisfy constraint: Member must have value between 3600 and 43200", *asked)
	}
	return *asked, nil
}

func (h *handler) createRole(ctx context.Context, _ iam.Caller, in *sdk.CreateRoleInput) (*sdk.CreateRoleOutput, error) {
	id, err := identity("roleName", *in.RoleName, in.Path, 64, in.Tags)
	if err != nil {
		return nil, err
	}
	if err := checkDocument(policy.Trust, *in.AssumeRolePolicyDocument, maxTrust); err != nil {
		return nil, err
	}
	role := &v1alpha1.IAMRole{}
	role.Spec = v1alpha1.IAMRoleSpec{IAMIdentity: newID(id, iam.RolePrefix), TrustPolicy: *in.AssumeRolePolicyDocument, Description: aws.ToString(in.Description)}
	if role.Spec.MaxSessionSeconds, err = sessionSeconds(in.MaxSessionDuration); err != nil {
		return nil, err
	}
	if len(role.Spec.Description) > 1000 {
		return nil, validation("1 validation error detected: Value at 'description' failed to satisfy constraint: Member must have length less than or equal to 1000")
	}
	if role.Spec.PermissionsBoundary = aws.ToString(in.PermissionsBoundary); role.Spec.PermissionsBoundary != "" {
		if err := h.policyExists(ctx, role.Spec.PermissionsBoundary); err != nil {
			return nil, err
		}
	}
	if err := h.Store.Roles.Create(ctx, role); err != nil {
		return nil, err
	}
	return &sdk.CreateRoleOutput{Role: h.toRole(role)}, nil
}

func (h *handler) getRole(ctx context.Context, _ iam.Caller, in *sdk.GetRoleInput) (*sdk.GetRoleOutput, error) {
	role, err := h.Store.Roles.Get(ctx, *in.RoleName)
	if err != nil {
		return nil, err
	}
	return &sdk.GetRoleOutput{Role: h.toRole(role)}, nil
}

func (h *handler) listRoles(ctx context.Context, _ iam.Caller, in *sdk.ListRolesInput) (*sdk.ListRolesOutput, error) {
	all, err := h.Store.Roles.List(ctx)
	if err != nil {
		return nil, err
	}
	roles := []types.Role{}
	for _, role := range all {
		if strings.HasPrefix(role.Spec.Path, aws.ToString(in.PathPrefix)) {
			shape := h.toRole(role)
			shape.Tags, shape.PermissionsBoundary, shape.RoleLastUsed = nil, nil, nil // GetRole has them
			roles = append(roles, *shape)
		}
	}
	roles, more, marker, err := page("ListRoles", roles, func(r types.Role) string { return *r.RoleName }, in.Marker, in.MaxItems)
	return &sdk.ListRolesOutput{Roles: roles, IsTruncated: more, Marker: marker}, err
}

func (h *handler) updateRole(ctx context.Context, _ iam.Caller, in *sdk.UpdateRoleInput) (*sdk.UpdateRoleOutput, error) {
	seconds, err := sessionSeconds(in.MaxSessionDuration)
	if err != nil {
		return nil, err
	}
	_, err = h.Store.Roles.Update(ctx, *in.RoleName, func(r *v1alpha1.IAMRole) error {
		if in.Description != nil {
			r.Spec.Description = *in.Description
		}
		if in.MaxSessionDuration != nil {
			r.Spec.MaxSessionSeconds = seconds
		}
		return nil
	})
	return &sdk.UpdateRoleOutput{}, err
}

func (h *handler) updateRoleDescription(ctx context.Context, _ iam.Caller, in *sdk.UpdateRoleDescriptionInput) (*sdk.UpdateRoleDescriptionOutput, error) {
	role, err := h.Store.Roles.Update(ctx, *in.RoleName, func(r *v1alpha1.IAMRole) error { r.Spec.Description = aws.ToString(in.Description); return nil })
	if err != nil {
		return nil, err
	}
	return &sdk.UpdateRoleDescriptionOutput{Role: h.toRole(role)}, nil
}

func (h *handler) updateAssumeRolePolicy(ctx context.Context, _ iam.Caller, in *sdk.UpdateAssumeRolePolicyInput) (*sdk.UpdateAssumeRolePolicyOutput, error) {
	if err := checkDocument(policy.Trust, *in.PolicyDocument, maxTrust); err != nil {
		return nil, err
	}
	_, err := h.Store.Roles.Update(ctx, *in.RoleName, func(r *v1alpha1.IAMRole) error { r.Spec.TrustPolicy = *in.PolicyDocument; return nil })
	return &sdk.UpdateAssumeRolePolicyOutput{}, err
}

func (h *handler) deleteRole(ctx context.Context, _ iam.Caller, in *sdk.DeleteRoleInput) (*sdk.DeleteRoleOutput, error) {
	role, err := h.Store.Roles.Get(ctx, *in.RoleName)
	if err != nil {
		return nil, err
	}
	profiles, err := h.profilesOf(ctx, role.Spec.Name)
	switch {
	case err != nil:
		return nil, err
	case len(profiles) > 0:
		return nil, deleteConflict("Cannot delete entity, must remove roles from instance profile first.")
	case len(role.Spec.AttachedPolicies) > 0:
		return nil, deleteConflict("Cannot delete entity, must detach all policies first.")
	case len(role.Spec.InlinePolicies) > 0:
		return nil, deleteConflict("Cannot delete entity, must delete policies first.")
	}
	return &sdk.DeleteRoleOutput{}, h.Store.Roles.Delete(ctx, role.Spec.Name)
}

func (h *handler) tagRole(ctx context.Context, _ iam.Caller, in *sdk.TagRoleInput) (*sdk.TagRoleOutput, error) {
	_, err := h.Store.Roles.Update(ctx, *in.RoleName, func(r *v1alpha1.IAMRole) (err error) {
		r.Spec.Tags, err = addTags(r.Spec.Tags, in.Tags)
		return err
	})
	return &sdk.TagRoleOutput{}, err
}

func (h *handler) untagRole(ctx context.Context, _ iam.Caller, in *sdk.UntagRoleInput) (*sdk.UntagRoleOutput, error) {
	_, err := h.Store.Roles.Update(ctx, *in.RoleName, func(r *v1alpha1.IAMRole) error { removeTags(r.Spec.Tags, in.TagKeys); return nil })
	return &sdk.UntagRoleOutput{}, err
}

func (h *handler) listRoleTags(ctx context.Context, _ iam.Caller, in *sdk.ListRoleTagsInput) (*sdk.ListRoleTagsOutput, error) {
	role, err := h.Store.Roles.Get(ctx, *in.RoleName)
	if err != nil {
		return nil, err
	}
	return &sdk.ListRoleTagsOutput{Tags: toTags(role.Spec.Tags)}, nil
}

func (h *handler) listInstanceProfilesForRole(ctx context.Context, _ iam.Caller, in *sdk.ListInstanceProfilesForRoleInput) (*sdk.ListInstanceProfilesForRoleOutput, error) {
	if _, err := h.Store.Roles.Get(ctx, *in.RoleName); err != nil {
		return nil, err
	}
	profiles, err := h.profilesOf(ctx, *in.RoleName)
	if err != nil {
		return nil, err
	}
	return &sdk.ListInstanceProfilesForRoleOutput{InstanceProfiles: profiles}, nil
}
