package query

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// TestRoleAsTerraformDoes replays aws_iam_role and aws_iam_role_policy_attachment: create, read, update, delete.
func TestRoleAsTerraformDoes(t *testing.T) {
	w := newWorld(t)
	c, ctx, name := w.iam(w.admin), t.Context(), aws.String("Cluster_role")
	document := trust(`{"Service":"eks.amazonaws.com"}`)
	role := must[*sdk.CreateRoleOutput](t)(c.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: name, Path: aws.String("/team/"), AssumeRolePolicyDocument: &document,
		Description: aws.String("a < b & c"), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("red")}}})).Role
	if *role.Arn != "arn:aws:iam::111122223333:role/team/Cluster_role" || !strings.HasPrefix(*role.RoleId, "AROA") || role.CreateDate == nil {
		t.Errorf("%+v", role)
	}
	read := must[*sdk.GetRoleOutput](t)(c.GetRole(ctx, &sdk.GetRoleInput{RoleName: name})).Role
	if got, err := url.PathUnescape(*read.AssumeRolePolicyDocument); err != nil || got != document || strings.Contains(*read.AssumeRolePolicyDocument, "+") {
		t.Errorf("the trust policy comes back as %s, %v", *read.AssumeRolePolicyDocument, err)
	}
	if *read.Description != "a < b & c" || len(read.Tags) != 1 || *read.Tags[0].Value != "red" || *read.MaxSessionDuration != 3600 {
		t.Errorf("%+v", read)
	}
	cluster := aws.String("arn:aws:iam::aws:policy/AmazonEKSClusterPolicy")
	must[*sdk.AttachRolePolicyOutput](t)(c.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: name, PolicyArn: cluster}))
	if list := must[*sdk.ListAttachedRolePoliciesOutput](t)(c.ListAttachedRolePolicies(ctx, &sdk.ListAttachedRolePoliciesInput{RoleName: name})); len(list.AttachedPolicies) != 1 || *list.AttachedPolicies[0].PolicyName != "AmazonEKSClusterPolicy" {
		t.Errorf("%+v", list)
	}
	if list := must[*sdk.ListRolePoliciesOutput](t)(c.ListRolePolicies(ctx, &sdk.ListRolePoliciesInput{RoleName: name})); len(list.PolicyNames) != 0 || list.IsTruncated {
		t.Errorf("%+v", list)
	}
	other := trust(`{"Service":"ec2.amazonaws.com"}`)
	must[*sdk.UpdateAssumeRolePolicyOutput](t)(c.UpdateAssumeRolePolicy(ctx, &sdk.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: &other}))
	must[*sdk.UpdateRoleOutput](t)(c.UpdateRole(ctx, &sdk.UpdateRoleInput{RoleName: name, MaxSessionDuration: aws.Int32(7200)}))
	must[*sdk.PutRolePermissionsBoundaryOutput](t)(c.PutRolePermissionsBoundary(ctx, &sdk.PutRolePermissionsBoundaryInput{RoleName: name, PermissionsBoundary: cluster}))
	must[*sdk.UntagRoleOutput](t)(c.UntagRole(ctx, &sdk.UntagRoleInput{RoleName: name, TagKeys: []string{"TEAM"}}))
	read = must[*sdk.GetRoleOutput](t)(c.GetRole(ctx, &sdk.GetRoleInput{RoleName: name})).Role
	if *read.MaxSessionDuration != 7200 || len(read.Tags) != 0 || *read.PermissionsBoundary.PermissionsBoundaryArn != *cluster || *read.Description != "a < b & c" {
		t.Errorf("%+v", read)
	}
	_, err := c.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: name})
	requireCode(t, err, "DeleteConflict", "must detach all policies first")
	must[*sdk.DetachRolePolicyOutput](t)(c.DetachRolePolicy(ctx, &sdk.DetachRolePolicyInput{RoleName: name, PolicyArn: cluster}))
	if list := must[*sdk.ListInstanceProfilesForRoleOutput](t)(c.ListInstanceProfilesForRole(ctx, &sdk.ListInstanceProfilesForRoleInput{RoleName: name})); len(list.InstanceProfiles) != 0 {
		t.Errorf("%+v", list)
	}
	must[*sdk.DeleteRoleOutput](t)(c.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: name}))
	_, err = c.GetRole(ctx, &sdk.GetRoleInput{RoleName: name})
	requireCode(t, err, "NoSuchEntity", "The role with name Cluster_role cannot be found.")
}

