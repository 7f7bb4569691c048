// Package access answers who calls and what they may do, from what a store keeps: it is the Credentials, the
// Authenticator and the Authorizer of package iam.
package access

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/managed"
	"naru.dev/naru/internal/iam/session"
)

// Options are what Access works with.
type Options struct {
	// Account has 12 digits.
	Account string
	// Store is read at each call: a cached one makes that fast.
	Store *iam.Store
	// Sealer opens session tokens.
	Sealer *session.Sealer
	// Now is the clock.
	Now func() time.Time
}

// Access implements iam.Credentials, iam.Authenticator and iam.Authorizer. It changes nothing.
type Access struct {
	Options
	managed map[string]managed.Policy
	parsed  *parsed
}

// New errs where the managed policies can't be read, which are built in.
func New(options Options) (*Access, error) {
	if !iam.ValidAccountID(options.Account) {
		return nil, fmt.Errorf("%q is no account id: it has 12 digits", options.Account)
	}
	policies, err := managed.Policies()
	if err != nil {
		return nil, err
	}
	return &Access{Options: options, managed: policies, parsed: &parsed{}}, nil
}

// unrecognized is what AWS says of all keys that are not good: which of them exist is nobody's business.
func unrecognized() error {
	return &sigv4.Error{Code: sigv4.UnrecognizedClient, Message: "The security token included in the request is invalid."}
}

// Lookup implements iam.Credentials.
func (a *Access) Lookup(ctx context.Context, accessKeyID, sessionToken string) (iam.Identity, error) {
	if strings.HasPrefix(accessKeyID, iam.SessionKeyPrefix) {
		return a.lookupSession(ctx, accessKeyID, sessionToken)
	}
	if sessionToken != "" {
		return iam.Identity{}, unrecognized()
	}
	key, err := a.Store.Keys.Get(ctx, accessKeyID)
	if isMissing(err) || err == nil && key.Inactive {
		return iam.Identity{}, unrecognized()
	}
	if err != nil {
		return iam.Identity{}, err
	}
	caller, err := a.user(ctx, key.User, key.UserID)
	if err != nil {
		return iam.Identity{}, err
	}
	caller.AccessKeyID = accessKeyID
	return iam.Identity{Secret: key.Secret, Caller: caller}, nil
}

func isMissing(err error) bool {
	var missing *iam.NotFoundError
	return errors.As(err, &missing)
}

// user is the caller that a user is, unless that is another one of the same name by now.
func (a *Access) user(ctx context.Context, name, id string) (iam.Caller, error) {
	user, err := a.Store.Users.Get(ctx, name)
	if isMissing(err) || err == nil && user.Spec.ID != id {
		return iam.Caller{}, unrecognized()
	}
	if err != nil {
		return iam.Caller{}, err
	}
	arn := iam.UserARN(a.Account, user.Spec.Path, user.Spec.Name)
	return iam.Caller{ARN: arn, Principal: arn, AccountID: a.Account, UserID: id, PrincipalTags: user.Spec.Tags}, nil
}

func (a *Access) lookupSession(ctx context.Context, accessKeyID, sessionToken string) (iam.Identity, error) {
	claims, secret, err := a.Sealer.Open(accessKeyID, sessionToken)
	if errors.Is(err, session.ErrToken) {
		return iam.Identity{}, unrecognized()
	}
	if err != nil {
		return iam.Identity{}, err
	}
	if expires := time.Unix(claims.Expires, 0); !a.Now().Before(expires) {
		return iam.Identity{}, &sigv4.Error{Code: sigv4.ExpiredToken, Message: "The security token included in the request is expired"}
	}
	caller, err := a.sessionCaller(ctx, claims)
	if err != nil {
		return iam.Identity{}, err
	}
	caller.AccessKeyID = accessKeyID
	return iam.Identity{Secret: secret, Caller: caller}, nil
}

func (a *Access) sessionCaller(ctx context.Context, claims session.Claims) (iam.Caller, error) {
	kind, name, err := PrincipalName(claims.Principal)
	if err != nil {
		return iam.Caller{}, err
	}
	var caller iam.Caller
	if kind == "user" {
		caller, err = a.user(ctx, name, claims.PrincipalID)
	} else {
		caller, err = a.role(ctx, name, claims)
	}
	if err != nil {
		return iam.Caller{}, err
	}
	policies := slices.Clone(claims.Policies)
	for _, arn := range claims.PolicyARNs {
		document, err := a.document(ctx, arn)
		if isMissing(err) {
			document, err = allowNothing, nil
		}
		if err != nil {
			return iam.Caller{}, err
		}
		policies = append(policies, document)
	}
	caller.Session = &iam.Session{
		Name: claims.Name, Tags: claims.Tags, TransitiveTagKeys: claims.TransitiveTagKeys, Policies: policies, Chained: claims.Chained,
		Issued: time.Unix(claims.Issued, 0).UTC(), Expires: time.Unix(claims.Expires, 0).UTC(),
	}
	return caller, nil
}

func (a *Access) role(ctx context.Context, name string, claims session.Claims) (iam.Caller, error) {
	role, err := a.Store.Roles.Get(ctx, name)
	if isMissing(err) || err == nil && role.Spec.ID != claims.PrincipalID {
		return iam.Caller{}, unrecognized()
	}
	if err != nil {
		return iam.Caller{}, err
	}
	return RoleCaller(a.Account, role, claims.Name, claims.Tags), nil
}

// RoleCaller is the caller that a session of a role is.
func RoleCaller(account string, role *v1alpha1.IAMRole, name string, tags map[string]string) iam.Caller {
	caller := iam.Caller{
		ARN:       iam.AssumedRoleARN(account, role.Spec.Name, name),
		Principal: iam.RoleARN(account, role.Spec.Path, role.Spec.Name),
		AccountID: account, UserID: role.Spec.ID + ":" + name, PrincipalTags: map[string]string{},
	}
	for _, source := range []map[string]string{role.Spec.Tags, tags} {
		for key, value := range source {
			caller.PrincipalTags[key] = value
		}
	}
	return caller
}

// Authenticate implements iam.Authenticator.
func (a *Access) Authenticate(r *http.Request, body []byte) (iam.Caller, error) {
	signature, err := sigv4.Read(r)
	if err != nil {
		return iam.Caller{}, err
	}
	identity, err := a.Lookup(r.Context(), signature.AccessKeyID, signature.SessionToken)
	if err != nil {
		return iam.Caller{}, err
	}
	if err := signature.Verify(r, body, identity.Secret, a.Now()); err != nil {
		return iam.Caller{}, err
	}
	caller := identity.Caller
	caller.Region, caller.Encrypted = signature.Region, r.TLS != nil
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		caller.SourceIP = host
	}
	return caller, nil
}

// PrincipalName takes the ARN of a user or role apart: its kind, and its name without the path.
func PrincipalName(arn string) (kind, name string, err error) {
	parsed, err := iam.ParseARN(arn)
	if err != nil {
		return "", "", err
	}
	kind, rest, ok := strings.Cut(parsed.Resource, "/")
	if parsed.Service != "iam" || !ok || (kind != "user" && kind != "role") {
		return "", "", fmt.Errorf("%q is the ARN of neither a user nor a role", arn)
	}
	return kind, rest[strings.LastIndexByte(rest, '/')+1:], nil
}
