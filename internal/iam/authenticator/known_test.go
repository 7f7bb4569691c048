package authenticator

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	certificates "naru.dev/naru/internal/controllers/authenticator"
	"naru.dev/naru/internal/iam/bootstrap"
)

func (w *world) secret(name string) *corev1.Secret {
	w.t.Helper()
	secret := &corev1.Secret{}
	if err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: name}, secret); err != nil {
		w.t.Fatal(err)
	}
	return secret
}

// certify makes the certificates that are missing.
func (w *world) certify() {
	w.t.Helper()
	if _, err := certificates.NewController(w.client, w.client, "100.65.0.21", clock.RealClock{}).Reconcile(w.t.Context(), ctrl.Request{}); err != nil {
		w.t.Fatal(err)
	}
}

// shown is the certificate that the next handshake gets.
func shown(t *testing.T, k *known) *x509.Certificate {
	t.Helper()
	config, err := k.config(nil)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(config.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func TestKnown(t *testing.T) {
	w := newWorld(t)
	k := &known{live: w.client, store: w.store, now: time.Now}
	if err := k.read(t.Context()); err == nil {
		t.Error("when there is no certificate yet, it does not begin")
	}
	if _, err := k.config(nil); err == nil {
		t.Error("when there is no certificate yet, no handshake succeeds")
	}
	w.certify()
	if err := k.await(t.Context(), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	first := shown(t, k)
	if identity, err := k.Lookup(t.Context(), w.key.ID, ""); err != nil || identity.Caller.ARN != adminARN() {
		t.Errorf("when the account is there, it knows whose a key is: %+v, %v", identity.Caller, err)
	}

	own := w.secret(v1alpha1.SecretAuthenticator)
	own.Data[corev1.TLSCertKey] = []byte("x")
	if err := w.client.Update(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	if err := k.read(t.Context()); err == nil || !shown(t, k).Equal(first) {
		t.Errorf("when the certificate can't be read, it says so and shows the last one: %v", err)
	}
	w.certify()
	if err := k.read(t.Context()); err != nil || shown(t, k).Equal(first) {
		t.Errorf("when there is a new certificate, it shows it: %v", err)
	}

	if err := w.client.Delete(t.Context(), w.secret(bootstrap.SecretName)); err != nil {
		t.Fatal(err)
	}
	_ = k.read(t.Context())
	var missing *bootstrap.NotReadyError
	if _, err := k.Lookup(t.Context(), w.key.ID, ""); !errors.As(err, &missing) {
		t.Errorf("when the account is gone, nobody is known: %v", err)
	}
}