func TestPolicyVersions(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.iam(w.admin), t.Context()
	first, second := allow("eks:List*", "*"), allow("eks:*", "*")
	made := must[*sdk.CreatePolicyOutput](t)(c.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("list"), PolicyDocument: &first})).Policy
	if *made.Arn != "arn:aws:iam::111122223333:policy/list" || *made.DefaultVersionId != "v1" {
		t.Errorf("%+v", made)
	}
	version := must[*sdk.CreatePolicyVersionOutput](t)(c.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: made.Arn, PolicyDocument: &second, SetAsDefault: true})).PolicyVersion
	if *version.VersionId != "v2" || !version.IsDefaultVersion {
		t.Errorf("%+v", version)
	}
	_, err := c.DeletePolicyVersion(ctx, &sdk.DeletePolicyVersionInput{PolicyArn: made.Arn, VersionId: aws.String("v2")})
	requireCode(t, err, "DeleteConflict", "default version")
	_, err = c.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: made.Arn})
	requireCode(t, err, "DeleteConflict", "more than one version")
	must[*sdk.DeletePolicyVersionOutput](t)(c.DeletePolicyVersion(ctx, &sdk.DeletePolicyVersionInput{PolicyArn: made.Arn, VersionId: aws.String("v1")}))
	read := must[*sdk.GetPolicyVersionOutput](t)(c.GetPolicyVersion(ctx, &sdk.GetPolicyVersionInput{PolicyArn: made.Arn, VersionId: aws.String("v2")})).PolicyVersion
	if got, _ := url.PathUnescape(*read.Document); got != second {
		t.Errorf("the document comes back as %s", got)
	}
	w.newUser("bob", "")
	must[*sdk.AttachUserPolicyOutput](t)(c.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: aws.String("bob"), PolicyArn: made.Arn}))
	if entities := must[*sdk.ListEntitiesForPolicyOutput](t)(c.ListEntitiesForPolicy(ctx, &sdk.ListEntitiesForPolicyInput{PolicyArn: made.Arn})); len(entities.PolicyUsers) != 1 {
		t.Errorf("%+v", entities)
	}
	_, err = c.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: made.Arn})
	requireCode(t, err, "DeleteConflict", "attached to entities")
	must[*sdk.DetachUserPolicyOutput](t)(c.DetachUserPolicy(ctx, &sdk.DetachUserPolicyInput{UserName: aws.String("bob"), PolicyArn: made.Arn}))
	must[*sdk.DeletePolicyOutput](t)(c.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: made.Arn}))
	_, err = c.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: made.Arn})
	requireCode(t, err, "NoSuchEntity", "does not exist")
	_, err = c.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})
	requireCode(t, err, "AccessDenied", "can't be changed")
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.iam(w.admin), t.Context()
	var names []string
	pages := sdk.NewListPoliciesPaginator(c, &sdk.ListPoliciesInput{MaxItems: aws.Int32(4)})
	for pages.HasMorePages() {
		for _, p := range must[*sdk.ListPoliciesOutput](t)(pages.NextPage(ctx)).Policies {
			names = append(names, *p.PolicyName)
		}
	}
	if all := must[*sdk.ListPoliciesOutput](t)(c.ListPolicies(ctx, &sdk.ListPoliciesInput{})); len(all.Policies) != len(names) || len(names) < 10 {
		t.Errorf("%d by pages, %d at once", len(names), len(all.Policies))
	}
	first := must[*sdk.ListPoliciesOutput](t)(c.ListPolicies(ctx, &sdk.ListPoliciesInput{MaxItems: aws.Int32(1)}))
	_, err := c.ListUsers(ctx, &sdk.ListUsersInput{Marker: first.Marker})
	requireCode(t, err, "ValidationError", "Invalid Marker")
	_, err = c.ListUsers(ctx, &sdk.ListUsersInput{MaxItems: aws.Int32(0)})
	requireCode(t, err, "ValidationError", "maxItems")
}

