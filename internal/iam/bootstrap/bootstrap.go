// Package bootstrap makes what identities begin with: the account's number, the root key that session tokens are
// sealed with, and the user admin with an access key. All of it is made once and never changed here.
package bootstrap

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/access"
	"naru.dev/naru/internal/iam/managed"
	"naru.dev/naru/internal/iam/session"
	"naru.dev/naru/internal/iam/store"
)

// AdminUser may do everything.
const AdminUser = "admin"

// SecretName in naru-system holds the account's number and its root key. Who deletes it ends every session, and gets
// another account.
const SecretName = "iam"

const (
	dataAccount = "accountID"
	dataRootKey = "rootKey"
)

// Account is what everything about identities depends on.
type Account struct {
	// ID has 12 digits.
	ID     string
	Sealer *session.Sealer
}

// NotReadyError says that Ensure did not run yet.
type NotReadyError struct{ Err error }

func (e *NotReadyError) Error() string {
	return `there is no account yet: "naru configure-aws" makes it`
}

func (e *NotReadyError) Unwrap() error { return e.Err }

// Load reads the account. Errors: *NotReadyError.
func Load(ctx context.Context, c client.Reader) (Account, error) {
	secret := &corev1.Secret{}
	err := c.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: SecretName}, secret)
	if apierrors.IsNotFound(err) {
		return Account{}, &NotReadyError{Err: err}
	}
	if err != nil {
		return Account{}, fmt.Errorf("reading the account: %w", err)
	}
	sealer, err := session.NewSealer(secret.Data[dataRootKey])
	if err != nil {
		return Account{}, fmt.Errorf("reading the account: %w", err)
	}
	id := string(secret.Data[dataAccount])
	if !iam.ValidAccountID(id) {
		return Account{}, fmt.Errorf("reading the account: %q is no account id", id)
	}
	return Account{ID: id, Sealer: sealer}, nil
}

// Ensure makes what is missing of the account, the user admin and her key. An empty id lets Naru choose one; an
// account that is there keeps its own. Several may run at once.
func Ensure(ctx context.Context, c client.Client, id string, now time.Time) (Account, error) {
	account, err := Load(ctx, c)
	var missing *NotReadyError
	if errors.As(err, &missing) {
		if err := create(ctx, c, id); err != nil {
			return Account{}, err
		}
		account, err = Load(ctx, c)
	}
	if err != nil {
		return Account{}, err
	}
	return account, ensureAdmin(ctx, store.New(c), now)
}

func create(ctx context.Context, c client.Client, id string) error {
	if id == "" {
		chosen, err := newAccountID()
		if err != nil {
			return err
		}
		id = chosen
	}
	if !iam.ValidAccountID(id) {
		return fmt.Errorf("%q is no account id: it has 12 digits", id)
	}
	secret := &corev1.Secret{Data: map[string][]byte{dataAccount: []byte(id), dataRootKey: session.NewRootKey()}}
	secret.Namespace, secret.Name = v1alpha1.SystemNamespace, SecretName
	if err := c.Create(ctx, secret); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating the account: %w", err)
	}
	return nil
}

// newAccountID has 12 digits, the first of them not zero: many tools take it for a number.
func newAccountID() (string, error) {
	number, err := rand.Int(rand.Reader, big.NewInt(9e11))
	if err != nil {
		return "", fmt.Errorf("choosing an account id: %w", err)
	}
	return number.Add(number, big.NewInt(1e11)).String(), nil
}

// ensureAdmin makes the user with a key. A user that is there already is left alone, also where all her keys were
// deleted: that was somebody's decision.
func ensureAdmin(ctx context.Context, s *iam.Store, now time.Time) error {
	user := &v1alpha1.IAMUser{}
	user.Spec.Name, user.Spec.Path, user.Spec.ID = AdminUser, "/", iam.NewID(iam.UserPrefix)
	user.Spec.AttachedPolicies = []string{managed.Administrator}
	err := s.Users.Create(ctx, user)
	var exists *iam.ExistsError
	if errors.As(err, &exists) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.Keys.Create(ctx, &iam.AccessKey{
		ID: iam.NewID(iam.AccessKeyPrefix), User: AdminUser, UserID: user.Spec.ID, Secret: iam.NewSecret(), Created: now,
	})
}

// KeyOf returns a user's active key that is the oldest. Errors: *iam.NotFoundError.
func KeyOf(ctx context.Context, s *iam.Store, name string) (*iam.AccessKey, error) {
	user, err := s.Users.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	keys, err := s.Keys.List(ctx)
	if err != nil {
		return nil, err
	}
	var oldest *iam.AccessKey
	for _, key := range keys {
		if key.UserID == user.Spec.ID && !key.Inactive && (oldest == nil || key.Created.Before(oldest.Created)) {
			oldest = key
		}
	}
	if oldest == nil {
		return nil, &iam.NotFoundError{Kind: "active access key of user", Name: name}
	}
	return oldest, nil
}

// Access puts an account and a store together to what verifies and decides.
func (a Account) Access(s *iam.Store, now func() time.Time) (*access.Access, error) {
	return access.New(access.Options{Account: a.ID, Store: s, Sealer: a.Sealer, Now: now})
}
