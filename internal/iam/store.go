package iam

import (
	"context"
	"fmt"
	"strings"
	"time"

	"naru.dev/naru/api/v1alpha1"
)

// Collection keeps things of one kind by name. Names that differ in case only are the same.
//
// Errors: *NotFoundError, *ExistsError, *ConflictError; any other is the storage's.
type Collection[T any] interface {
	Create(ctx context.Context, thing T) error
	Get(ctx context.Context, name string) (T, error)
	// List is sorted by name.
	List(ctx context.Context) ([]T, error)
	// Update reads, changes and writes; change may be called several times, and its error ends the update.
	Update(ctx context.Context, name string, change func(T) error) (T, error)
	Delete(ctx context.Context, name string) error
}

// Store is everything that identities consist of.
type Store struct {
	Users     Collection[*v1alpha1.IAMUser]
	Roles     Collection[*v1alpha1.IAMRole]
	Policies  Collection[*v1alpha1.IAMPolicy]
	Profiles  Collection[*v1alpha1.IAMInstanceProfile]
	Providers Collection[*v1alpha1.IAMOIDCProvider]
	Keys      Collection[*AccessKey]
}

// AccessKey is a user's long-lived credential.
type AccessKey struct {
	// ID as AKIA….
	ID string
	// User owns it, by name; UserID tells it from a later user of the same name.
	User, UserID string
	// Secret is what its signatures are made with.
	Secret string
	// Inactive keys are refused.
	Inactive bool
	Created  time.Time
}

// NotFoundError says that there is no such thing.
type NotFoundError struct {
	// Kind as IAM calls it in its messages: user, role, policy …
	Kind, Name string
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("The %s with name %s cannot be found.", e.Kind, e.Name)
}

// ExistsError says that there is one already.
type ExistsError struct{ Kind, Name string }

func (e *ExistsError) Error() string {
	return fmt.Sprintf("%s with name %s already exists.", strings.ToUpper(e.Kind[:1])+e.Kind[1:], e.Name)
}

// ConflictError says that others kept changing the thing: the request can be made again.
type ConflictError struct{ Kind, Name string }

func (e *ConflictError) Error() string {
	return fmt.Sprintf("The %s %s is being changed by others. Please try again.", e.Kind, e.Name)
}
