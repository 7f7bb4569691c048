package authenticator

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/pki"
)

const address = "100.65.0.21"

type world struct {
	*Controller
	t     *testing.T
	clock *testingclock.FakePassiveClock
}

func newWorld(t *testing.T) world {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).Build()
	clock := testingclock.NewFakePassiveClock(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC))
	return world{NewController(c, c, address, clock), t, clock}
}

// pass reconciles once and returns when it wants another pass, and the two Secrets.
func (w world) pass() (after time.Duration, authority, own *corev1.Secret) {
	w.t.Helper()
	result, err := w.Reconcile(w.t.Context(), request())
	if err != nil {
		w.t.Fatal(err)
	}
	authority, own = &corev1.Secret{}, &corev1.Secret{}
	for name, object := range map[string]*corev1.Secret{v1alpha1.SecretAuthenticatorCA: authority, v1alpha1.SecretAuthenticator: own} {
		if err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: name}, object); err != nil {
			w.t.Fatal(err)
		}
	}
	return result.RequeueAfter, authority, own
}

// accepted tells whether API servers that trust what an authority's Secret holds accept the authenticator's certificate.
func (w world) accepted(authority, own *corev1.Secret) error {
	w.t.Helper()
	pair, err := tls.X509KeyPair(own.Data[corev1.TLSCertKey], own.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		w.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		w.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.Data[corev1.TLSCertKey])
	for _, name := range []string{v1alpha1.AuthenticatorHost, address} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: w.clock.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err != nil {
			return err
		}
	}
	return nil
}

func TestReconcile(t *testing.T) {
	w := newWorld(t)
	after, authority, first := w.pass()
	if err := w.accepted(authority, first); err != nil || string(first.Data[authorityKey]) != string(authority.Data[corev1.TLSCertKey]) {
		t.Errorf("when there was nothing, it makes an authority and a certificate of it: %v", err)
	}
	if len(first.Data) != 3 {
		t.Errorf("when the certificate is written, the authority's key is not with it: %d keys", len(first.Data))
	}
	if after != slow {
		t.Errorf("when the renewal is far away, it looks again after %s, want %s", after, slow)
	}
	if _, _, again := w.pass(); string(again.Data[corev1.TLSCertKey]) != string(first.Data[corev1.TLSCertKey]) {
		t.Error("when nothing has changed, it stays")
	}
	w.clock.SetTime(w.clock.Now().Add(pki.LeafLifetime * 7 / 10))
	_, same, renewed := w.pass()
	if string(renewed.Data[corev1.TLSCertKey]) == string(first.Data[corev1.TLSCertKey]) || string(same.Data[corev1.TLSCertKey]) != string(authority.Data[corev1.TLSCertKey]) {
		t.Error("when two thirds of its life are over, the certificate is renewed, and the authority stays")
	}
	if err := w.client.Delete(t.Context(), same); err != nil {
		t.Fatal(err)
	}
	_, other, changed := w.pass()
	if err := w.accepted(other, changed); err != nil || w.accepted(same, changed) == nil || string(changed.Data[authorityKey]) != string(other.Data[corev1.TLSCertKey]) {
		t.Errorf("when the authority was deleted, there is another, and the certificate is its: %v", err)
	}
}

func TestOfSecret(t *testing.T) {
	for _, test := range []struct {
		name, namespace, secret string
		want                    int
	}{
		{"when the certificate changes, it looks", v1alpha1.SystemNamespace, v1alpha1.SecretAuthenticator, 1},
		{"when the authority changes, it looks", v1alpha1.SystemNamespace, v1alpha1.SecretAuthenticatorCA, 1},
		{"when another Secret changes, it does not", v1alpha1.SystemNamespace, "iam", 0},
		{"when a cluster has one of that name, it does not", "naru-prod", v1alpha1.SecretAuthenticator, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			object := &corev1.Secret{}
			object.Namespace, object.Name = test.namespace, test.secret
			if got := len(ofSecret(t.Context(), object)); got != test.want {
				t.Errorf("%d requests, want %d", got, test.want)
			}
		})
	}
}
