package query

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/access"
	"naru.dev/naru/internal/iam/policy"
	"naru.dev/naru/internal/iam/session"
)

// How long sessions last, in seconds.
const (
	minSession     = 900
	chainedSession = 3600
	minUserSession = 900
	maxUserSession = 129600
	userSession    = 43200
	maxPolicyARNs  = 10
	maxSessionText = 2048
)

var sessionName = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]{2,64}$`)

func (h *handler) sts() map[string]action {
	assume := act(h.assumeRole, "RoleArn", "RoleSessionName")
	identify := act(h.getCallerIdentity)
	token := act(h.getSessionToken)
	web := act(h.assumeRoleWithWebIdentity, "RoleArn", "RoleSessionName", "WebIdentityToken")
	assume.free, identify.free, token.free, web.unsigned = true, true, true, true
	return map[string]action{"AssumeRole": assume, "GetCallerIdentity": identify, "GetSessionToken": token, "AssumeRoleWithWebIdentity": web}
}

// getCallerIdentity needs no right: who has the key may know whose it is.
func (h *handler) getCallerIdentity(_ context.Context, caller iam.Caller, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
	return &sts.GetCallerIdentityOutput{Account: aws.String(caller.AccountID), Arn: aws.String(caller.ARN), UserId: aws.String(caller.UserID)}, nil
}

// request is what both ways to assume a role ask for.
type request struct {
	role       *v1alpha1.IAMRole
	name       string
	seconds    *int32
	policy     *string
	policyARNs []types.PolicyDescriptorType
	tags       map[string]string
	transitive []string
	chained    bool
}

// findRole reads the role of an ARN. One that does not exist is one that nobody may assume.
func (h *handler) findRole(ctx context.Context, arn string, refusal error) (*v1alpha1.IAMRole, error) {
	kind, name, err := access.PrincipalName(arn)
	if err != nil || kind != "role" {
		return nil, validation("%s is invalid", arn)
	}
	role, err := h.Store.Roles.Get(ctx, name)
	if known, ok := toError(err); err != nil && ok && known.Code == "NoSuchEntity" {
		return nil, refusal
	}
	if err == nil && iam.RoleARN(h.account(), role.Spec.Path, role.Spec.Name) != arn {
		return nil, refusal
	}
	return role, err
}

func (h *handler) assumeRole(ctx context.Context, caller iam.Caller, in *sts.AssumeRoleInput) (*sts.AssumeRoleOutput, error) {
	if in.SerialNumber != nil || in.TokenCode != nil || in.SourceIdentity != nil || len(in.ProvidedContexts) > 0 || in.MinimumSessionTokenSize != nil {
		return nil, validation("SerialNumber, TokenCode, SourceIdentity, ProvidedContexts and MinimumSessionTokenSize are not supported: leave them out")
	}
	assume := iam.Request{Action: "sts:AssumeRole", Resource: *in.RoleArn, Context: map[string][]string{"sts:RoleSessionName": {*in.RoleSessionName}}}
	role, err := h.findRole(ctx, *in.RoleArn, denied(caller, assume, iam.Decision{Missing: []policy.Kind{policy.Trust}}))
	if err != nil {
		return nil, err
	}
	if in.ExternalId != nil {
		assume.Context["sts:ExternalId"] = []string{*in.ExternalId}
	}
	r := request{role: role, name: *in.RoleSessionName, seconds: in.DurationSeconds, policy: in.Policy, policyARNs: in.PolicyArns, transitive: in.TransitiveTagKeys}
	if err := r.inherit(caller, in.Tags, assume.Context); err != nil {
		return nil, err
	}
	trust, err := policy.Parse(policy.Trust, role.Spec.TrustPolicy)
	if err != nil {
		return nil, err
	}
	asked := []iam.Request{assume}
	if len(in.Tags) > 0 {
		asked = append(asked, iam.Request{Action: "sts:TagSession", Resource: *in.RoleArn, Context: assume.Context})
	}
	for _, request := range asked {
		decision, err := h.Access.AuthorizeWith(ctx, caller, request, policy.Policy{Kind: policy.Trust, Name: role.Spec.Name, Document: trust})
		if err != nil {
			return nil, err
		}
		if !decision.Allowed {
			return nil, denied(caller, request, decision)
		}
	}
	made, user, err := h.seal(ctx, r)
	if err != nil {
		return nil, err
	}
	return &sts.AssumeRoleOutput{AssumedRoleUser: user, Credentials: made}, nil
}

// inherit adds the session's tags, and those that the caller's own session hands on.
func (r *request) inherit(caller iam.Caller, tags []types.Tag, keys map[string][]string) error {
	r.tags = map[string]string{}
	for _, tag := range tags {
		key := aws.ToString(tag.Key)
		if key == "" || len(key) > 128 || len(aws.ToString(tag.Value)) > 256 || strings.HasPrefix(strings.ToLower(key), "aws:") {
			return validation("The session tag %q can't be", key)
		}
		r.tags[key] = aws.ToString(tag.Value)
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], key)
		keys["aws:RequestTag/"+key] = []string{aws.ToString(tag.Value)}
	}
	if len(r.transitive) > 0 {
		keys["sts:TransitiveTagKeys"] = r.transitive
	}
	if caller.Session == nil {
		return nil
	}
	r.chained = caller.Session.Name != ""
	for _, key := range caller.Session.TransitiveTagKeys {
		if _, given := r.tags[key]; given {
			return validation("The session tag %q was handed on by the calling session and can't be set again", key)
		}
		r.tags[key] = caller.Session.Tags[key]
		r.transitive = append(r.transitive, key)
	}
	if len(r.tags) > maxTags {
		return validation("A session has at most %d tags", maxTags)
	}
	return nil
}

// seal checks what bounds the session and makes its credentials.
func (h *handler) seal(ctx context.Context, r request) (*types.Credentials, *types.AssumedRoleUser, error) {
	if !sessionName.MatchString(r.name) {
		return nil, nil, validation("1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*", r.name)
	}
	seconds, err := r.life()
	if err != nil {
		return nil, nil, err
	}
	now := h.now().Unix()
	claims := session.Claims{
		Principal: iam.RoleARN(h.account(), r.role.Spec.Path, r.role.Spec.Name), PrincipalID: r.role.Spec.ID, Name: r.name,
		Tags: r.tags, TransitiveTagKeys: slices.Compact(slices.Sorted(slices.Values(r.transitive))), Chained: r.chained, Issued: now, Expires: now + int64(seconds),
	}
	if r.policy != nil {
		if err := checkDocument(policy.Session, *r.policy, maxSessionText); err != nil {
			return nil, nil, err
		}
		claims.Policies = []string{*r.policy}
	}
	if len(r.policyARNs) > maxPolicyARNs {
		return nil, nil, validation("A session has at most %d managed policies", maxPolicyARNs)
	}
	for _, descriptor := range r.policyARNs {
		arn := aws.ToString(descriptor.Arn)
		if err := h.policyExists(ctx, arn); err != nil {
			return nil, nil, err
		}
		claims.PolicyARNs = append(claims.PolicyARNs, arn)
	}
	made, err := h.sealer().Seal(claims)
	if err != nil {
		return nil, nil, err
	}
	user := access.RoleCaller(h.account(), r.role, r.name, nil)
	return toCredentials(made), &types.AssumedRoleUser{Arn: aws.String(user.ARN), AssumedRoleId: aws.String(user.UserID)}, nil
}

// life is how long the session lasts, in seconds.
func (r request) life() (int32, error) {
	if r.seconds == nil {
		return chainedSession, nil
	}
	switch {
	case *r.seconds < minSession:
		return 0, validation("1 validation error detected: Value '%d' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to %d", *r.seconds, minSession)
	case r.chained && *r.seconds > chainedSession:
		return 0, validation("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	case *r.seconds > r.role.Spec.MaxSessionSeconds:
		return 0, validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return *r.seconds, nil
}

func toCredentials(c session.Credentials) *types.Credentials {
	return &types.Credentials{AccessKeyId: aws.String(c.AccessKeyID), SecretAccessKey: aws.String(c.Secret), SessionToken: aws.String(c.Token), Expiration: aws.Time(c.Expires)}
}

// getSessionToken gives a user temporary credentials of her own. They may do what she may, but not call IAM.
func (h *handler) getSessionToken(_ context.Context, caller iam.Caller, in *sts.GetSessionTokenInput) (*sts.GetSessionTokenOutput, error) {
	if in.SerialNumber != nil || in.TokenCode != nil || in.MinimumSessionTokenSize != nil {
		return nil, validation("SerialNumber, TokenCode and MinimumSessionTokenSize are not supported: leave them out")
	}
	if caller.Session != nil {
		return nil, fault(http.StatusForbidden, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	}
	seconds := int32(userSession)
	if in.DurationSeconds != nil {
		seconds = *in.DurationSeconds
	}
	if seconds < minUserSession || seconds > maxUserSession {
		return nil, validation("1 validation error detected: Value '%d' at 'durationSeconds' failed to satisfy constraint: Member must have value between %d and %d", seconds, minUserSession, maxUserSession)
	}
	now := h.now().Unix()
	made, err := h.sealer().Seal(session.Claims{Principal: caller.Principal, PrincipalID: caller.UserID, Issued: now, Expires: now + int64(seconds)})
	if err != nil {
		return nil, err
	}
	return &sts.GetSessionTokenOutput{Credentials: toCredentials(made)}, nil
}
