package server

import (
	"net/http"
	"time"

	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/iam"
)

// Signatures lets in who signed with the secret of an access key. It implements iam.Authenticator.
type Signatures struct {
	Credentials iam.Credentials
	Now         func() time.Time
}

// Authenticate implements iam.Authenticator.
func (s Signatures) Authenticate(r *http.Request, body []byte) (iam.Caller, error) {
	signature, err := sigv4.Read(r)
	if err != nil {
		return iam.Caller{}, err
	}
	identity, err := s.Credentials.Lookup(r.Context(), signature.AccessKeyID, signature.SessionToken)
	if err != nil {
		return iam.Caller{}, err
	}
	if err := signature.Verify(r, body, identity.Secret, s.Now()); err != nil {
		return iam.Caller{}, err
	}
	caller := identity.Caller
	caller.SourceIP = host(r.RemoteAddr)
	return caller, nil
}
