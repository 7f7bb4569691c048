package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
)

// SecretType of the Secrets that hold access keys.
const SecretType corev1.SecretType = "naru.dev/access-key"

// labelKey marks the Secrets of access keys, so that a cache need hold no others.
const labelKey = "naru.dev/access-key"

// Keys of such a Secret's data.
const (
	dataID       = "accessKeyID"
	dataSecret   = "secretAccessKey"
	dataUser     = "user"
	dataUserID   = "userID"
	dataInactive = "inactive"
	dataCreated  = "created"
)

// keys keeps access keys.
type keys struct{ client client.Client }

// KeyLabels select the Secrets of access keys.
func KeyLabels() client.MatchingLabels { return client.MatchingLabels{labelKey: "true"} }

func secretName(id string) string { return "access-key-" + strings.ToLower(id) }

func toSecret(key *iam.AccessKey, secret *corev1.Secret) {
	secret.Type = SecretType
	secret.Labels = map[string]string{labelKey: "true"}
	secret.Data = map[string][]byte{
		dataID: []byte(key.ID), dataSecret: []byte(key.Secret), dataUser: []byte(key.User), dataUserID: []byte(key.UserID),
		dataCreated: []byte(key.Created.UTC().Format(time.RFC3339)),
	}
	if key.Inactive {
		secret.Data[dataInactive] = []byte("true")
	}
}

func fromSecret(secret *corev1.Secret) *iam.AccessKey {
	created, err := time.Parse(time.RFC3339, string(secret.Data[dataCreated]))
	if err != nil {
		created = secret.CreationTimestamp.Time
	}
	return &iam.AccessKey{
		ID: string(secret.Data[dataID]), Secret: string(secret.Data[dataSecret]), User: string(secret.Data[dataUser]),
		UserID: string(secret.Data[dataUserID]), Inactive: len(secret.Data[dataInactive]) > 0, Created: created,
	}
}

// Create writes a key.
func (k keys) Create(ctx context.Context, key *iam.AccessKey) error {
	secret := &corev1.Secret{}
	secret.Namespace, secret.Name = v1alpha1.SystemNamespace, secretName(key.ID)
	toSecret(key, secret)
	err := k.client.Create(ctx, secret)
	if apierrors.IsAlreadyExists(err) {
		return &iam.ExistsError{Kind: "access key", Name: key.ID}
	}
	if err != nil {
		return fmt.Errorf("creating access key %s: %w", key.ID, err)
	}
	return nil
}

func (k keys) read(ctx context.Context, id string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := k.client.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: secretName(id)}, secret)
	if apierrors.IsNotFound(err) || err == nil && (secret.Type != SecretType || string(secret.Data[dataID]) != id) {
		return nil, &iam.NotFoundError{Kind: "Access Key", Name: id}
	}
	if err != nil {
		return nil, fmt.Errorf("reading access key %s: %w", id, err)
	}
	return secret, nil
}

// Get reads a key by its id.
func (k keys) Get(ctx context.Context, id string) (*iam.AccessKey, error) {
	secret, err := k.read(ctx, id)
	if err != nil {
		return nil, err
	}
	return fromSecret(secret), nil
}

// List reads all keys.
func (k keys) List(ctx context.Context) ([]*iam.AccessKey, error) {
	list := &corev1.SecretList{}
	if err := k.client.List(ctx, list, client.InNamespace(v1alpha1.SystemNamespace), KeyLabels()); err != nil {
		return nil, fmt.Errorf("listing access keys: %w", err)
	}
	all := make([]*iam.AccessKey, 0, len(list.Items))
	for i := range list.Items {
		if list.Items[i].Type == SecretType {
			all = append(all, fromSecret(&list.Items[i]))
		}
	}
	slices.SortFunc(all, func(a, b *iam.AccessKey) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

// Update changes a key.
func (k keys) Update(ctx context.Context, id string, change func(*iam.AccessKey) error) (*iam.AccessKey, error) {
	var key *iam.AccessKey
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		found, err := k.read(ctx, id)
		if err != nil {
			return err
		}
		secret := found.DeepCopy()
		key = fromSecret(secret)
		if err := change(key); err != nil {
			return err
		}
		toSecret(key, secret)
		return k.client.Update(ctx, secret)
	})
	if apierrors.IsConflict(err) {
		return key, &iam.ConflictError{Kind: "access key", Name: id}
	}
	return key, err
}

// Delete takes a key away: it stops working as soon as whoever verifies has seen that.
func (k keys) Delete(ctx context.Context, id string) error {
	secret, err := k.read(ctx, id)
	if err != nil {
		return err
	}
	if err := k.client.Delete(ctx, secret); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting access key %s: %w", id, err)
	}
	return nil
}
