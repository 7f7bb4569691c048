package cluster

import (
	"context"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/kube/tenant"
	"naru.dev/naru/test/env"
)

// inCluster is the phase of add-ons, on a managed cluster of which there is only a real API server.
type inCluster struct {
	*testing.T
	tenant     client.Client
	controller *Controller
	cluster    *v1alpha1.Cluster
}

func newInCluster(t *testing.T) *inCluster {
	t.Helper()
	config := env.Start(t)
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: tenant.KubeconfigSecret}, Data: map[string][]byte{tenant.KubeconfigKey: kubeconfig(t, config)}}
	hosting := fake.NewClientBuilder().WithScheme(scheme).WithObjects(secret).Build()
	direct, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	c := NewController(hosting, hosting, tenant.New(hosting, scheme), DefaultSettings(), clock.RealClock{})
	cluster := newCluster("demo", "1.37")
	cluster.Generation = 1
	cluster.Spec.Networking.ServiceCIDR = "10.0.0.0/24" // envtest's
	return &inCluster{t, direct, c, cluster}
}

func kubeconfig(t *testing.T, config *rest.Config) []byte {
	t.Helper()
	text, err := clientcmd.Write(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"c": {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"u": {ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}},
		Contexts:       map[string]*clientcmdapi.Context{"x": {Cluster: "c", AuthInfo: "u"}},
		CurrentContext: "x",
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// ask changes what the spec says of an add-on, and runs the phase.
func (c *inCluster) ask(spec v1alpha1.AddonSpec) *v1alpha1.AddonStatus {
	c.Helper()
	c.cluster.Generation++
	if known := c.cluster.FindAddon(spec.Name); known != nil {
		spec.Attempt = known.Attempt + 1
		*known = spec
	} else {
		c.cluster.Spec.Addons = append(c.cluster.Spec.Addons, spec)
	}
	c.pass()
	return c.cluster.FindAddonStatus(spec.Name)
}

func (c *inCluster) pass() {
	c.Helper()
	s := newScope(c.cluster, DefaultSettings())
	s.render.Version, s.render.FrontAddress, s.render.Images = "1.37.1", "100.65.1.2", map[string]string{}
	for _, name := range images {
		s.render.Images[name] = "registry.naru.local/" + name + ":test"
	}
	material := pki.Material{Certificate: []byte("certificate"), Key: []byte("key")}
	s.leaves[pki.MetricsServer], s.authorities[pki.CA] = material, pki.Material{Certificate: []byte("ca\n")}
	if _, err := c.controller.addons(c.Context(), s); err != nil {
		c.Fatal(err)
	}
}

func (c *inCluster) coredns() *appsv1.Deployment {
	c.Helper()
	d := &appsv1.Deployment{}
	if err := c.tenant.Get(c.Context(), client.ObjectKey{Namespace: "kube-system", Name: "coredns"}, d); client.IgnoreNotFound(err) != nil {
		c.Fatal(err)
	}
	return d
}

func (c *inCluster) wantReplicas(want int32) {
	c.Helper()
	if d := c.coredns(); d.Spec.Replicas == nil || *d.Spec.Replicas != want {
		c.Errorf("it has %v replicas, want %d", d.Spec.Replicas, want)
	}
}

// run makes the Deployment's pods available, as a controller manager would.
func (c *inCluster) run() {
	c.Helper()
	d := c.coredns()
	n := *d.Spec.Replicas
	d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n,
		Conditions: []appsv1.DeploymentCondition{{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue, Reason: "MinimumReplicasAvailable"}}}
	if err := c.tenant.Status().Update(c.Context(), d); err != nil {
		c.Fatal(err)
	}
	c.pass()
}

// scale is what kubectl scale does.
func (c *inCluster) scale(replicas string) {
	c.Helper()
	err := c.tenant.Patch(c.Context(), c.coredns(), client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"replicas":`+replicas+`}}`)), client.FieldOwner("somebody"))
	if err != nil {
		c.Fatal(err)
	}
}

func (c *inCluster) want(status *v1alpha1.AddonStatus, condition string, want metav1.ConditionStatus, reason, message string) {
	c.Helper()
	got := meta.FindStatusCondition(status.Conditions, condition)
	if got == nil || got.Status != want || got.Reason != reason || !strings.Contains(got.Message, message) {
		c.Errorf("%s is %+v, want %s, %s: %s", condition, got, want, reason, message)
	}
}

func TestAddons(t *testing.T) {
	c := newInCluster(t)
	c.testApplies(t)
	c.testConflicts(t)
	c.testRefused(t)
	c.testEnds(t)
}

func (c *inCluster) testApplies(t *testing.T) {
	t.Run("when an add-on is configured, its objects are, and it was not observed before its pods run", func(t *testing.T) {
		c.T = t
		status := c.ask(v1alpha1.AddonSpec{Name: "coredns", Conflicts: v1alpha1.ConflictsFail, Configuration: `{"replicaCount":3}`})
		c.wantReplicas(3)
		c.want(status, v1alpha1.AddonApplied, metav1.ConditionTrue, v1alpha1.ReasonReady, "")
		c.want(status, v1alpha1.AddonAvailable, metav1.ConditionFalse, v1alpha1.ReasonProgressing, "0 of 3 pods are available")
		if status.ObservedGeneration != 0 {
			t.Error("it was observed without a pod")
		}
		c.run()
		status = c.cluster.FindAddonStatus("coredns")
		c.want(status, v1alpha1.AddonAvailable, metav1.ConditionTrue, v1alpha1.ReasonReady, "3 of 3")
		if status.ObservedGeneration != c.cluster.Generation {
			t.Errorf("it was observed for %d of %d", status.ObservedGeneration, c.cluster.Generation)
		}
	})
	t.Run("when the next pass has read a cluster of before, it tells of what was applied all the same", func(t *testing.T) {
		c.T = t
		c.cluster.Status.Addons = nil
		c.pass()
		status := c.cluster.FindAddonStatus("coredns")
		c.want(status, v1alpha1.AddonApplied, metav1.ConditionTrue, v1alpha1.ReasonReady, "")
		if status.ObservedGeneration != c.cluster.Generation {
			t.Error("it was not observed")
		}
	})
	t.Run("when a node runs it, there is nothing to apply", func(t *testing.T) {
		c.T = t
		status := c.ask(v1alpha1.AddonSpec{Name: "kube-proxy"})
		c.want(status, v1alpha1.AddonApplied, metav1.ConditionTrue, v1alpha1.ReasonReady, "every node")
		if status.ObservedGeneration != c.cluster.Generation {
			t.Error("it was not observed")
		}
	})
}

func (c *inCluster) testConflicts(t *testing.T) {
	t.Run("when somebody has set a field and conflicts are to fail, nothing is changed and the field is named", func(t *testing.T) {
		c.T = t
		c.scale("5")
		status := c.ask(v1alpha1.AddonSpec{Name: "coredns", Conflicts: v1alpha1.ConflictsFail, Configuration: `{"replicaCount":4,"nodeSelector":{"a":"b"}}`})
		c.want(status, v1alpha1.AddonApplied, metav1.ConditionFalse, v1alpha1.ReasonConflict, `conflict with "somebody" using apps/v1: .spec.replicas`)
		c.wantReplicas(5)
		if c.coredns().Spec.Template.Spec.NodeSelector != nil {
			t.Error("another field was changed")
		}
		if status.ObservedGeneration == c.cluster.Generation {
			t.Error("it was observed")
		}
	})
	t.Run("when the field is to be preserved, the others are changed", func(t *testing.T) {
		c.T = t
		status := c.ask(v1alpha1.AddonSpec{Name: "coredns", Conflicts: v1alpha1.ConflictsPreserve, Configuration: `{"replicaCount":4,"nodeSelector":{"a":"b"}}`})
		c.want(status, v1alpha1.AddonApplied, metav1.ConditionTrue, v1alpha1.ReasonReady, ".spec.replicas")
		c.wantReplicas(5)
		if c.coredns().Spec.Template.Spec.NodeSelector["a"] != "b" {
			t.Error("the other field was not changed")
		}
	})
	t.Run("when it is overwritten, it is as configured, and what is configured no longer is as it comes", func(t *testing.T) {
		c.T = t
		status := c.ask(v1alpha1.AddonSpec{Name: "coredns", Conflicts: v1alpha1.ConflictsOverwrite, Configuration: `{"replicaCount":1}`})
		c.want(status, v1alpha1.AddonApplied, metav1.ConditionTrue, v1alpha1.ReasonReady, "")
		c.wantReplicas(1)
		if c.coredns().Spec.Template.Spec.NodeSelector != nil {
			t.Error("the node selector stayed")
		}
	})
}

func (c *inCluster) testRefused(t *testing.T) {
	t.Run("when the API server refuses it, the reason is told", func(t *testing.T) {
		c.T = t
		status := c.ask(v1alpha1.AddonSpec{Name: "coredns", Configuration: `{"resources":{"requests":{"memory":"1Gi"}}}`})
		c.want(status, v1alpha1.AddonApplied, metav1.ConditionFalse, v1alpha1.ReasonRejected, "must be less than or equal to memory limit")
		c.wantReplicas(1)
	})
	t.Run("when kubectl writes a configuration that can't be, the property is told", func(t *testing.T) {
		c.T = t
		status := c.ask(v1alpha1.AddonSpec{Name: "coredns", Configuration: `{"replicas":2}`})
		c.want(status, v1alpha1.AddonApplied, metav1.ConditionFalse, v1alpha1.ReasonRejected, "additional properties 'replicas' not allowed")
	})
}

func (c *inCluster) testEnds(t *testing.T) {
	t.Run("when it is released, it stays and others may change it", func(t *testing.T) {
		c.T = t
		c.ask(v1alpha1.AddonSpec{Name: "coredns", Management: v1alpha1.AddonReleased})
		c.scale("7")
		c.pass()
		c.wantReplicas(7)
		c.want(c.cluster.FindAddonStatus("coredns"), v1alpha1.AddonApplied, metav1.ConditionTrue, v1alpha1.ReasonReleased, "")
	})
	t.Run("when it is removed, its objects go, but not one of the same name that is not Naru's", func(t *testing.T) {
		c.T = t
		mine := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "coredns"}}
		if err := c.tenant.Delete(t.Context(), mine.DeepCopy()); err != nil {
			t.Fatal(err)
		}
		if err := c.tenant.Create(t.Context(), mine); err != nil {
			t.Fatal(err)
		}
		status := c.ask(v1alpha1.AddonSpec{Name: "coredns", Management: v1alpha1.AddonRemoved})
		c.want(status, v1alpha1.AddonApplied, metav1.ConditionTrue, v1alpha1.ReasonRemoved, "")
		if d := c.coredns(); d.UID != "" {
			t.Error("the Deployment is still there")
		}
		if gone(t.Context(), c.tenant, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-dns"}}) != true || gone(t.Context(), c.tenant, mine) {
			t.Error("the Service stayed, or somebody's service account went")
		}
	})
	t.Run("when it is wanted again, it comes", func(t *testing.T) {
		c.T = t
		c.ask(v1alpha1.AddonSpec{Name: "coredns"})
		c.wantReplicas(2)
	})
}

func gone(ctx context.Context, c client.Client, object client.Object) bool {
	return apierrors.IsNotFound(c.Get(ctx, client.ObjectKeyFromObject(object), object))
}
