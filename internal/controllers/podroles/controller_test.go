package podroles

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/kube/tenant"
	"naru.dev/naru/internal/platform"
	"naru.dev/naru/internal/podroles"
	"naru.dev/naru/test/env"
)

// world is a hosting cluster that is its own managed cluster, too.
type world struct {
	*Controller
	c     client.Client
	clock *clocktesting.FakeClock
}

func newWorld(t *testing.T) *world {
	t.Helper()
	config := env.Start(t)
	c, err := platform.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := pki.Kubeconfig("prod", config.Host, config.CAData, pki.Material{Certificate: config.CertData, Key: config.KeyData})
	if err != nil {
		t.Fatal(err)
	}
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "prod"}, Spec: v1alpha1.ClusterSpec{Version: "1.37"}}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace}}, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.Namespace("prod")}}, cluster,
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.Namespace("prod"), Name: tenant.KubeconfigSecret}, Data: map[string][]byte{tenant.KubeconfigKey: kubeconfig}},
	} {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	conditions.True(cluster, v1alpha1.ClusterBootstrapped, v1alpha1.ReasonReady, "for the test")
	if err := c.Status().Update(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	w := &world{c: c, clock: clocktesting.NewFakeClock(time.Now())}
	w.Controller = NewController(c, tenant.New(c, c.Scheme()), "100.65.0.22", podroles.DefaultRegion, w.clock)
	return w
}

func (w *world) pass(t *testing.T) {
	t.Helper()
	if _, err := w.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Name: "prod"}}); err != nil {
		t.Fatal(err)
	}
}

// told is what the cluster has been told of associations; nil: nothing.
func (w *world) told(t *testing.T, name string) map[string]string {
	t.Helper()
	config := &corev1.ConfigMap{}
	if err := w.c.Get(t.Context(), client.ObjectKey{Namespace: podroles.ConfigNamespace, Name: name}, config); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	return config.Data
}

func TestController(t *testing.T) {
	w := newWorld(t)
	w.pass(t)
	if got := w.told(t, podroles.ConfigName); got != nil {
		t.Fatalf("when naru server has no certificate yet, clusters are told nothing: %v", got)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: podroles.ServerSecret}, Data: map[string][]byte{podroles.ServerCAKey: []byte("PEM\n")}}
	if err := w.c.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if requests := w.all(t.Context(), secret); len(requests) != 1 {
		t.Errorf("when it has one, every cluster hears of it: %v", requests)
	}
	a := &v1alpha1.PodIdentityAssociation{Spec: v1alpha1.PodIdentityAssociationSpec{Namespace: "web", ServiceAccount: "app", RoleARN: "arn:aws:iam::111122223333:role/app"}}
	a.Namespace, a.Name = v1alpha1.Namespace("prod"), v1alpha1.PodIdentityAssociationName("web", "app")
	if err := w.c.Create(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	w.pass(t)
	want := map[string]string{podroles.ConfigCluster: "prod", podroles.ConfigServer: "https://100.65.0.22", podroles.ConfigCA: "PEM\n"}
	if diff := cmp.Diff(want, w.told(t, podroles.ConfigName)); diff != "" {
		t.Errorf("when it is told where to ask (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"web_app": a.Name}, w.told(t, podroles.AssociationsName)); diff != "" {
		t.Errorf("when there is an association, it is told (-want +got):\n%s", diff)
	}
	if err := w.c.Delete(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	w.pass(t)
	if got := w.told(t, podroles.AssociationsName); len(got) != 0 {
		t.Errorf("when the association is gone, it is told no more: %v", got)
	}
	if err := w.c.Delete(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: podroles.ConfigNamespace, Name: podroles.ConfigName}}); err != nil {
		t.Fatal(err)
	}
	w.clock.Step(again)
	w.pass(t)
	if w.told(t, podroles.ConfigName) == nil {
		t.Errorf("when somebody takes it away, it comes back")
	}
}
