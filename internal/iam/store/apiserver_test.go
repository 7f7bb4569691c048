package store

import (
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/test/env"
)

// TestAPIServer holds what the handlers write against the rules of the kinds, which a fake client does not know.
func TestAPIServer(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(env.Start(t), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	system := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace}}
	if err := c.Create(t.Context(), system); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	s := New(c)
	identity := func(name, prefix string) v1alpha1.IAMIdentity {
		return v1alpha1.IAMIdentity{Name: name, Path: "/team/a/", ID: iam.NewID(prefix), Tags: map[string]string{"a b": "c/d"}}
	}
	u := &v1alpha1.IAMUser{Spec: v1alpha1.IAMUserSpec{IAMIdentity: identity("Alice_B@example.com", iam.UserPrefix), IAMPolicies: v1alpha1.IAMPolicies{
		AttachedPolicies: []string{"arn:aws:iam::aws:policy/AdministratorAccess"}, InlinePolicies: map[string]string{"own+1": "{}"}, PermissionsBoundary: "arn:x"}}}
	r := &v1alpha1.IAMRole{Spec: v1alpha1.IAMRoleSpec{IAMIdentity: identity("dev", iam.RolePrefix), TrustPolicy: "{}", MaxSessionSeconds: 43200}}
	p := &v1alpha1.IAMPolicy{Spec: v1alpha1.IAMPolicySpec{IAMIdentity: identity("p", iam.PolicyPrefix), DefaultVersion: "v1", LastVersion: 1,
		Versions: []v1alpha1.IAMPolicyVersion{{ID: "v1", Document: "{}", CreatedAt: metav1.Now()}}}}
	i := &v1alpha1.IAMInstanceProfile{Spec: v1alpha1.IAMInstanceProfileSpec{IAMIdentity: identity("i", iam.InstanceProfilePrefix), Roles: []string{"dev"}}}
	o := &v1alpha1.IAMOIDCProvider{Spec: v1alpha1.IAMOIDCProviderSpec{URL: "https://naru.example/id/ABC", ClientIDs: []string{"sts.amazonaws.com"}}}
	key := &iam.AccessKey{ID: iam.NewID(iam.AccessKeyPrefix), User: "x", UserID: "y", Secret: iam.NewSecret(), Created: time.Now()}
	for _, err := range []error{s.Users.Create(t.Context(), u), s.Roles.Create(t.Context(), r), s.Policies.Create(t.Context(), p),
		s.Profiles.Create(t.Context(), i), s.Providers.Create(t.Context(), o), s.Keys.Create(t.Context(), key)} {
		if err != nil {
			t.Error(err)
		}
	}
	t.Run("when several change the same thing, no change is lost", func(t *testing.T) { changeAtOnce(t, s, u.Spec.Name) })
	for name, change := range map[string]func() error{
		"when an id would change, it is refused": func() error {
			_, err := s.Roles.Update(t.Context(), "dev", func(r *v1alpha1.IAMRole) error { r.Spec.ID = iam.NewID(iam.RolePrefix); return nil })
			return err
		},
		"when the default version does not exist, it is refused": func() error {
			_, err := s.Policies.Update(t.Context(), "p", func(p *v1alpha1.IAMPolicy) error { p.Spec.DefaultVersion = "v9"; return nil })
			return err
		},
		"when a path can't be, it is refused": func() error {
			_, err := s.Users.Update(t.Context(), u.Spec.Name, func(u *v1alpha1.IAMUser) error { u.Spec.Path = "team"; return nil })
			return err
		},
		"when a profile would have two roles, it is refused": func() error {
			_, err := s.Profiles.Update(t.Context(), "i", func(i *v1alpha1.IAMInstanceProfile) error { i.Spec.Roles = []string{"a", "b"}; return nil })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := change(); !apierrors.IsInvalid(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// changeAtOnce lets several add tags to a user who has one.
func changeAtOnce(t *testing.T, s *iam.Store, name string) {
	t.Helper()
	const writers = 4
	done := make(chan error)
	for n := range writers {
		go func() {
			_, err := s.Users.Update(t.Context(), name, func(u *v1alpha1.IAMUser) error { u.Spec.Tags[string(rune('k'+n))] = "v"; return nil })
			done <- err
		}()
	}
	lost := 0
	for range writers {
		var conflict *iam.ConflictError
		if err := <-done; errors.As(err, &conflict) {
			lost++ // it was said
		} else if err != nil {
			t.Error(err)
		}
	}
	got, err := s.Users.Get(t.Context(), name)
	if err != nil || len(got.Spec.Tags) != 1+writers-lost {
		t.Errorf("%v, %v, %d were refused", got.Spec.Tags, err, lost)
	}
}
