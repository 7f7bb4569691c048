package iam

import "context"

// Identity is the owner of an access key, with the secret that the key's signatures are made with.
type Identity struct {
	Secret string
	Caller Caller
}

// Credentials finds who an access key belongs to. The secret never leaves whoever verifies a signature.
type Credentials interface {
	// Lookup errs with *sigv4.Error where the key is unknown, inactive or expired, or its session token is not good;
	// any other error is Naru's own.
	Lookup(ctx context.Context, accessKeyID, sessionToken string) (Identity, error)
}
