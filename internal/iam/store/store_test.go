package store

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
)

func world(t *testing.T) (*iam.Store, client.Client) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c := fake.NewClientBuilder().WithScheme(scheme).Build()
	return New(c), c
}

func user(name string) *v1alpha1.IAMUser {
	u := &v1alpha1.IAMUser{}
	u.Spec.Name, u.Spec.Path, u.Spec.ID = name, "/", iam.NewID(iam.UserPrefix)
	return u
}

func TestCollection(t *testing.T) {
	store, _ := world(t)
	for _, name := range []string{"bob", "Alice@example.com"} {
		if err := store.Users.Create(t.Context(), user(name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("when the name differs in case only, it is the same", func(t *testing.T) {
		got, err := store.Users.Get(t.Context(), "alice@EXAMPLE.com")
		if err != nil || got.Spec.Name != "Alice@example.com" {
			t.Errorf("%v, %v", got.Spec.Name, err)
		}
		var exists *iam.ExistsError
		if err := store.Users.Create(t.Context(), user("BOB")); !errors.As(err, &exists) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("when listed, they are in order", func(t *testing.T) {
		all, err := store.Users.List(t.Context())
		if err != nil || len(all) != 2 || all[0].Spec.Name != "Alice@example.com" {
			t.Errorf("%v, %v", all, err)
		}
	})
	t.Run("when changed, it is written; when the change errs, it is not", func(t *testing.T) {
		refused := errors.New("refused")
		change := func(err error) func(*v1alpha1.IAMUser) error {
			return func(u *v1alpha1.IAMUser) error { u.Spec.Tags = map[string]string{"a": "b"}; return err }
		}
		if _, err := store.Users.Update(t.Context(), "bob", change(refused)); !errors.Is(err, refused) {
			t.Errorf("got %v", err)
		}
		if got, err := store.Users.Get(t.Context(), "bob"); err != nil || len(got.Spec.Tags) != 0 {
			t.Errorf("%v, %v", got.Spec.Tags, err)
		}
		if _, err := store.Users.Update(t.Context(), "bob", change(nil)); err != nil {
			t.Error(err)
		}
		if got, err := store.Users.Get(t.Context(), "bob"); err != nil || got.Spec.Tags["a"] != "b" {
			t.Errorf("%v, %v", got.Spec.Tags, err)
		}
	})
	t.Run("when deleted, it is gone", func(t *testing.T) {
		var missing *iam.NotFoundError
		if err := store.Users.Delete(t.Context(), "bob"); err != nil {
			t.Error(err)
		}
		if err := store.Users.Delete(t.Context(), "bob"); !errors.As(err, &missing) || missing.Error() != "The user with name bob cannot be found." {
			t.Errorf("got %v", err)
		}
	})
}

func TestObjectName(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"alice", "alice.b", "a..b", "a.-b", "-a", "a_b", "a+b", "a=b", "@", "oidc.example/id/1", "x", "AmazonEKS-", "a-", "team/a"} {
		object := objectName(name)
		if problems := validation.IsDNS1123Subdomain(object); len(problems) > 0 {
			t.Errorf("%q becomes %q: %v", name, object, problems)
		}
		if other, twice := seen[object]; twice {
			t.Errorf("%q and %q both become %q", name, other, object)
		}
		seen[object] = name
	}
}

func TestKeys(t *testing.T) {
	store, c := world(t)
	key := &iam.AccessKey{ID: "AKIAIOSFODNN7EXAMPLE", User: "alice", UserID: "AIDA1", Secret: "s", Created: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	if err := store.Keys.Create(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if got, err := store.Keys.Get(t.Context(), key.ID); err != nil || !cmp.Equal(got, key) {
		t.Errorf("when read again, it is the same: %s, %v", cmp.Diff(key, got), err)
	}
	if _, err := store.Keys.Update(t.Context(), key.ID, func(k *iam.AccessKey) error { k.Inactive = true; return nil }); err != nil {
		t.Error(err)
	}
	if got, err := store.Keys.List(t.Context()); err != nil || len(got) != 1 || !got[0].Inactive {
		t.Errorf("when made inactive, it is so: %v, %v", got, err)
	}
	t.Run("when a Secret of another kind has the name, it is no key", func(t *testing.T) {
		other := &corev1.Secret{Data: map[string][]byte{"accessKeyID": []byte("AKIAOTHEROTHEROTHER0")}}
		other.Namespace, other.Name = v1alpha1.SystemNamespace, "access-key-akiaotherotherother0"
		if err := c.Create(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		var missing *iam.NotFoundError
		if _, err := store.Keys.Get(t.Context(), "AKIAOTHEROTHEROTHER0"); !errors.As(err, &missing) {
			t.Errorf("got %v", err)
		}
	})
}
