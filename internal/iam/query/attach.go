package query

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"

	"naru.dev/naru/internal/iam"
)

func (h *handler) attachUserPolicy(ctx context.Context, _ iam.Caller, in *sdk.AttachUserPolicyInput) (*sdk.AttachUserPolicyOutput, error) {
	return &sdk.AttachUserPolicyOutput{}, h.attach(ctx, h.user(*in.UserName), *in.PolicyArn)
}

func (h *handler) detachUserPolicy(ctx context.Context, _ iam.Caller, in *sdk.DetachUserPolicyInput) (*sdk.DetachUserPolicyOutput, error) {
	return &sdk.DetachUserPolicyOutput{}, detach(ctx, h.user(*in.UserName), *in.PolicyArn)
}

func (h *handler) listAttachedUserPolicies(ctx context.Context, _ iam.Caller, in *sdk.ListAttachedUserPoliciesInput) (*sdk.ListAttachedUserPoliciesOutput, error) {
	list, more, marker, err := attached(ctx, h.user(*in.UserName), "ListAttachedUserPolicies", in.Marker, in.MaxItems)
	return &sdk.ListAttachedUserPoliciesOutput{AttachedPolicies: list, IsTruncated: more, Marker: marker}, err
}

func (h *handler) putUserPolicy(ctx context.Context, _ iam.Caller, in *sdk.PutUserPolicyInput) (*sdk.PutUserPolicyOutput, error) {
	return &sdk.PutUserPolicyOutput{}, putInline(ctx, h.user(*in.UserName), *in.PolicyName, *in.PolicyDocument)
}

func (h *handler) getUserPolicy(ctx context.Context, _ iam.Caller, in *sdk.GetUserPolicyInput) (*sdk.GetUserPolicyOutput, error) {
	document, err := getInline(ctx, h.user(*in.UserName), *in.PolicyName)
	return &sdk.GetUserPolicyOutput{UserName: in.UserName, PolicyName: aws.String(*in.PolicyName), PolicyDocument: document}, err
}

func (h *handler) deleteUserPolicy(ctx context.Context, _ iam.Caller, in *sdk.DeleteUserPolicyInput) (*sdk.DeleteUserPolicyOutput, error) {
	return &sdk.DeleteUserPolicyOutput{}, deleteInline(ctx, h.user(*in.UserName), *in.PolicyName)
}

func (h *handler) listUserPolicies(ctx context.Context, _ iam.Caller, in *sdk.ListUserPoliciesInput) (*sdk.ListUserPoliciesOutput, error) {
	names, more, marker, err := inlineNames(ctx, h.user(*in.UserName), "ListUserPolicies", in.Marker, in.MaxItems)
	return &sdk.ListUserPoliciesOutput{PolicyNames: names, IsTruncated: more, Marker: marker}, err
}

func (h *handler) putUserBoundary(ctx context.Context, _ iam.Caller, in *sdk.PutUserPermissionsBoundaryInput) (*sdk.PutUserPermissionsBoundaryOutput, error) {
	return &sdk.PutUserPermissionsBoundaryOutput{}, h.setBoundary(ctx, h.user(*in.UserName), *in.PermissionsBoundary)
}

func (h *handler) deleteUserBoundary(ctx context.Context, _ iam.Caller, in *sdk.DeleteUserPermissionsBoundaryInput) (*sdk.DeleteUserPermissionsBoundaryOutput, error) {
	return &sdk.DeleteUserPermissionsBoundaryOutput{}, removeBoundary(ctx, h.user(*in.UserName))
}

func (h *handler) attachRolePolicy(ctx context.Context, _ iam.Caller, in *sdk.AttachRolePolicyInput) (*sdk.AttachRolePolicyOutput, error) {
	return &sdk.AttachRolePolicyOutput{}, h.attach(ctx, h.role(*in.RoleName), *in.PolicyArn)
}

func (h *handler) detachRolePolicy(ctx context.Context, _ iam.Caller, in *sdk.DetachRolePolicyInput) (*sdk.DetachRolePolicyOutput, error) {
	return &sdk.DetachRolePolicyOutput{}, detach(ctx, h.role(*in.RoleName), *in.PolicyArn)
}

func (h *handler) listAttachedRolePolicies(ctx context.Context, _ iam.Caller, in *sdk.ListAttachedRolePoliciesInput) (*sdk.ListAttachedRolePoliciesOutput, error) {
	list, more, marker, err := attached(ctx, h.role(*in.RoleName), "ListAttachedRolePolicies", in.Marker, in.MaxItems)
	return &sdk.ListAttachedRolePoliciesOutput{AttachedPolicies: list, IsTruncated: more, Marker: marker}, err
}

func (h *handler) putRolePolicy(ctx context.Context, _ iam.Caller, in *sdk.PutRolePolicyInput) (*sdk.PutRolePolicyOutput, error) {
	return &sdk.PutRolePolicyOutput{}, putInline(ctx, h.role(*in.RoleName), *in.PolicyName, *in.PolicyDocument)
}

func (h *handler) getRolePolicy(ctx context.Context, _ iam.Caller, in *sdk.GetRolePolicyInput) (*sdk.GetRolePolicyOutput, error) {
	document, err := getInline(ctx, h.role(*in.RoleName), *in.PolicyName)
	return &sdk.GetRolePolicyOutput{RoleName: in.RoleName, PolicyName: aws.String(*in.PolicyName), PolicyDocument: document}, err
}

func (h *handler) deleteRolePolicy(ctx context.Context, _ iam.Caller, in *sdk.DeleteRolePolicyInput) (*sdk.DeleteRolePolicyOutput, error) {
	return &sdk.DeleteRolePolicyOutput{}, deleteInline(ctx, h.role(*in.RoleName), *in.PolicyName)
}

func (h *handler) listRolePolicies(ctx context.Context, _ iam.Caller, in *sdk.ListRolePoliciesInput) (*sdk.ListRolePoliciesOutput, error) {
	names, more, marker, err := inlineNames(ctx, h.role(*in.RoleName), "ListRolePolicies", in.Marker, in.MaxItems)
	return &sdk.ListRolePoliciesOutput{PolicyNames: names, IsTruncated: more, Marker: marker}, err
}

func (h *handler) putRoleBoundary(ctx context.Context, _ iam.Caller, in *sdk.PutRolePermissionsBoundaryInput) (*sdk.PutRolePermissionsBoundaryOutput, error) {
	return &sdk.PutRolePermissionsBoundaryOutput{}, h.setBoundary(ctx, h.role(*in.RoleName), *in.PermissionsBoundary)
}

func (h *handler) deleteRoleBoundary(ctx context.Context, _ iam.Caller, in *sdk.DeleteRolePermissionsBoundaryInput) (*sdk.DeleteRolePermissionsBoundaryOutput, error) {
	return &sdk.DeleteRolePermissionsBoundaryOutput{}, removeBoundary(ctx, h.role(*in.RoleName))
}
