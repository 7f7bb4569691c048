package query

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
)

func (h *handler) users() map[string]action {
	return map[string]action{
		"CreateUser":        act(h.createUser, "UserName"),
		"GetUser":           act(h.getUser, "UserName"),
		"ListUsers":         act(h.listUsers),
		"UpdateUser":        act(h.updateUser, "UserName"),
		"DeleteUser":        act(h.deleteUser, "UserName"),
		"TagUser":           act(h.tagUser, "UserName", "Tags"),
		"UntagUser":         act(h.untagUser, "UserName", "TagKeys"),
		"ListUserTags":      act(h.listUserTags, "UserName"),
		"ListGroupsForUser": act(h.listGroupsForUser, "UserName"),
	}
}

func (h *handler) toUser(u *v1alpha1.IAMUser) *types.User {
	return &types.User{
		Arn: aws.String(iam.UserARN(h.account(), u.Spec.Path, u.Spec.Name)), CreateDate: created(u), Path: aws.String(u.Spec.Path),
		UserId: aws.String(u.Spec.ID), UserName: aws.String(u.Spec.Name), PermissionsBoundary: boundary(u.Spec.PermissionsBoundary), Tags: toTags(u.Spec.Tags),
	}
}

func (h *handler) createUser(ctx context.Context, _ iam.Caller, in *sdk.CreateUserInput) (*sdk.CreateUserOutput, error) {
	id, err := identity("userName", *in.UserName, in.Path, 64, in.Tags)
	if err != nil {
		return nil, err
	}
	user := &v1alpha1.IAMUser{}
	user.Spec.IAMIdentity = newID(id, iam.UserPrefix)
	if user.Spec.PermissionsBoundary = aws.ToString(in.PermissionsBoundary); user.Spec.PermissionsBoundary != "" {
		if err := h.policyExists(ctx, user.Spec.PermissionsBoundary); err != nil {
			return nil, err
		}
	}
	if err := h.Store.Users.Create(ctx, user); err != nil {
		return nil, err
	}
	return &sdk.CreateUserOutput{User: h.toUser(user)}, nil
}

func (h *handler) getUser(ctx context.Context, _ iam.Caller, in *sdk.GetUserInput) (*sdk.GetUserOutput, error) {
	user, err := h.Store.Users.Get(ctx, *in.UserName)
	if err != nil {
		return nil, err
	}
	return &sdk.GetUserOutput{User: h.toUser(user)}, nil
}

func (h *handler) listUsers(ctx context.Context, _ iam.Caller, in *sdk.ListUsersInput) (*sdk.ListUsersOutput, error) {
	all, err := h.Store.Users.List(ctx)
	if err != nil {
		return nil, err
	}
	users := []types.User{}
	for _, user := range all {
		if strings.HasPrefix(user.Spec.Path, aws.ToString(in.PathPrefix)) {
			shape := h.toUser(user)
			shape.Tags, shape.PermissionsBoundary = nil, nil // GetUser has them
			users = append(users, *shape)
		}
	}
	users, more, marker, err := page("ListUsers", users, func(u types.User) string { return *u.UserName }, in.Marker, in.MaxItems)
	return &sdk.ListUsersOutput{Users: users, IsTruncated: more, Marker: marker}, err
}

// updateUser changes the path. A name is what access entries and objects refer to: it stays.
func (h *handler) updateUser(ctx context.Context, _ iam.Caller, in *sdk.UpdateUserInput) (*sdk.UpdateUserOutput, error) {
	if in.NewUserName != nil && !strings.EqualFold(*in.NewUserName, *in.UserName) {
		return nil, fault(400, "InvalidInput", "A user can't be renamed: create user %s and delete %s", *in.NewUserName, *in.UserName)
	}
	if in.NewPath != nil && (!pathPattern.MatchString(*in.NewPath) || len(*in.NewPath) > 512) {
		return nil, validation("The specified value for newPath is invalid. It must begin and end with /.")
	}
	_, err := h.Store.Users.Update(ctx, *in.UserName, func(u *v1alpha1.IAMUser) error {
		if in.NewPath != nil {
			u.Spec.Path = *in.NewPath
		}
		return nil
	})
	return &sdk.UpdateUserOutput{}, err
}

func (h *handler) deleteUser(ctx context.Context, _ iam.Caller, in *sdk.DeleteUserInput) (*sdk.DeleteUserOutput, error) {
	user, err := h.Store.Users.Get(ctx, *in.UserName)
	if err != nil {
		return nil, err
	}
	keys, err := h.keysOf(ctx, user)
	switch {
	case err != nil:
		return nil, err
	case len(keys) > 0:
		return nil, deleteConflict("Cannot delete entity, must delete access keys first.")
	case len(user.Spec.AttachedPolicies) > 0:
		return nil, deleteConflict("Cannot delete entity, must detach all policies first.")
	case len(user.Spec.InlinePolicies) > 0:
		return nil, deleteConflict("Cannot delete entity, must delete policies first.")
	}
	return &sdk.DeleteUserOutput{}, h.Store.Users.Delete(ctx, user.Spec.Name)
}

func (h *handler) tagUser(ctx context.Context, _ iam.Caller, in *sdk.TagUserInput) (*sdk.TagUserOutput, error) {
	_, err := h.Store.Users.Update(ctx, *in.UserName, func(u *v1alpha1.IAMUser) (err error) {
		u.Spec.Tags, err = addTags(u.Spec.Tags, in.Tags)
		return err
	})
	return &sdk.TagUserOutput{}, err
}

func (h *handler) untagUser(ctx context.Context, _ iam.Caller, in *sdk.UntagUserInput) (*sdk.UntagUserOutput, error) {
	_, err := h.Store.Users.Update(ctx, *in.UserName, func(u *v1alpha1.IAMUser) error { removeTags(u.Spec.Tags, in.TagKeys); return nil })
	return &sdk.UntagUserOutput{}, err
}

func (h *handler) listUserTags(ctx context.Context, _ iam.Caller, in *sdk.ListUserTagsInput) (*sdk.ListUserTagsOutput, error) {
	user, err := h.Store.Users.Get(ctx, *in.UserName)
	if err != nil {
		return nil, err
	}
	return &sdk.ListUserTagsOutput{Tags: toTags(user.Spec.Tags)}, nil
}

// listGroupsForUser is empty: there are no groups, and who deletes a user asks for them.
func (h *handler) listGroupsForUser(ctx context.Context, _ iam.Caller, in *sdk.ListGroupsForUserInput) (*sdk.ListGroupsForUserOutput, error) {
	_, err := h.Store.Users.Get(ctx, *in.UserName)
	return &sdk.ListGroupsForUserOutput{Groups: []types.Group{}}, err
}
