package handlers

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/iam/token"
)

// stamp dates an association that is new or whose scope was changed.
func (h *Handlers) stamp(a *v1alpha1.AccessPolicyAssociation) {
	now := metav1.NewTime(h.Now().UTC().Truncate(1e9))
	if a.AssociatedAt.IsZero() {
		a.AssociatedAt = now
	}
	a.ModifiedAt = now
}

func (h *Handlers) associateAccessPolicy(ctx context.Context, in *eks.AssociateAccessPolicyInput) (*eks.AssociateAccessPolicyOutput, error) {
	about := subject{cluster: *in.ClusterName}
	if err := about.missing(given("policyArn", in.PolicyArn), member{"accessScope", in.AccessScope != nil}); err != nil {
		return nil, err
	}
	name, ok := convert.AccessPolicyName(*in.PolicyArn)
	if !ok || !slices.Contains(token.AccessPolicies(), name) {
		return nil, about.invalid("The policyArn parameter format is not valid: %s is no access policy of this Naru; ListAccessPolicies lists those", *in.PolicyArn)
	}
	scope, err := about.scope(in.AccessScope)
	if err != nil {
		return nil, err
	}
	var associated v1alpha1.AccessPolicyAssociation
	_, err = h.Backend.ChangeAccessEntry(ctx, *in.ClusterName, *in.PrincipalArn, func(entry *v1alpha1.AccessEntry) error {
		if entry.Spec.Type != backend.StandardEntry {
			return about.request("An access entry of type %s has no policies", entry.Spec.Type)
		}
		i := slices.IndexFunc(entry.Spec.Policies, func(a v1alpha1.AccessPolicyAssociation) bool { return a.Policy == name })
		if i < 0 {
			entry.Spec.Policies = append(entry.Spec.Policies, v1alpha1.AccessPolicyAssociation{Policy: name})
			i = len(entry.Spec.Policies) - 1
		}
		entry.Spec.Policies[i].Scope = scope
		h.stamp(&entry.Spec.Policies[i])
		associated = entry.Spec.Policies[i]
		return nil
	})
	if err != nil {
		return nil, about.exception(err)
	}
	shape := convert.AssociatedPolicy(associated)
	return &eks.AssociateAccessPolicyOutput{ClusterName: in.ClusterName, PrincipalArn: in.PrincipalArn, AssociatedAccessPolicy: &shape}, nil
}

func (s subject) scope(in *types.AccessScope) (v1alpha1.AccessScope, error) {
	scope := v1alpha1.AccessScope{Type: string(in.Type), Namespaces: in.Namespaces}
	if scope.Type == "" {
		scope.Type = string(types.AccessScopeTypeCluster)
	}
	inNamespaces := scope.Type == string(types.AccessScopeTypeNamespace)
	if inNamespaces != (len(in.Namespaces) > 0) {
		return scope, s.invalid("accessScope: one of type namespace names namespaces, one of type cluster does not")
	}
	return scope, nil
}

func (h *Handlers) disassociateAccessPolicy(ctx context.Context, in *eks.DisassociateAccessPolicyInput) (*eks.DisassociateAccessPolicyOutput, error) {
	about := subject{cluster: *in.ClusterName}
	_, err := h.Backend.ChangeAccessEntry(ctx, *in.ClusterName, *in.PrincipalArn, func(entry *v1alpha1.AccessEntry) error {
		before := len(entry.Spec.Policies)
		entry.Spec.Policies = slices.DeleteFunc(entry.Spec.Policies, func(a v1alpha1.AccessPolicyAssociation) bool {
			return convert.AccessPolicyARN(a.Policy) == *in.PolicyArn
		})
		if len(entry.Spec.Policies) == before {
			return &types.ResourceNotFoundException{Message: aws.String("The access policy " + *in.PolicyArn + " is not associated with " + *in.PrincipalArn + "."), ClusterName: in.ClusterName}
		}
		return nil
	})
	if err != nil {
		return nil, about.exception(err)
	}
	return &eks.DisassociateAccessPolicyOutput{}, nil
}

func (h *Handlers) listAssociatedAccessPolicies(ctx context.Context, in *eks.ListAssociatedAccessPoliciesInput) (*eks.ListAssociatedAccessPoliciesOutput, error) {
	about := subject{cluster: *in.ClusterName}
	entry, err := h.Backend.AccessEntry(ctx, *in.ClusterName, *in.PrincipalArn)
	if err != nil {
		return nil, about.exception(err)
	}
	all := []types.AssociatedAccessPolicy{}
	for _, association := range entry.Spec.Policies {
		all = append(all, convert.AssociatedPolicy(association))
	}
	which := []string{"ListAssociatedAccessPolicies", *in.ClusterName, *in.PrincipalArn}
	part, next, err := page(about, pages{which, in.MaxResults, in.NextToken}, all, func(p types.AssociatedAccessPolicy) string { return *p.PolicyArn })
	return &eks.ListAssociatedAccessPoliciesOutput{ClusterName: in.ClusterName, PrincipalArn: in.PrincipalArn, AssociatedAccessPolicies: part, NextToken: next}, err
}

func (h *Handlers) listAccessPolicies(_ context.Context, in *eks.ListAccessPoliciesInput) (*eks.ListAccessPoliciesOutput, error) {
	var all []types.AccessPolicy
	for _, name := range token.AccessPolicies() {
		all = append(all, types.AccessPolicy{Name: aws.String(name), Arn: aws.String(convert.AccessPolicyARN(name))})
	}
	part, next, err := page(subject{}, pages{[]string{"ListAccessPolicies"}, in.MaxResults, in.NextToken}, all, func(p types.AccessPolicy) string { return *p.Name })
	return &eks.ListAccessPoliciesOutput{AccessPolicies: part, NextToken: next}, err
}