func TestAccessKeys(t *testing.T) {
	w := newWorld(t)
	ctx, bob := t.Context(), aws.String("bob")
	own := w.newUser("bob", allow("iam:*AccessKey*", "arn:aws:iam::*:user/${aws:username}"))
	c := w.iam(own)
	second := must[*sdk.CreateAccessKeyOutput](t)(c.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{})).AccessKey
	_, err := c.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{})
	requireCode(t, err, "LimitExceeded", "AccessKeysPerUser: 2")
	_, err = c.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: aws.String("admin")})
	requireCode(t, err, "AccessDenied", "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: iam:CreateAccessKey on resource: arn:aws:iam::111122223333:user/admin because no identity-based policy allows the iam:CreateAccessKey action")
	must[*sdk.UpdateAccessKeyOutput](t)(c.UpdateAccessKey(ctx, &sdk.UpdateAccessKeyInput{AccessKeyId: second.AccessKeyId, Status: types.StatusTypeInactive}))
	keys := must[*sdk.ListAccessKeysOutput](t)(c.ListAccessKeys(ctx, &sdk.ListAccessKeysInput{})).AccessKeyMetadata
	if len(keys) != 2 {
		t.Errorf("%+v", keys)
	}
	_, err = w.iam(aws.Credentials{AccessKeyID: *second.AccessKeyId, SecretAccessKey: *second.SecretAccessKey}).GetUser(ctx, &sdk.GetUserInput{})
	requireCode(t, err, "InvalidClientTokenId", "invalid")
	_, err = w.iam(w.admin).DeleteUser(ctx, &sdk.DeleteUserInput{UserName: bob})
	requireCode(t, err, "DeleteConflict", "access keys first")
	must[*sdk.DeleteAccessKeyOutput](t)(c.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{AccessKeyId: aws.String(own.AccessKeyID)}))
	_, err = c.ListAccessKeys(ctx, &sdk.ListAccessKeysInput{})
	requireCode(t, err, "InvalidClientTokenId", "invalid")
}

func TestInstanceProfilesAndProviders(t *testing.T) {
	w := newWorld(t)
	c, ctx, name := w.iam(w.admin), t.Context(), aws.String("nodes")
	w.newRole("nodes", trust(`{"Service":"ec2.amazonaws.com"}`))
	must[*sdk.CreateInstanceProfileOutput](t)(c.CreateInstanceProfile(ctx, &sdk.CreateInstanceProfileInput{InstanceProfileName: name}))
	must[*sdk.AddRoleToInstanceProfileOutput](t)(c.AddRoleToInstanceProfile(ctx, &sdk.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: name}))
	profile := must[*sdk.GetInstanceProfileOutput](t)(c.GetInstanceProfile(ctx, &sdk.GetInstanceProfileInput{InstanceProfileName: name})).InstanceProfile
	if len(profile.Roles) != 1 || *profile.Roles[0].RoleName != "nodes" {
		t.Errorf("%+v", profile)
	}
	_, err := c.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: name})
	requireCode(t, err, "DeleteConflict", "instance profile")
	must[*sdk.RemoveRoleFromInstanceProfileOutput](t)(c.RemoveRoleFromInstanceProfile(ctx, &sdk.RemoveRoleFromInstanceProfileInput{InstanceProfileName: name, RoleName: name}))
	must[*sdk.DeleteInstanceProfileOutput](t)(c.DeleteInstanceProfile(ctx, &sdk.DeleteInstanceProfileInput{InstanceProfileName: name}))

	prints := []string{strings.Repeat("b", 40), strings.Repeat("a", 40)}
	arn := must[*sdk.CreateOpenIDConnectProviderOutput](t)(c.CreateOpenIDConnectProvider(ctx, &sdk.CreateOpenIDConnectProviderInput{
		Url: aws.String("https://naru.example/id/ABC"), ClientIDList: []string{"sts.amazonaws.com"}, ThumbprintList: prints})).OpenIDConnectProviderArn
	if *arn != "arn:aws:iam::111122223333:oidc-provider/naru.example/id/ABC" {
		t.Error(*arn)
	}
	must[*sdk.AddClientIDToOpenIDConnectProviderOutput](t)(c.AddClientIDToOpenIDConnectProvider(ctx, &sdk.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: aws.String("x")}))
	provider := must[*sdk.GetOpenIDConnectProviderOutput](t)(c.GetOpenIDConnectProvider(ctx, &sdk.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}))
	if *provider.Url != "naru.example/id/ABC" || len(provider.ClientIDList) != 2 || !slices.Equal(provider.ThumbprintList, prints) {
		t.Errorf("%+v", provider)
	}
	_, err = c.CreateOpenIDConnectProvider(ctx, &sdk.CreateOpenIDConnectProviderInput{Url: aws.String("https://naru.example/id/ABC")})
	requireCode(t, err, "EntityAlreadyExists", "already exists")
	must[*sdk.DeleteOpenIDConnectProviderOutput](t)(c.DeleteOpenIDConnectProvider(ctx, &sdk.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}))

	withPort := aws.String("https://127.0.0.1:6441/id/ABC")
	arn = must[*sdk.CreateOpenIDConnectProviderOutput](t)(c.CreateOpenIDConnectProvider(ctx, &sdk.CreateOpenIDConnectProviderInput{Url: withPort})).OpenIDConnectProviderArn
	provider = must[*sdk.GetOpenIDConnectProviderOutput](t)(c.GetOpenIDConnectProvider(ctx, &sdk.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}))
	if address, err := url.Parse(*provider.Url); err != nil || address.Path != "/id/ABC" {
		t.Errorf("when an issuer has a port, what is told of it is a URL: %s, %v", *provider.Url, err)
	}
}

