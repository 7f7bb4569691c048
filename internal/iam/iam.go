// Package iam is who calls and what they may do: the small contract between the wire, which asks,
// and identities, keys, roles and policies, which answer.
//
// A request goes by Authenticator first, then by Authorizer once an operation and the resource that
// it is about are known:
//
//	request ─▶ Authenticate ─▶ Caller ─▶ Authorize(Request) ─▶ Decision ─▶ the operation
package iam

import (
	"context"
	"net/http"
	"time"

	"naru.dev/naru/internal/iam/policy"
)

// Caller is an authenticated principal. The zero Caller is nobody.
type Caller struct {
	// ARN as STS GetCallerIdentity gives it: of the account's root, of a user, or of an assumed role's
	// session (arn:aws:sts::111122223333:assumed-role/dev/alice).
	ARN string
	// Principal is the ARN of what policies are attached to: the user's, or the role's with its path
	// (arn:aws:iam::111122223333:role/team/dev). It is aws:PrincipalArn, and what an access entry names.
	Principal string
	// AccountID has 12 digits.
	AccountID string
	// UserID as GetCallerIdentity gives it: AIDA… of a user, AROA…:session of a role, the account id of the root.
	UserID string
	// AccessKeyID is the key that signed the request: AKIA… of a user, ASIA… of a session.
	AccessKeyID string
	// SourceIP is where the request came from, as the Authenticator saw it; empty where unknown.
	SourceIP string
	// Region that the request was signed for: aws:RequestedRegion.
	Region string
	// Encrypted tells that the request came by TLS: aws:SecureTransport.
	Encrypted bool
	// PrincipalTags are the tags of the user or role, with those of the session over them (aws:PrincipalTag/…).
	PrincipalTags map[string]string
	// Session is set where temporary credentials were used.
	Session *Session
}

// Session is what temporary credentials carry.
type Session struct {
	// Name of the session: RoleSessionName.
	Name string
	// Tags that were passed with the session. They are in PrincipalTags, too.
	Tags map[string]string
	// TransitiveTagKeys are kept by sessions that this one assumes.
	TransitiveTagKeys []string
	// Policies are the session policies, as JSON: what the session may do at most. Empty: no bound.
	Policies []string
	// Chained tells that the session was assumed by another role's session. Such sessions end within an hour.
	Chained bool
	// Issued and Expires bound the session's life.
	Issued, Expires time.Time
}

// IsRoot tells whether the caller is the account itself, which identity policies do not bind.
func (c Caller) IsRoot() bool { return c.AccountID != "" && c.Principal == RootARN(c.AccountID) }

// Request is what a caller wants to do.
type Request struct {
	// Action as eks:DescribeCluster.
	Action string
	// Resource is the ARN that it is about; "*" where there is none.
	Resource string
	// Context holds condition keys and their values, as eks:clientId. Keys of the caller and the clock (aws:PrincipalArn,
	// aws:SourceIp, aws:CurrentTime …) are added by the Authorizer. Keys are compared without regard to case.
	Context map[string][]string
}

// Decision says whether, and why. Decision.Because finishes AWS's sentence "… is not authorized to perform …".
type Decision = policy.Decision

// Authenticator finds out who signed a request.
type Authenticator interface {
	// Authenticate verifies the signature of a request whose body was read already.
	// Errors: *sigv4.Error for whatever the client did wrong; any other error is Naru's own.
	Authenticate(r *http.Request, body []byte) (Caller, error)
}

// Authorizer decides by the caller's policies. It changes nothing.
type Authorizer interface {
	// Authorize errs only where it could not decide; a refusal is a Decision.
	Authorize(ctx context.Context, caller Caller, request Request) (Decision, error)
}

type callerKey struct{}

// WithCaller returns a context that carries an authenticated caller to handlers.
func WithCaller(ctx context.Context, caller Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, caller)
}

// CallerFrom returns the authenticated caller; ok is false for a request that nobody signed.
func CallerFrom(ctx context.Context) (caller Caller, ok bool) {
	caller, ok = ctx.Value(callerKey{}).(Caller)
	return caller, ok
}
