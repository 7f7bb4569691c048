package query

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
)

func (h *handler) profiles() map[string]action {
	return map[string]action{
		"CreateInstanceProfile":         act(h.createInstanceProfile, "InstanceProfileName"),
		"GetInstanceProfile":            act(h.getInstanceProfile, "InstanceProfileName"),
		"ListInstanceProfiles":          act(h.listInstanceProfiles),
		"DeleteInstanceProfile":         act(h.deleteInstanceProfile, "InstanceProfileName"),
		"AddRoleToInstanceProfile":      act(h.addRole, "InstanceProfileName", "RoleName"),
		"RemoveRoleFromInstanceProfile": act(h.removeRole, "InstanceProfileName", "RoleName"),
		"TagInstanceProfile":            act(h.tagInstanceProfile, "InstanceProfileName", "Tags"),
		"UntagInstanceProfile":          act(h.untagInstanceProfile, "InstanceProfileName", "TagKeys"),
		"ListInstanceProfileTags":       act(h.listInstanceProfileTags, "InstanceProfileName"),
	}
}

func (h *handler) toProfile(ctx context.Context, p *v1alpha1.IAMInstanceProfile) (*types.InstanceProfile, error) {
	shape := &types.InstanceProfile{
		Arn: aws.String(iam.InstanceProfileARN(h.account(), p.Spec.Path, p.Spec.Name)), CreateDate: created(p), InstanceProfileId: aws.String(p.Spec.ID),
		InstanceProfileName: aws.String(p.Spec.Name), Path: aws.String(p.Spec.Path), Roles: []types.Role{}, Tags: toTags(p.Spec.Tags),
	}
	for _, name := range p.Spec.Roles {
		role, err := h.Store.Roles.Get(ctx, name)
		if err != nil {
			return nil, err
		}
		shape.Roles = append(shape.Roles, *h.toRole(role))
	}
	return shape, nil
}

func (h *handler) profilesOf(ctx context.Context, role string) ([]types.InstanceProfile, error) {
	all, err := h.Store.Profiles.List(ctx)
	if err != nil {
		return nil, err
	}
	list := []types.InstanceProfile{}
	for _, profile := range all {
		if !slices.ContainsFunc(profile.Spec.Roles, func(name string) bool { return strings.EqualFold(name, role) }) {
			continue
		}
		shape, err := h.toProfile(ctx, profile)
		if err != nil {
			return nil, err
		}
		list = append(list, *shape)
	}
	return list, nil
}

func (h *handler) createInstanceProfile(ctx context.Context, _ iam.Caller, in *sdk.CreateInstanceProfileInput) (*sdk.CreateInstanceProfileOutput, error) {
	id, err := identity("instanceProfileName", *in.InstanceProfileName, in.Path, 128, in.Tags)
	if err != nil {
		return nil, err
	}
	profile := &v1alpha1.IAMInstanceProfile{}
	profile.Spec.IAMIdentity = newID(id, iam.InstanceProfilePrefix)
	if err := h.Store.Profiles.Create(ctx, profile); err != nil {
		return nil, err
	}
	shape, err := h.toProfile(ctx, profile)
	return &sdk.CreateInstanceProfileOutput{InstanceProfile: shape}, err
}