func TestBadInput(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.iam(w.admin), t.Context()
	for _, test := range []struct {
		name        string
		call        func() error
		code, words string
	}{
		{"when a policy is no JSON", func() error {
			_, err := c.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("x"), PolicyDocument: aws.String("{")})
			return err
		}, "MalformedPolicyDocument", "not valid JSON"},
		{"when an operator is unknown", func() error {
			_, err := c.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("x"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringSame":{"a":"b"}}}}`)})
			return err
		}, "MalformedPolicyDocument", "StringSame: there is no such condition operator"},
		{"when a policy is too long", func() error {
			_, err := c.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("x"), PolicyDocument: aws.String(allow("eks:"+strings.Repeat("x", 7000), "*"))})
			return err
		}, "LimitExceeded", "PolicySize"},
		{"when a name can't be", func() error {
			_, err := c.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("a b")})
			return err
		}, "ValidationError", "userName"},
		{"when a name is taken", func() error {
			_, err := c.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("ADMIN")})
			return err
		}, "EntityAlreadyExists", "already exists"},
		{"when a policy does not exist", func() error {
			_, err := c.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: aws.String("admin"), PolicyArn: aws.String("arn:aws:iam::aws:policy/None")})
			return err
		}, "NoSuchEntity", "does not exist"},
		{"when a tag is AWS's own", func() error {
			_, err := c.TagUser(ctx, &sdk.TagUserInput{UserName: aws.String("admin"), Tags: []types.Tag{{Key: aws.String("aws:x"), Value: aws.String("y")}}})
			return err
		}, "InvalidInput", "aws:x"},
		{"when the action is not there", func() error {
			_, err := c.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: aws.String("x")})
			return err
		}, "InvalidAction", "CreateGroup"},
		{"when the signature is wrong", func() error {
			_, err := w.iam(aws.Credentials{AccessKeyID: w.admin.AccessKeyID, SecretAccessKey: "x"}).GetUser(ctx, &sdk.GetUserInput{})
			return err
		}, "SignatureDoesNotMatch", "does not match"},
	} {
		t.Run(test.name+", the error says so", func(t *testing.T) { requireCode(t, test.call(), test.code, test.words) })
	}
	t.Run("when nobody signed, it is refused", func(t *testing.T) {
		answer := must[*http.Response](t)(http.PostForm(w.url, url.Values{"Action": {"ListUsers"}, "Version": {versionIAM}}))
		answer.Body.Close()
		if answer.StatusCode != http.StatusForbidden {
			t.Error(answer.Status)
		}
	})
	t.Run("when a parameter is unknown, it is refused", func(t *testing.T) {
		err := decode(url.Values{"UserName": {"x"}, "Tags.member.1.Colour": {"y"}}, &sdk.CreateUserInput{})
		if err == nil || !strings.Contains(err.Error(), "Tags.member.1.Colour is not known") {
			t.Error(err)
		}
	})
}

func TestSimulate(t *testing.T) {
	w := newWorld(t)
	w.newUser("bob", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:*","Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":"r"}}},{"Effect":"Deny","Action":"eks:Delete*","Resource":"*"}]}`)
	out := must[*sdk.SimulatePrincipalPolicyOutput](t)(w.iam(w.admin).SimulatePrincipalPolicy(t.Context(), &sdk.SimulatePrincipalPolicyInput{
		PolicySourceArn: aws.String("arn:aws:iam::111122223333:user/bob"), ActionNames: []string{"eks:ListClusters", "eks:DeleteCluster", "ec2:RunInstances"},
		ContextEntries: []types.ContextEntry{{ContextKeyName: aws.String("aws:RequestedRegion"), ContextKeyType: types.ContextKeyTypeEnumString, ContextKeyValues: []string{"r"}}},
	}))
	want := []types.PolicyEvaluationDecisionType{types.PolicyEvaluationDecisionTypeAllowed, types.PolicyEvaluationDecisionTypeExplicitDeny, types.PolicyEvaluationDecisionTypeImplicitDeny}
	for i, result := range out.EvaluationResults {
		if result.EvalDecision != want[i] || (i < 2) != (len(result.MatchedStatements) == 1 && *result.MatchedStatements[0].SourcePolicyId == "own") {
			t.Errorf("%s: %s %+v", *result.EvalActionName, result.EvalDecision, result.MatchedStatements)
		}
	}
	if len(out.EvaluationResults) != 3 {
		t.Error(len(out.EvaluationResults))
	}
}
