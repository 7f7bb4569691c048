package query

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/policy"
)

func (h *handler) attachments() map[string]action {
	return map[string]action{
		"AttachUserPolicy":              act(h.attachUserPolicy, "UserName", "PolicyArn"),
		"DetachUserPolicy":              act(h.detachUserPolicy, "UserName", "PolicyArn"),
		"ListAttachedUserPolicies":      act(h.listAttachedUserPolicies, "UserName"),
		"PutUserPolicy":                 act(h.putUserPolicy, "UserName", "PolicyName", "PolicyDocument"),
		"GetUserPolicy":                 act(h.getUserPolicy, "UserName", "PolicyName"),
		"DeleteUserPolicy":              act(h.deleteUserPolicy, "UserName", "PolicyName"),
		"ListUserPolicies":              act(h.listUserPolicies, "UserName"),
		"PutUserPermissionsBoundary":    act(h.putUserBoundary, "UserName", "PermissionsBoundary"),
		"DeleteUserPermissionsBoundary": act(h.deleteUserBoundary, "UserName"),
		"AttachRolePolicy":              act(h.attachRolePolicy, "RoleName", "PolicyArn"),
		"DetachRolePolicy":              act(h.detachRolePolicy, "RoleName", "PolicyArn"),
		"ListAttachedRolePolicies":      act(h.listAttachedRolePolicies, "RoleName"),
		"PutRolePolicy":                 act(h.putRolePolicy, "RoleName", "PolicyName", "PolicyDocument"),
		"GetRolePolicy":                 act(h.getRolePolicy, "RoleName", "PolicyName"),
		"DeleteRolePolicy":              act(h.deleteRolePolicy, "RoleName", "PolicyName"),
		"ListRolePolicies":              act(h.listRolePolicies, "RoleName"),
		"PutRolePermissionsBoundary":    act(h.putRoleBoundary, "RoleName", "PermissionsBoundary"),
		"DeleteRolePermissionsBoundary": act(h.deleteRoleBoundary, "RoleName"),
	}
}

// owner is a user or a role as the owner of policies.
type owner struct {
	get    func(ctx context.Context) (v1alpha1.IAMPolicies, error)
	change func(ctx context.Context, change func(*v1alpha1.IAMPolicies) error) error
	// quota of all inline policies together.
	quota int
}

func (h *handler) user(name string) owner {
	return owner{quota: maxInlineUser,
		get: func(ctx context.Context) (v1alpha1.IAMPolicies, error) {
			user, err := h.Store.Users.Get(ctx, name)
			if err != nil {
				return v1alpha1.IAMPolicies{}, err
			}
			return user.Spec.IAMPolicies, nil
		},
		change: func(ctx context.Context, change func(*v1alpha1.IAMPolicies) error) error {
			_, err := h.Store.Users.Update(ctx, name, func(u *v1alpha1.IAMUser) error { return change(&u.Spec.IAMPolicies) })
			return err
		}}
}

func (h *handler) role(name string) owner {
	return owner{quota: maxInlineRole,
		get: func(ctx context.Context) (v1alpha1.IAMPolicies, error) {
			role, err := h.Store.Roles.Get(ctx, name)
			if err != nil {
				return v1alpha1.IAMPolicies{}, err
			}
			return role.Spec.IAMPolicies, nil
		},
		change: func(ctx context.Context, change func(*v1alpha1.IAMPolicies) error) error {
			_, err := h.Store.Roles.Update(ctx, name, func(r *v1alpha1.IAMRole) error { return change(&r.Spec.IAMPolicies) })
			return err
		}}
}

func (h *handler) attach(ctx context.Context, o owner, arn string) error {
	if err := h.policyExists(ctx, arn); err != nil {
		return err
	}
	return o.change(ctx, func(p *v1alpha1.IAMPolicies) error {
		if slices.Contains(p.AttachedPolicies, arn) {
			return nil
		}
		if len(p.AttachedPolicies) >= maxAttached {
			return limitExceeded("Cannot exceed quota for PoliciesPerPrincipal: %d", maxAttached)
		}
		p.AttachedPolicies = append(p.AttachedPolicies, arn)
		return nil
	})
}

func detach(ctx context.Context, o owner, arn string) error {
	return o.change(ctx, func(p *v1alpha1.IAMPolicies) error {
		i := slices.Index(p.AttachedPolicies, arn)
		if i < 0 {
			return noSuchEntity("Policy %s was not found.", arn)
		}
		p.AttachedPolicies = slices.Delete(p.AttachedPolicies, i, i+1)
		return nil
	})
}

