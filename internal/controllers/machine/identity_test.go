package machine

import (
	"crypto/tls"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/pki"
)

type identities struct {
	*Controller
	clock     *testclock.FakePassiveClock
	scope     *scope
	authority pki.Material
}

func newIdentities(t *testing.T) *identities {
	clock := testclock.NewFakePassiveClock(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC))
	hosting := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).Build()
	w := &identities{Controller: NewController(hosting, nil, nil, clock), clock: clock,
		scope: &scope{machine: &v1alpha1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: "workers-1", UID: "u-1"}}}}
	w.authority = w.newAuthority(t)
	return w
}

func (w *identities) newAuthority(t *testing.T) pki.Material {
	t.Helper()
	authority, err := pki.NewCA("naru:demo", w.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

func (w *identities) ask(t *testing.T) string {
	t.Helper()
	identity, err := w.identity(t.Context(), w.scope, w.authority)
	if err != nil {
		t.Fatal(err)
	}
	return string(identity.Certificate)
}

func TestIdentity(t *testing.T) {
	w := newIdentities(t)
	identity, err := w.identity(t.Context(), w.scope, w.authority)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(identity.Certificate, identity.Key)
	if err != nil {
		t.Fatal(err)
	}
	if got, left := pair.Leaf.Subject.String(), pair.Leaf.NotAfter.Sub(w.clock.Now()); got != "CN=system:node:workers-1,O=system:nodes" || left != time.Hour {
		t.Errorf("a machine is its node, for an hour: got %s, for %s", got, left)
	}
	first := string(identity.Certificate)
	if w.ask(t) != first {
		t.Error("when it is asked again, the identity is the same")
	}
	w.clock.SetTime(w.clock.Now().Add(55 * time.Minute))
	second := w.ask(t)
	if second == first {
		t.Error("when the certificate is near its end, there is another")
	}
	w.authority = w.newAuthority(t)
	if w.ask(t) == second {
		t.Error("when another authority signs, there is another")
	}
	w.scope.node = node(corev1.ConditionTrue, "")
	if w.ask(t) != "" {
		t.Error("when the machine has joined, it is given none")
	}
	err = w.hosting.Get(t.Context(), client.ObjectKey{Namespace: "naru-demo", Name: "workers-1-identity"}, &corev1.Secret{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("when the machine has joined, it is kept nowhere: %v", err)
	}
}

func TestIdentityOfEarlierMachine(t *testing.T) {
	w := newIdentities(t)
	w.ask(t)
	w.scope = &scope{machine: &v1alpha1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: "workers-1", UID: "u-2"}}}
	if identity, err := w.identity(t.Context(), w.scope, w.authority); err == nil || identity.Key != nil {
		t.Error("when an earlier machine's identity is still there, it is not taken for this one's")
	}
	w.scope.node = node(corev1.ConditionTrue, "")
	if w.ask(t) != "" {
		t.Error("and nothing is done to it")
	}
	if err := w.hosting.Get(t.Context(), client.ObjectKey{Namespace: "naru-demo", Name: "workers-1-identity"}, &corev1.Secret{}); err != nil {
		t.Error(err)
	}
}
