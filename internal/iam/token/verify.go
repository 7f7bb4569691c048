package token

import (
	"context"
	"time"

	"naru.dev/naru/internal/iam"
)

// Verifier checks tokens for one cluster.
type Verifier struct {
	// Cluster is the name that a token must have been made for.
	Cluster string
	// Hosts are names, with ports, that Naru's own STS is reached by, beside AWS's and loopback.
	Hosts []string
	// Credentials know the secrets.
	Credentials iam.Credentials
	// Now is the clock.
	Now func() time.Time
}

// Verify tells who made a token.
// Errors: *InvalidError, *sigv4.Error; any other error is Naru's own.
func (v *Verifier) Verify(ctx context.Context, token string) (iam.Caller, error) {
	request, signature, err := read(token, v.Cluster, v.Hosts)
	if err != nil {
		return iam.Caller{}, err
	}
	identity, err := v.Credentials.Lookup(ctx, signature.AccessKeyID, signature.SessionToken)
	if err != nil {
		return iam.Caller{}, err
	}
	if err := signature.Verify(request, nil, identity.Secret, v.Now()); err != nil {
		return iam.Caller{}, err
	}
	return identity.Caller, nil
}
