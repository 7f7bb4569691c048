package query

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/access"
	"naru.dev/naru/internal/iam/policy"
)

// maxSimulated bounds what one request evaluates.
const maxSimulated = 1000

func (h *handler) simulations() map[string]action {
	return map[string]action{
		"SimulatePrincipalPolicy": act(h.simulatePrincipal, "PolicySourceArn", "ActionNames"),
		"SimulateCustomPolicy":    act(h.simulateCustom, "PolicyInputList", "ActionNames"),
	}
}

// simulation is a question what policies would say.
type simulation struct {
	policies           []policy.Policy
	caller             iam.Caller
	actions, resources []string
	context            []types.ContextEntry
}

func (h *handler) simulatePrincipal(ctx context.Context, _ iam.Caller, in *sdk.SimulatePrincipalPolicyInput) (*sdk.SimulatePrincipalPolicyOutput, error) {
	if in.ResourcePolicy != nil || in.ResourceHandlingOption != nil || in.ResourceOwner != nil || len(in.PolicyExclusionList) > 0 {
		return nil, validation("ResourcePolicy, ResourceOwner, ResourceHandlingOption and PolicyExclusionList are not simulated")
	}
	if in.CallerArn != nil && *in.CallerArn != *in.PolicySourceArn {
		return nil, validation("CallerArn must be the PolicySourceArn: resource policies are not simulated")
	}
	own, caller, err := h.source(ctx, *in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	if len(in.PermissionsBoundaryPolicyInputList) > 0 {
		own.PermissionsBoundary = ""
	}
	s := simulation{caller: caller, actions: in.ActionNames, resources: in.ResourceArns, context: in.ContextEntries}
	if s.policies, err = h.Access.PoliciesOf(ctx, own); err != nil {
		return nil, err
	}
	if err := s.add(in.PolicyInputList, in.PermissionsBoundaryPolicyInputList); err != nil {
		return nil, err
	}
	results, err := s.run(h)
	return &sdk.SimulatePrincipalPolicyOutput{EvaluationResults: results}, err
}

func (h *handler) simulateCustom(_ context.Context, _ iam.Caller, in *sdk.SimulateCustomPolicyInput) (*sdk.SimulateCustomPolicyOutput, error) {
	if in.ResourcePolicy != nil || in.ResourceHandlingOption != nil || in.ResourceOwner != nil {
		return nil, validation("ResourcePolicy, ResourceOwner and ResourceHandlingOption are not simulated")
	}
	s := simulation{actions: in.ActionNames, resources: in.ResourceArns, context: in.ContextEntries}
	if arn := aws.ToString(in.CallerArn); arn != "" {
		s.caller = iam.Caller{ARN: arn, Principal: arn, AccountID: h.account()}
	}
	if err := s.add(in.PolicyInputList, in.PermissionsBoundaryPolicyInputList); err != nil {
		return nil, err
	}
	results, err := s.run(h)
	return &sdk.SimulateCustomPolicyOutput{EvaluationResults: results}, err
}

// source is a user or role, as the caller that it would be.
func (h *handler) source(ctx context.Context, arn string) (v1alpha1.IAMPolicies, iam.Caller, error) {
	kind, name, err := access.PrincipalName(arn)
	if err != nil {
		return v1alpha1.IAMPolicies{}, iam.Caller{}, fault(400, "InvalidInput", "%v", err)
	}
	caller := iam.Caller{ARN: arn, Principal: arn, AccountID: h.account()}
	if kind == "user" {
		user, err := h.Store.Users.Get(ctx, name)
		if err != nil {
			return v1alpha1.IAMPolicies{}, caller, err
		}
		caller.UserID, caller.PrincipalTags = user.Spec.ID, user.Spec.Tags
		return user.Spec.IAMPolicies, caller, nil
	}
	role, err := h.Store.Roles.Get(ctx, name)
	if err != nil {
		return v1alpha1.IAMPolicies{}, caller, err
	}
	caller.UserID, caller.PrincipalTags = role.Spec.ID, role.Spec.Tags
	return role.Spec.IAMPolicies, caller, nil
}

func (s *simulation) add(identities, boundaries []string) error {
	for kind, list := range map[policy.Kind][]string{policy.Identity: identities, policy.Boundary: boundaries} {
		for i, text := range list {
			document, err := policy.Parse(kind, text)
			if err != nil {
				return malformed(err)
			}
			s.policies = append(s.policies, policy.Policy{Kind: kind, Name: inputName(kind, i), Document: document})
		}
	}
	return nil
}

// inputName is how IAM calls a policy that came with the request.
func inputName(kind policy.Kind, i int) string {
	name := "PolicyInputList."
	if kind == policy.Boundary {
		name = "PermissionsBoundaryPolicyInputList."
	}
	return name + string(rune('1'+i%9))
}

func (s *simulation) run(h *handler) ([]types.EvaluationResult, error) {
	resources := s.resources
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	if len(resources)*len(s.actions) > maxSimulated {
		return nil, validation("At most %d actions on resources are simulated at once", maxSimulated)
	}
	keys := map[string][]string{}
	for _, entry := range s.context {
		keys[aws.ToString(entry.ContextKeyName)] = entry.ContextKeyValues
	}
	now := access.Context(s.caller, nil, h.now())
	for key, values := range keys {
		now[key] = values // what is asked about goes before what is
	}
	results := []types.EvaluationResult{}
	for _, action := range s.actions {
		for _, resource := range resources {
			decision := policy.Evaluate(s.policies, policy.Request{
				Principal: policy.Principal{ARN: s.caller.ARN, Source: s.caller.Principal, Account: s.caller.AccountID}, Action: action, Resource: resource, Context: now,
			})
			results = append(results, result(action, resource, decision))
		}
	}
	return results, nil
}

func result(action, resource string, decision policy.Decision) types.EvaluationResult {
	r := types.EvaluationResult{EvalActionName: aws.String(action), EvalResourceName: aws.String(resource),
		EvalDecision: types.PolicyEvaluationDecisionTypeImplicitDeny, MatchedStatements: []types.Statement{}, MissingContextValues: []string{}}
	switch {
	case decision.Allowed:
		r.EvalDecision = types.PolicyEvaluationDecisionTypeAllowed
	case decision.Denied:
		r.EvalDecision = types.PolicyEvaluationDecisionTypeExplicitDeny
	}
	boundaryAllows := true
	for _, kind := range decision.Missing {
		boundaryAllows = boundaryAllows && kind != policy.Boundary
	}
	r.PermissionsBoundaryDecisionDetail = &types.PermissionsBoundaryDecisionDetail{AllowedByPermissionsBoundary: boundaryAllows}
	for _, match := range decision.By {
		r.MatchedStatements = append(r.MatchedStatements, types.Statement{SourcePolicyId: aws.String(match.Policy), SourcePolicyType: types.PolicySourceTypeNone})
	}
	return r
}
