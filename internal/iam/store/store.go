// Package store keeps identities in the hosting cluster: users, roles and policies as objects of Naru's kinds, access
// keys as Secrets in naru-system, which are encrypted at rest.
package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
)

// New returns the store of a hosting cluster. With a client that reads from a cache, what was just written is seen
// a moment later, as on AWS.
func New(c client.Client) *iam.Store {
	return &iam.Store{
		Users: collection[*v1alpha1.IAMUser, *v1alpha1.IAMUserList]{c, "user",
			func() *v1alpha1.IAMUser { return &v1alpha1.IAMUser{} }, func() *v1alpha1.IAMUserList { return &v1alpha1.IAMUserList{} },
			func(o *v1alpha1.IAMUser) string { return o.Spec.Name }},
		Roles: collection[*v1alpha1.IAMRole, *v1alpha1.IAMRoleList]{c, "role",
			func() *v1alpha1.IAMRole { return &v1alpha1.IAMRole{} }, func() *v1alpha1.IAMRoleList { return &v1alpha1.IAMRoleList{} },
			func(o *v1alpha1.IAMRole) string { return o.Spec.Name }},
		Policies: collection[*v1alpha1.IAMPolicy, *v1alpha1.IAMPolicyList]{c, "policy",
			func() *v1alpha1.IAMPolicy { return &v1alpha1.IAMPolicy{} }, func() *v1alpha1.IAMPolicyList { return &v1alpha1.IAMPolicyList{} },
			func(o *v1alpha1.IAMPolicy) string { return o.Spec.Name }},
		Profiles: collection[*v1alpha1.IAMInstanceProfile, *v1alpha1.IAMInstanceProfileList]{c, "instance profile",
			func() *v1alpha1.IAMInstanceProfile { return &v1alpha1.IAMInstanceProfile{} }, func() *v1alpha1.IAMInstanceProfileList { return &v1alpha1.IAMInstanceProfileList{} },
			func(o *v1alpha1.IAMInstanceProfile) string { return o.Spec.Name }},
		Providers: collection[*v1alpha1.IAMOIDCProvider, *v1alpha1.IAMOIDCProviderList]{c, "OpenIDConnect provider",
			func() *v1alpha1.IAMOIDCProvider { return &v1alpha1.IAMOIDCProvider{} }, func() *v1alpha1.IAMOIDCProviderList { return &v1alpha1.IAMOIDCProviderList{} },
			func(o *v1alpha1.IAMOIDCProvider) string { return strings.TrimPrefix(o.Spec.URL, "https://") }},
		Keys: keys{c},
	}
}

// collection keeps objects of one kind. It names them after what IAM calls them.
type collection[T client.Object, L client.ObjectList] struct {
	client  client.Client
	kind    string
	newOne  func() T
	newList func() L
	name    func(T) string
}

var plain = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,60}[a-z0-9])?$`)

// objectName is the name of the object that stands for an IAM name: itself in lower case where Kubernetes allows
// that, or else a readable form with a hash.
func objectName(name string) string {
	lower := strings.ToLower(name)
	if plain.MatchString(lower) && !strings.Contains(lower, "..") && !strings.Contains(lower, ".-") && !strings.Contains(lower, "-.") {
		return lower
	}
	readable := strings.Map(func(r rune) rune {
		if ('a' <= r && r <= 'z') || ('0' <= r && r <= '9') {
			return r
		}
		return '-'
	}, lower)
	readable = strings.Trim(readable[:min(len(readable), 40)], "-")
	sum := sha256.Sum256([]byte(lower))
	return strings.TrimPrefix(readable+"-"+hex.EncodeToString(sum[:8]), "-")
}

// Create writes a thing.
func (c collection[T, L]) Create(ctx context.Context, thing T) error {
	name := c.name(thing)
	thing.SetName(objectName(name))
	err := c.client.Create(ctx, thing)
	if apierrors.IsAlreadyExists(err) {
		return &iam.ExistsError{Kind: c.kind, Name: name}
	}
	if err != nil {
		return fmt.Errorf("creating %s %q: %w", c.kind, name, err)
	}
	return nil
}

// Get reads a thing.
func (c collection[T, L]) Get(ctx context.Context, name string) (T, error) {
	thing := c.newOne()
	err := c.client.Get(ctx, client.ObjectKey{Name: objectName(name)}, thing)
	if apierrors.IsNotFound(err) || err == nil && !strings.EqualFold(c.name(thing), name) {
		return thing, &iam.NotFoundError{Kind: c.kind, Name: name}
	}
	if err != nil {
		return thing, fmt.Errorf("reading %s %q: %w", c.kind, name, err)
	}
	return thing, nil
}

// List reads all.
func (c collection[T, L]) List(ctx context.Context) ([]T, error) {
	list := c.newList()
	if err := c.client.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing every %s: %w", c.kind, err)
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return nil, fmt.Errorf("listing every %s: %w", c.kind, err)
	}
	things := make([]T, 0, len(items))
	for _, item := range items {
		if thing, ok := item.(T); ok {
			things = append(things, thing)
		}
	}
	slices.SortFunc(things, func(a, b T) int { return strings.Compare(c.name(a), c.name(b)) })
	return things, nil
}

// Update changes a thing.
func (c collection[T, L]) Update(ctx context.Context, name string, change func(T) error) (T, error) {
	var thing T
	err := retry.RetryOnConflict(retry.DefaultRetry, func() (err error) {
		if thing, err = c.Get(ctx, name); err != nil {
			return err
		}
		copied, ok := thing.DeepCopyObject().(T) // what a cache gave is not to be changed
		if !ok {
			return fmt.Errorf("copying %s %q: it has another type", c.kind, name)
		}
		thing = copied
		if err := change(thing); err != nil {
			return err
		}
		return c.client.Update(ctx, thing)
	})
	switch {
	case apierrors.IsConflict(err):
		return thing, &iam.ConflictError{Kind: c.kind, Name: name}
	case apierrors.IsNotFound(err):
		return thing, &iam.NotFoundError{Kind: c.kind, Name: name}
	}
	return thing, err
}

// Delete takes a thing away.
func (c collection[T, L]) Delete(ctx context.Context, name string) error {
	thing, err := c.Get(ctx, name)
	if err != nil {
		return err
	}
	uid := thing.GetUID()
	err = c.client.Delete(ctx, thing, client.Preconditions{UID: &uid})
	if apierrors.IsNotFound(err) {
		return &iam.NotFoundError{Kind: c.kind, Name: name}
	}
	if err != nil {
		return fmt.Errorf("deleting %s %q: %w", c.kind, name, err)
	}
	return nil
}
