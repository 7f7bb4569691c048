package backend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/eks/setup"
	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/bootstrap"
	"naru.dev/naru/internal/iam/query"
	"naru.dev/naru/internal/iam/store"
)

// Identities returns a client of IAM that acts as the account itself, in this process: the rules are those of the
// API. Where there is no account yet, it is made. Pass its errors to IdentityError.
func (b *Backend) Identities(ctx context.Context) (*sdk.Client, error) {
	account, err := bootstrap.Ensure(ctx, b.client, "", time.Now())
	if err != nil {
		return nil, err
	}
	s := store.New(b.client)
	access, err := account.Access(s, time.Now)
	if err != nil {
		return nil, err
	}
	handler, err := query.NewHandler(query.Options{Access: access, Store: s, Report: func(err error) { slog.Error("the request was not answered", "error", err) }})
	if err != nil {
		return nil, err
	}
	return query.NewLocalClient(handler, account.ID), nil
}

// IdentityError turns an error of that client into one of this package.
// Errors: *InvalidError, *RefusedError; what is none of the API's own stays.
func IdentityError(err error) error {
	var problem smithy.APIError
	if !errors.As(err, &problem) {
		return err
	}
	switch problem.ErrorCode() {
	case "ValidationError", "MalformedPolicyDocument", "InvalidInput":
		return &InvalidError{Field: problem.ErrorCode(), Message: problem.ErrorMessage()}
	}
	return &RefusedError{Message: problem.ErrorMessage()}
}

// Signer is what somebody needs to call the API as a user.
type Signer struct {
	Key sigv4.Key
	// CA is the PEM of what signed the API's certificate.
	CA []byte
}

// Signer returns the oldest active key of a user, and the API's CA. Errors: *NotFoundError, *RefusedError.
func (b *Backend) Signer(ctx context.Context, user string) (Signer, error) {
	if _, err := bootstrap.Ensure(ctx, b.client, "", time.Now()); err != nil {
		return Signer{}, err
	}
	ca, err := b.ServerCA(ctx)
	if err != nil {
		return Signer{}, err
	}
	key, err := bootstrap.KeyOf(ctx, store.New(b.client), user)
	var missing *iam.NotFoundError
	if errors.As(err, &missing) {
		return Signer{}, &NotFoundError{Kind: missing.Kind, Name: user, Next: fmt.Sprintf("create one with \"naru create accesskey %s\", or the user with \"naru create user %s\"", user, user)}
	}
	if err != nil {
		return Signer{}, err
	}
	return Signer{Key: sigv4.Key{AccessKeyID: key.ID, Secret: key.Secret}, CA: ca}, nil
}

// ServerCA is the PEM of what signed the certificate of the API's users' port.
func (b *Backend) ServerCA(ctx context.Context) ([]byte, error) {
	secret := &corev1.Secret{}
	if err := b.client.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: setup.TLSSecret}, secret); err != nil {
		return nil, fmt.Errorf("reading the API's CA (look whether naru-server runs, with \"naru status\"): %w", err)
	}
	return secret.Data[setup.CAKey], nil
}