func (h *handler) getInstanceProfile(ctx context.Context, _ iam.Caller, in *sdk.GetInstanceProfileInput) (*sdk.GetInstanceProfileOutput, error) {
	profile, err := h.Store.Profiles.Get(ctx, *in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	shape, err := h.toProfile(ctx, profile)
	return &sdk.GetInstanceProfileOutput{InstanceProfile: shape}, err
}

func (h *handler) listInstanceProfiles(ctx context.Context, _ iam.Caller, in *sdk.ListInstanceProfilesInput) (*sdk.ListInstanceProfilesOutput, error) {
	all, err := h.Store.Profiles.List(ctx)
	if err != nil {
		return nil, err
	}
	list := []types.InstanceProfile{}
	for _, profile := range all {
		if !strings.HasPrefix(profile.Spec.Path, aws.ToString(in.PathPrefix)) {
			continue
		}
		shape, err := h.toProfile(ctx, profile)
		if err != nil {
			return nil, err
		}
		shape.Tags = nil // GetInstanceProfile has them
		list = append(list, *shape)
	}
	list, more, marker, err := page("ListInstanceProfiles", list, func(p types.InstanceProfile) string { return *p.InstanceProfileName }, in.Marker, in.MaxItems)
	return &sdk.ListInstanceProfilesOutput{InstanceProfiles: list, IsTruncated: more, Marker: marker}, err
}

func (h *handler) deleteInstanceProfile(ctx context.Context, _ iam.Caller, in *sdk.DeleteInstanceProfileInput) (*sdk.DeleteInstanceProfileOutput, error) {
	profile, err := h.Store.Profiles.Get(ctx, *in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	if len(profile.Spec.Roles) > 0 {
		return nil, deleteConflict("Cannot delete entity, must remove roles from instance profile first.")
	}
	return &sdk.DeleteInstanceProfileOutput{}, h.Store.Profiles.Delete(ctx, profile.Spec.Name)
}

func (h *handler) addRole(ctx context.Context, _ iam.Caller, in *sdk.AddRoleToInstanceProfileInput) (*sdk.AddRoleToInstanceProfileOutput, error) {
	role, err := h.Store.Roles.Get(ctx, *in.RoleName)
	if err != nil {
		return nil, err
	}
	_, err = h.Store.Profiles.Update(ctx, *in.InstanceProfileName, func(p *v1alpha1.IAMInstanceProfile) error {
		if len(p.Spec.Roles) > 0 {
			return limitExceeded("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
		}
		p.Spec.Roles = []string{role.Spec.Name}
		return nil
	})
	return &sdk.AddRoleToInstanceProfileOutput{}, err
}

func (h *handler) removeRole(ctx context.Context, _ iam.Caller, in *sdk.RemoveRoleFromInstanceProfileInput) (*sdk.RemoveRoleFromInstanceProfileOutput, error) {
	_, err := h.Store.Profiles.Update(ctx, *in.InstanceProfileName, func(p *v1alpha1.IAMInstanceProfile) error {
		i := slices.IndexFunc(p.Spec.Roles, func(name string) bool { return strings.EqualFold(name, *in.RoleName) })
		if i < 0 {
			return noSuchEntity("Role %s is not in instance profile %s.", *in.RoleName, *in.InstanceProfileName)
		}
		p.Spec.Roles = slices.Delete(p.Spec.Roles, i, i+1)
		return nil
	})
	return &sdk.RemoveRoleFromInstanceProfileOutput{}, err
}

func (h *handler) tagInstanceProfile(ctx context.Context, _ iam.Caller, in *sdk.TagInstanceProfileInput) (*sdk.TagInstanceProfileOutput, error) {
	_, err := h.Store.Profiles.Update(ctx, *in.InstanceProfileName, func(p *v1alpha1.IAMInstanceProfile) (err error) {
		p.Spec.Tags, err = addTags(p.Spec.Tags, in.Tags)
		return err
	})
	return &sdk.TagInstanceProfileOutput{}, err
}

func (h *handler) untagInstanceProfile(ctx context.Context, _ iam.Caller, in *sdk.UntagInstanceProfileInput) (*sdk.UntagInstanceProfileOutput, error) {
	_, err := h.Store.Profiles.Update(ctx, *in.InstanceProfileName, func(p *v1alpha1.IAMInstanceProfile) error { removeTags(p.Spec.Tags, in.TagKeys); return nil })
	return &sdk.UntagInstanceProfileOutput{}, err
}

func (h *handler) listInstanceProfileTags(ctx context.Context, _ iam.Caller, in *sdk.ListInstanceProfileTagsInput) (*sdk.ListInstanceProfileTagsOutput, error) {
	profile, err := h.Store.Profiles.Get(ctx, *in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	return &sdk.ListInstanceProfileTagsOutput{Tags: toTags(profile.Spec.Tags)}, nil
}
