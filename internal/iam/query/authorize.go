package query

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/access"
)

// ownName are the actions that are about the caller where they name no user.
var ownName = []string{"GetUser", "CreateAccessKey", "ListAccessKeys", "UpdateAccessKey", "DeleteAccessKey"}

func setOwnName(action string, caller iam.Caller, input any) {
	kind, name, err := access.PrincipalName(caller.Principal)
	if err == nil && kind == "user" && slices.Contains(ownName, action) && text(input, "UserName") == "" {
		reflect.ValueOf(input).Elem().FieldByName("UserName").Set(reflect.ValueOf(aws.String(name)))
	}
}

// authorize decides whether the caller may do an action on what the input names.
func (h *handler) authorize(ctx context.Context, caller iam.Caller, name string, input any) error {
	if caller.Session != nil && caller.Session.Name == "" {
		return fault(http.StatusForbidden, "InvalidClientTokenId", "Credentials of GetSessionToken can't call IAM: sign with the user's own access key")
	}
	resource, tags := h.resource(ctx, input)
	request := iam.Request{Action: "iam:" + name, Resource: resource, Context: map[string][]string{}}
	for key, value := range tags {
		request.Context["aws:ResourceTag/"+key] = []string{value}
		request.Context["iam:ResourceTag/"+key] = []string{value}
	}
	requestKeys(input, request.Context)
	if err := h.allowed(ctx, caller, request); err != nil {
		return err
	}
	if name != "AddRoleToInstanceProfile" {
		return nil
	}
	return h.allowed(ctx, caller, iam.Request{Action: "iam:PassRole", Resource: h.roleARN(ctx, text(input, "RoleName")),
		Context: map[string][]string{"iam:PassedToService": {"ec2.amazonaws.com"}}})
}

func (h *handler) allowed(ctx context.Context, caller iam.Caller, request iam.Request) error {
	decision, err := h.Access.Authorize(ctx, caller, request)
	if err != nil {
		return err
	}
	if !decision.Allowed {
		return denied(caller, request, decision)
	}
	return nil
}

func denied(caller iam.Caller, request iam.Request, decision iam.Decision) error {
	return fault(http.StatusForbidden, "AccessDenied", "User: %s is not authorized to perform: %s on resource: %s %s",
		caller.ARN, request.Action, request.Resource, decision.Because(request.Action))
}

// requestKeys are the condition keys that the input's members are.
func requestKeys(input any, keys map[string][]string) {
	if arn := text(input, "PolicyArn"); arn != "" {
		keys["iam:PolicyARN"] = []string{arn}
	}
	if arn := text(input, "PermissionsBoundary"); arn != "" {
		keys["iam:PermissionsBoundary"] = []string{arn}
	}
	v := reflect.ValueOf(input).Elem()
	if field := v.FieldByName("Tags"); field.IsValid() {
		tags, _ := field.Interface().([]types.Tag)
		for _, tag := range tags {
			key := aws.ToString(tag.Key)
			keys["aws:TagKeys"] = append(keys["aws:TagKeys"], key)
			keys["aws:RequestTag/"+key] = []string{aws.ToString(tag.Value)}
		}
	}
	if field := v.FieldByName("TagKeys"); field.IsValid() {
		names, _ := field.Interface().([]string)
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], names...)
	}
}

// resource is the ARN of what an input names, and its tags. What does not exist has the path that it is to get:
// whether it exists is told to nobody who has no right to it.
func (h *handler) resource(ctx context.Context, input any) (string, map[string]string) {
	path := text(input, "Path")
	if path == "" {
		path = "/"
	}
	if name := text(input, "InstanceProfileName"); name != "" {
		if profile, err := h.Store.Profiles.Get(ctx, name); err == nil {
			return iam.InstanceProfileARN(h.account(), profile.Spec.Path, profile.Spec.Name), profile.Spec.Tags
		}
		return iam.InstanceProfileARN(h.account(), path, name), nil
	}
	if name := text(input, "RoleName"); name != "" {
		if role, err := h.Store.Roles.Get(ctx, name); err == nil {
			return iam.RoleARN(h.account(), role.Spec.Path, role.Spec.Name), role.Spec.Tags
		}
		return iam.RoleARN(h.account(), path, name), nil
	}
	if name := text(input, "UserName"); name != "" {
		if user, err := h.Store.Users.Get(ctx, name); err == nil {
			return iam.UserARN(h.account(), user.Spec.Path, user.Spec.Name), user.Spec.Tags
		}
		return iam.UserARN(h.account(), path, name), nil
	}
	if arn := text(input, "OpenIDConnectProviderArn"); arn != "" {
		return arn, nil
	}
	if url := text(input, "Url"); url != "" {
		return iam.OIDCProviderARN(h.account(), url), nil
	}
	if name := text(input, "PolicyName"); name != "" {
		return iam.PolicyARN(h.account(), path, name), nil
	}
	for _, member := range []string{"PolicyArn", "PolicySourceArn"} {
		if arn := text(input, member); strings.HasPrefix(arn, "arn:") {
			return arn, nil
		}
	}
	return "*", nil
}

func (h *handler) roleARN(ctx context.Context, name string) string {
	if role, err := h.Store.Roles.Get(ctx, name); err == nil {
		return iam.RoleARN(h.account(), role.Spec.Path, role.Spec.Name)
	}
	return iam.RoleARN(h.account(), "/", name)
}