// attached lists what a principal has attached. One that does not exist any more is listed as well: it can be detached.
func attached(ctx context.Context, o owner, action string, marker *string, maxItems *int32) ([]types.AttachedPolicy, bool, *string, error) {
	own, err := o.get(ctx)
	if err != nil {
		return nil, false, nil, err
	}
	list := []types.AttachedPolicy{}
	for _, arn := range slices.Sorted(slices.Values(own.AttachedPolicies)) {
		list = append(list, types.AttachedPolicy{PolicyArn: aws.String(arn), PolicyName: aws.String(baseName(arn))})
	}
	return page(action, list, func(p types.AttachedPolicy) string { return *p.PolicyArn }, marker, maxItems)
}

func putInline(ctx context.Context, o owner, name, document string) error {
	if !namePattern.MatchString(name) || len(name) > 128 {
		return validation("The specified value for policyName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-")
	}
	if err := checkDocument(policy.Identity, document, o.quota); err != nil {
		return err
	}
	return o.change(ctx, func(p *v1alpha1.IAMPolicies) error {
		if p.InlinePolicies == nil {
			p.InlinePolicies = map[string]string{}
		}
		p.InlinePolicies[name] = document
		total := 0
		for _, text := range p.InlinePolicies {
			total += policy.Size(text)
		}
		if total > o.quota {
			return limitExceeded("Maximum policy size of %d bytes exceeded", o.quota)
		}
		return nil
	})
}

func getInline(ctx context.Context, o owner, name string) (*string, error) {
	own, err := o.get(ctx)
	if err != nil {
		return nil, err
	}
	text, ok := own.InlinePolicies[name]
	if !ok {
		return nil, noSuchEntity("The policy with name %s cannot be found.", name)
	}
	return escapeDocument(text), nil
}

func deleteInline(ctx context.Context, o owner, name string) error {
	return o.change(ctx, func(p *v1alpha1.IAMPolicies) error {
		if _, ok := p.InlinePolicies[name]; !ok {
			return noSuchEntity("The policy with name %s cannot be found.", name)
		}
		delete(p.InlinePolicies, name)
		return nil
	})
}

func inlineNames(ctx context.Context, o owner, action string, marker *string, maxItems *int32) ([]string, bool, *string, error) {
	own, err := o.get(ctx)
	if err != nil {
		return nil, false, nil, err
	}
	names := slices.AppendSeq([]string{}, maps.Keys(own.InlinePolicies))
	slices.Sort(names)
	return page(action, names, func(name string) string { return name }, marker, maxItems)
}

func (h *handler) setBoundary(ctx context.Context, o owner, arn string) error {
	if err := h.policyExists(ctx, arn); err != nil {
		return err
	}
	return o.change(ctx, func(p *v1alpha1.IAMPolicies) error { p.PermissionsBoundary = arn; return nil })
}

func removeBoundary(ctx context.Context, o owner) error {
	return o.change(ctx, func(p *v1alpha1.IAMPolicies) error { p.PermissionsBoundary = ""; return nil })
}

// entities are the users and roles that have a policy attached, or as their boundary.
func (h *handler) entities(ctx context.Context, arn string) ([]*v1alpha1.IAMUser, []*v1alpha1.IAMRole, error) {
	has := func(p v1alpha1.IAMPolicies) bool {
		return slices.Contains(p.AttachedPolicies, arn) || p.PermissionsBoundary == arn
	}
	users, err := h.Store.Users.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	roles, err := h.Store.Roles.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	users = slices.DeleteFunc(users, func(u *v1alpha1.IAMUser) bool { return !has(u.Spec.IAMPolicies) })
	roles = slices.DeleteFunc(roles, func(r *v1alpha1.IAMRole) bool { return !has(r.Spec.IAMPolicies) })
	return users, roles, nil
}

func (h *handler) listEntitiesForPolicy(ctx context.Context, _ iam.Caller, in *sdk.ListEntitiesForPolicyInput) (*sdk.ListEntitiesForPolicyOutput, error) {
	if err := h.policyExists(ctx, *in.PolicyArn); err != nil {
		return nil, err
	}
	users, roles, err := h.entities(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListEntitiesForPolicyOutput{PolicyGroups: []types.PolicyGroup{}, PolicyUsers: []types.PolicyUser{}, PolicyRoles: []types.PolicyRole{}}
	for _, user := range users {
		out.PolicyUsers = append(out.PolicyUsers, types.PolicyUser{UserName: aws.String(user.Spec.Name), UserId: aws.String(user.Spec.ID)})
	}
	for _, role := range roles {
		out.PolicyRoles = append(out.PolicyRoles, types.PolicyRole{RoleName: aws.String(role.Spec.Name), RoleId: aws.String(role.Spec.ID)})
	}
	return out, nil
}
