package access

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/policy"
)

// Authorize implements iam.Authorizer.
func (a *Access) Authorize(ctx context.Context, caller iam.Caller, request iam.Request) (iam.Decision, error) {
	return a.AuthorizeWith(ctx, caller, request)
}

// AuthorizeWith decides with policies of the resource, such as a role's trust policy, beside the caller's own.
func (a *Access) AuthorizeWith(ctx context.Context, caller iam.Caller, request iam.Request, more ...policy.Policy) (iam.Decision, error) {
	policies, err := a.Policies(ctx, caller)
	if err != nil {
		return iam.Decision{}, fmt.Errorf("reading the policies of %s: %w", caller.ARN, err)
	}
	return policy.Evaluate(append(policies, more...), policy.Request{
		Principal: policy.Principal{ARN: caller.ARN, Source: caller.Principal, Account: caller.AccountID},
		Action:    request.Action, Resource: request.Resource, Context: Context(caller, request.Context, a.Now()),
	}), nil
}

// Context adds the condition keys that follow from the caller and the clock. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
func Context(caller iam.Caller, request map[string][]string, now time.Time) map[string][]string {
	keys := maps.Clone(request)
	if keys == nil {
		keys = map[string][]string{}
	}
	set := func(key, value string) {
		if value != "" {
			keys[key] = []string{value}
		}
	}
	set("aws:PrincipalArn", caller.Principal)
	set("aws:PrincipalAccount", caller.AccountID)
	set("aws:userid", caller.UserID)
	set("aws:SourceIp", caller.SourceIP)
	set("aws:CurrentTime", now.UTC().Format(time.RFC3339))
	set("aws:EpochTime", strconv.FormatInt(now.Unix(), 10))
	set("aws:PrincipalIsAWSService", "false")
	set("aws:ViaAWSService", "false")
	if caller.Region != "" {
		set("aws:RequestedRegion", caller.Region)
		set("aws:SecureTransport", strconv.FormatBool(caller.Encrypted))
	}
	for key, value := range caller.PrincipalTags {
		keys["aws:PrincipalTag/"+key] = []string{value}
	}
	kind, name, err := PrincipalName(caller.Principal)
	switch {
	case caller.IsRoot():
		set("aws:PrincipalType", "Account")
	case err == nil && kind == "user":
		set("aws:PrincipalType", "User")
		set("aws:username", name)
	case err == nil:
		set("aws:PrincipalType", "AssumedRole")
	}
	if caller.Session != nil {
		set("aws:TokenIssueTime", caller.Session.Issued.Format(time.RFC3339))
		set("aws:MultiFactorAuthPresent", "false") // which keys that last do not have at all
	}
	return keys
}

// Policies are all that bind a caller, parsed. A policy that is attached but does not exist allows nothing; a boundary
// that does not exist forbids everything.
func (a *Access) Policies(ctx context.Context, caller iam.Caller) ([]policy.Policy, error) {
	if caller.IsRoot() {
		return a.parse(nil, policy.Identity, "root", allowAll)
	}
	kind, name, err := PrincipalName(caller.Principal)
	if err != nil {
		return nil, err
	}
	var own v1alpha1.IAMPolicies
	if kind == "user" {
		user, err := a.Store.Users.Get(ctx, name)
		if err != nil {
			return nil, err
		}
		own = user.Spec.IAMPolicies
	} else {
		role, err := a.Store.Roles.Get(ctx, name)
		if err != nil {
			return nil, err
		}
		own = role.Spec.IAMPolicies
	}
	policies, err := a.PoliciesOf(ctx, own)
	if err != nil || caller.Session == nil {
		return policies, err
	}
	for i, text := range caller.Session.Policies {
		if policies, err = a.parse(policies, policy.Session, fmt.Sprintf("session-policy-%d", i+1), text); err != nil {
			return nil, err
		}
	}
	return policies, nil
}

const allowAll = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`

// allowNothing is what a boundary is that can't be found.
const allowNothing = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`

// PoliciesOf parses what a user or role has.
func (a *Access) PoliciesOf(ctx context.Context, own v1alpha1.IAMPolicies) (policies []policy.Policy, err error) {
	for _, arn := range own.AttachedPolicies {
		text, err := a.document(ctx, arn)
		if isMissing(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if policies, err = a.parse(policies, policy.Identity, arn, text); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(own.InlinePolicies)) {
		if policies, err = a.parse(policies, policy.Identity, name, own.InlinePolicies[name]); err != nil {
			return nil, err
		}
	}
	if own.PermissionsBoundary == "" {
		return policies, nil
	}
	text, err := a.document(ctx, own.PermissionsBoundary)
	if isMissing(err) {
		text, err = allowNothing, nil
	}
	if err != nil {
		return nil, err
	}
	return a.parse(policies, policy.Boundary, own.PermissionsBoundary, text)
}

// document is the default version of a managed policy. Errors: *iam.NotFoundError.
func (a *Access) document(ctx context.Context, arn string) (string, error) {
	if builtIn, ok := a.managed[arn]; ok {
		_, text := builtIn.Default()
		return text, nil
	}
	parsed, err := iam.ParseARN(arn)
	path, ok := strings.CutPrefix(parsed.Resource, "policy/")
	if err != nil || !ok || parsed.Account != a.Account {
		return "", &iam.NotFoundError{Kind: "policy", Name: arn}
	}
	object, err := a.Store.Policies.Get(ctx, path[strings.LastIndexByte(path, '/')+1:])
	if err != nil {
		return "", err
	}
	if iam.PolicyARN(a.Account, object.Spec.Path, object.Spec.Name) != arn {
		return "", &iam.NotFoundError{Kind: "policy", Name: arn}
	}
	for _, version := range object.Spec.Versions {
		if version.ID == object.Spec.DefaultVersion {
			return version.Document, nil
		}
	}
	return "", &iam.NotFoundError{Kind: "policy", Name: arn}
}

func (a *Access) parse(list []policy.Policy, kind policy.Kind, name, text string) ([]policy.Policy, error) {
	document, err := a.parsed.get(kind, text)
	if err != nil {
		return nil, fmt.Errorf("reading %s %q: %w", kind, name, err)
	}
	return append(list, policy.Policy{Kind: kind, Name: name, Document: document}), nil
}

// maxParsed bounds what is remembered of parsed documents.
const maxParsed = 2000

// parsed remembers documents by their text, which says all that there is to know of them.
type parsed struct {
	mu        sync.Mutex
	documents map[string]*policy.Document
}

func (p *parsed) get(kind policy.Kind, text string) (*policy.Document, error) {
	key := string(kind) + "\n" + text
	p.mu.Lock()
	document := p.documents[key]
	p.mu.Unlock()
	if document != nil {
		return document, nil
	}
	document, err := policy.Parse(kind, text)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.documents == nil || len(p.documents) >= maxParsed {
		p.documents = map[string]*policy.Document{}
	}
	p.documents[key] = document
	return document, nil
}
