package bootstrap

import (
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/store"
)

func TestEnsure(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c := fake.NewClientBuilder().WithScheme(scheme).Build()
	var missing *NotReadyError
	if _, err := Load(t.Context(), c); !errors.As(err, &missing) {
		t.Errorf("when nothing is there, it says so: %v", err)
	}
	if _, err := Ensure(t.Context(), c, "12", time.Now()); err == nil {
		t.Error("when the id can't be, it is refused")
	}
	first, err := Ensure(t.Context(), c, "", time.Now())
	if err != nil || !iam.ValidAccountID(first.ID) {
		t.Fatalf("%q, %v", first.ID, err)
	}
	s := store.New(c)
	key, err := KeyOf(t.Context(), s, AdminUser)
	if err != nil {
		t.Fatal(err)
	}
	access, err := first.Access(s, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	identity, err := access.Lookup(t.Context(), key.ID, "")
	if err != nil || identity.Secret != key.Secret {
		t.Errorf("when it was made, the key is good: %v", err)
	}
	decision, err := access.Authorize(t.Context(), identity.Caller, iam.Request{Action: "iam:CreateUser", Resource: "*"})
	if err != nil || !decision.Allowed {
		t.Errorf("when it was made, the user may do everything: %+v, %v", decision, err)
	}
	if again, err := Ensure(t.Context(), c, "111122223333", time.Now()); err != nil || again.ID != first.ID {
		t.Errorf("when it is there, it stays: %q, %v", again.ID, err)
	}
	if err := s.Keys.Delete(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	var none *iam.NotFoundError
	if _, err := KeyOf(t.Context(), s, AdminUser); !errors.As(err, &none) {
		t.Errorf("when the key is gone, it says so: %v", err)
	}
}
