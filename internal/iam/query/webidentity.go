package query

import (
	"context"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/access"
	"naru.dev/naru/internal/iam/policy"
)

// assumeRoleWithWebIdentity is called without a signature: the token says who asks.
func (h *handler) assumeRoleWithWebIdentity(ctx context.Context, _ iam.Caller, in *sts.AssumeRoleWithWebIdentityInput) (*sts.AssumeRoleWithWebIdentityOutput, error) {
	if in.ProviderId != nil || in.MinimumSessionTokenSize != nil {
		return nil, validation("ProviderId and MinimumSessionTokenSize are not supported: leave them out")
	}
	refusal := fault(http.StatusForbidden, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
	if h.WebIdentities == nil {
		return nil, fault(http.StatusBadRequest, "InvalidIdentityToken", "This Naru verifies no web identities")
	}
	issuer, err := h.WebIdentities.Issuer(*in.WebIdentityToken)
	if err != nil {
		return nil, err
	}
	provider, err := h.Store.Providers.Get(ctx, strings.TrimSuffix(strings.TrimPrefix(issuer, "https://"), "/"))
	if known, ok := toError(err); err != nil && ok && known.Code == "NoSuchEntity" {
		return nil, fault(http.StatusBadRequest, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for %s", issuer)
	}
	if err != nil {
		return nil, err
	}
	claims, err := h.WebIdentities.Verify(ctx, *in.WebIdentityToken, Provider{URL: provider.Spec.URL, ClientIDs: provider.Spec.ClientIDs})
	if err != nil {
		return nil, err
	}
	role, err := h.findRole(ctx, *in.RoleArn, refusal)
	if err != nil {
		return nil, err
	}
	trust, err := policy.Parse(policy.Trust, role.Spec.TrustPolicy)
	if err != nil {
		return nil, err
	}
	arn := iam.OIDCProviderARN(h.account(), provider.Spec.URL)
	name := strings.TrimPrefix(provider.Spec.URL, "https://")
	keys := access.Context(iam.Caller{}, map[string][]string{
		name + ":sub": {claims.Subject}, name + ":aud": {claims.Audience}, "aws:FederatedProvider": {arn}, "sts:RoleSessionName": {*in.RoleSessionName},
	}, h.now())
	decision := policy.Evaluate([]policy.Policy{{Kind: policy.Trust, Name: role.Spec.Name, Document: trust}}, policy.Request{
		Principal: policy.Principal{Federated: arn}, Action: "sts:AssumeRoleWithWebIdentity", Resource: *in.RoleArn, Context: keys,
	})
	if !decision.Allowed {
		return nil, refusal
	}
	made, user, err := h.seal(ctx, request{role: role, name: *in.RoleSessionName, seconds: in.DurationSeconds, policy: in.Policy, policyARNs: in.PolicyArns})
	if err != nil {
		return nil, err
	}
	return &sts.AssumeRoleWithWebIdentityOutput{
		AssumedRoleUser: user, Credentials: made, Audience: aws.String(claims.Audience), Provider: aws.String(arn), SubjectFromWebIdentityToken: aws.String(claims.Subject),
	}, nil
}
