package cluster

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controllers/authenticator"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/install"
	"naru.dev/naru/internal/kube/apply"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/kube/tenant"
	"naru.dev/naru/internal/kube/tenantwatch"
	"naru.dev/naru/test/env"
)

var images = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "coredns", "konnectivity-server",
	"metrics-server", "haproxy", "naru"}

// start runs the controller against a real API server, in which no pod ever runs.
func start(t *testing.T) client.Client {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	config := env.Start(t)
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{Scheme: scheme, Metrics: server.Options{BindAddress: "0"}})
	if err != nil {
		t.Fatal(err)
	}
	direct, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	prepare(t, direct)
	settings := DefaultSettings()
	certificates := authenticator.NewController(manager.GetClient(), manager.GetAPIReader(), settings.Authenticator, clock.RealClock{})
	if err := certificates.SetupWithManager(manager); err != nil {
		t.Fatal(err)
	}
	tenants := tenant.New(manager.GetClient(), scheme)
	watches, err := tenantwatch.New(tenants, logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	c := NewController(manager.GetClient(), manager.GetAPIReader(), tenants, settings, clock.RealClock{})
	if err := c.SetupWithManager(manager, watches); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- manager.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
			if err := pprof.Lookup("goroutine").WriteTo(t.Output(), 1); err != nil {
				t.Error(err)
			}
		}
	})
	return direct
}

func prepare(t *testing.T, c client.Client) {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace}}
	if err := c.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	objects, err := install.Render(install.Data{Image: "registry.naru.local/naru:test", Replicas: 1, Authenticator: "10.0.0.21", PodRoles: "10.0.0.22"})
	if err != nil {
		t.Fatal(err)
	}
	if err := apply.Objects(t.Context(), c, objects...); err != nil {
		t.Fatal(err)
	}
	release := &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: "1.37"}, Spec: v1alpha1.ReleaseSpec{Version: "1.37.1", Images: map[string]string{}}}
	for _, name := range images {
		release.Spec.Images[name] = "registry.naru.local/" + name + ":test"
	}
	if err := c.Create(t.Context(), release); err != nil {
		t.Fatal(err)
	}
}

func newCluster(name, version string) *v1alpha1.Cluster {
	return &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ClusterSpec{
		Version:      version,
		ControlPlane: v1alpha1.ControlPlaneSpec{Replicas: 3},
		Networking:   v1alpha1.NetworkingSpec{PodCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/16"},
	}}
}

// eventually reads object until check says that it is as it should be.
func eventually(t *testing.T, c client.Client, object client.Object, check func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last string
	for {
		if err := c.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			last = err.Error()
		} else if last = check(); last == "" {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%T %s: %s", object, object.GetName(), last)
		case <-tick.C:
		}
	}
}

func TestController(t *testing.T) {
	c := start(t)

	t.Run("when a cluster is created, it writes the whole control plane at once", func(t *testing.T) { testWritesControlPlane(t, c) })
	t.Run("when an API server answers, it starts what works through it", func(t *testing.T) { testStartsWhatNeedsTheAPI(t, c) })
	t.Run("when a Deployment is changed by hand, it is put right", func(t *testing.T) { testPutsRight(t, c) })
	t.Run("when the authenticator's authority is another, API servers get certificates of it", func(t *testing.T) { testFollowsAuthority(t, c) })
	t.Run("when another cluster is created, it has another port", func(t *testing.T) { testGivesAnotherPort(t, c) })
	t.Run("when users may come from elsewhere, it is said once who publishes the front says so", func(t *testing.T) { testLimitsEndpoint(t, c) })
	t.Run("when a tier has no room, the control plane comes as standard and says why, until there is room", func(t *testing.T) { testWaitsForRoom(t, c) })
	t.Run("when there is an identity provider, API servers are given it", func(t *testing.T) { testWritesProvider(t, c) })
	t.Run("when a renewal is asked for, all certificates and kubeconfigs are new, and the authorities as they were", func(t *testing.T) { testRenews(t, c) })
	t.Run("when another authority is to sign, it is trusted first", func(t *testing.T) { testTrustsAnother(t, c) })
	t.Run("when there were many revisions, the active one and the last ten are kept", func(t *testing.T) { testPrunesRevisions(t, c) })
	t.Run("when the version does not exist, it names those that do", func(t *testing.T) { testNamesReleases(t, c) })
	t.Run("when a cluster is protected, its deletion is refused with the remedy", func(t *testing.T) { testRefusesProtected(t, c) })
}

func testWritesControlPlane(t *testing.T, c client.Client) {
	cluster := newCluster("demo", "1.37")
	if err := c.Create(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	eventually(t, c, &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: "etcd"}}, func() string { return "" })
	eventually(t, c, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: "kube-apiserver"}}, func() string { return "" })
	eventually(t, c, &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: "front"}}, func() string { return "" })
	eventually(t, c, cluster, func() string {
		switch {
		case cluster.Status.Endpoint.Port != 6443:
			return "no port"
		case !conditions.IsTrue(cluster, v1alpha1.ClusterPKIReady):
			return "no certificates"
		case conditions.Get(cluster, v1alpha1.ClusterReady) == nil:
			return "no summary"
		case conditions.IsTrue(cluster, v1alpha1.ClusterReady):
			return "ready without a pod"
		}
		return ""
	})
}

func testStartsWhatNeedsTheAPI(t *testing.T, c client.Client) {
	members := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: "etcd"}}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(members), members); err != nil {
		t.Fatal(err)
	}
	members.Status = appsv1.StatefulSetStatus{ObservedGeneration: members.Generation, Replicas: 3, ReadyReplicas: 2}
	if err := c.Status().Update(t.Context(), members); err != nil {
		t.Fatal(err)
	}
	runServer(t, c)
	for _, name := range []string{"kube-controller-manager", "kube-scheduler", "karpenter"} {
		eventually(t, c, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: name}}, func() string { return "" })
	}
	servers := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: "kube-apiserver"}}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(servers), servers); err != nil {
		t.Fatal(err)
	}
	servers.Status = appsv1.DeploymentStatus{ObservedGeneration: servers.Generation, Replicas: 3, UpdatedReplicas: 3, ReadyReplicas: 1, AvailableReplicas: 1}
	if err := c.Status().Update(t.Context(), servers); err != nil {
		t.Fatal(err)
	}
}

// runServer makes a pod of an API server that answers, and is not ready.
func runServer(t *testing.T, c client.Client) {
	t.Helper()
	secret := &corev1.Secret{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "naru-demo", Name: "apiserver"}, secret); err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(secret.Data[pki.CertificateKey], secret.Data[pki.PrivateKey])
	if err != nil {
		t.Fatal(err)
	}
	const address = "127.0.0.77"
	listener, err := tls.Listen("tcp", net.JoinHostPort(address, "6443"), &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: "kube-apiserver-1", Labels: map[string]string{v1alpha1.LabelComponent: "kube-apiserver"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "kube-apiserver", Image: "registry.naru.local/kube-apiserver:test"}}},
	}
	if err := c.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	pod.Status.PodIP, pod.Status.PodIPs = address, []corev1.PodIP{{IP: address}}
	if err := c.Status().Update(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
}

func testPutsRight(t *testing.T, c client.Client) {
	servers := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: "kube-apiserver"}}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"replicas":7}}`))
	if err := c.Patch(t.Context(), servers, patch); err != nil {
		t.Fatal(err)
	}
	eventually(t, c, servers, func() string {
		if *servers.Spec.Replicas != 3 {
			return "replicas were not put right"
		}
		return ""
	})
}

func testFollowsAuthority(t *testing.T, c client.Client) {
	authority := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: v1alpha1.SecretAuthenticatorCA}}
	if err := c.Delete(t.Context(), authority); err != nil {
		t.Fatal(err)
	}
	eventually(t, c, authority, func() string { return "" })
	identity := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: "apiserver-authenticator-client"}}
	eventually(t, c, identity, func() string {
		signer, err := pki.Parse(authority.Data[pki.CertificateKey])
		if err != nil {
			return err.Error()
		}
		own, err := pki.Parse(identity.Data[pki.CertificateKey])
		if err != nil {
			return err.Error()
		}
		if own.Subject.CommonName != v1alpha1.AuthenticatorClient("demo") {
			return "its name is " + own.Subject.CommonName
		}
		if err := own.CheckSignatureFrom(signer); err != nil {
			return err.Error()
		}
		return ""
	})
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: "kube-apiserver"}}
	eventually(t, c, config, func() string {
		if config.Data["authenticator-ca.crt"] != string(authority.Data[pki.CertificateKey]) {
			return "the API servers trust another authority"
		}
		return ""
	})
}

func testGivesAnotherPort(t *testing.T, c client.Client) {
	other := newCluster("other", "1.37")
	if err := c.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	eventually(t, c, other, func() string {
		if other.Status.Endpoint.Port != 6444 {
			return "port is not 6444"
		}
		return ""
	})
}

func testRenews(t *testing.T, c client.Client) {
	secrets := func() map[string]string {
		list := &corev1.SecretList{}
		if err := c.List(t.Context(), list, client.InNamespace("naru-demo"), client.MatchingLabels{v1alpha1.LabelComponent: "pki"}); err != nil {
			t.Fatal(err)
		}
		content := map[string]string{}
		for _, secret := range list.Items {
			content[secret.Name] = string(secret.Data[corev1.TLSCertKey]) + string(secret.Data[pki.KubeconfigKey]) + string(secret.Data[pki.EncryptionKey])
		}
		return content
	}
	cluster := newCluster("demo", "1.37")
	ask := func(at string) error {
		patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationRenewCertificates, at)
		return c.Patch(t.Context(), cluster, client.RawPatch("application/merge-patch+json", []byte(patch)))
	}
	eventually(t, c, cluster, func() string {
		if err := ask("tomorrow"); err == nil || !strings.Contains(err.Error(), `"tomorrow" is no time`) {
			return fmt.Sprintf("what is no time was not refused: %v", err)
		}
		return ""
	})
	before := secrets()
	// Certificates know whole seconds: those that were made in this one are not older.
	if err := ask(time.Now().Add(time.Second).UTC().Format(time.RFC3339)); err != nil {
		t.Fatal(err)
	}
	permanent := []string{pki.CA, pki.AuthorityName(1), pki.EtcdCA, pki.FrontProxyCA, pki.KonnectivityCA, pki.ServiceAccount, pki.Encryption}
	eventually(t, c, cluster, func() string {
		for name, content := range secrets() {
			if changed := content != before[name]; changed == slices.Contains(permanent, name) {
				return fmt.Sprintf("%s was changed: %t", name, changed)
			}
		}
		return ""
	})
}

func testPrunesRevisions(t *testing.T, c client.Client) {
	for i := range keptRevisions + 3 {
		revision := &v1alpha1.ClusterRevision{
			ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: fmt.Sprintf("v1-37-0-%02d", i), Labels: map[string]string{v1alpha1.LabelCluster: "demo"}},
			Spec:       v1alpha1.ClusterRevisionSpec{Version: "1.37.0", Images: map[string]string{"etcd": fmt.Sprintf("etcd:%d", i)}},
		}
		if err := c.Create(t.Context(), revision); err != nil {
			t.Fatal(err)
		}
	}
	cluster := newCluster("demo", "1.37")
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(cluster), cluster); err != nil {
		t.Fatal(err)
	}
	// Something for the controller to look at the cluster for.
	wake := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"test":"wake"}}}`))
	if err := c.Patch(t.Context(), cluster, wake); err != nil {
		t.Fatal(err)
	}
	eventually(t, c, cluster, func() string {
		list := &v1alpha1.ClusterRevisionList{}
		if err := c.List(t.Context(), list, client.InNamespace("naru-demo")); err != nil {
			return err.Error()
		}
		active := slices.ContainsFunc(list.Items, func(r v1alpha1.ClusterRevision) bool { return r.Name == cluster.Status.Revision })
		if len(list.Items) != keptRevisions+1 || !active {
			return fmt.Sprintf("there are %d revisions, with the active one: %t", len(list.Items), active)
		}
		return ""
	})
}

func testNamesReleases(t *testing.T, c client.Client) {
	unknown := newCluster("unknown", "1.20")
	if err := c.Create(t.Context(), unknown); err != nil {
		t.Fatal(err)
	}
	eventually(t, c, unknown, func() string {
		ready := conditions.Get(unknown, v1alpha1.ClusterReady)
		if ready == nil || ready.Reason != v1alpha1.ReasonNotFound || !strings.Contains(ready.Message, "1.37") {
			return "Ready does not name the releases"
		}
		return ""
	})
}

func testRefusesProtected(t *testing.T, c client.Client) {
	kept := newCluster("kept", "1.37")
	kept.Spec.DeletionProtection = true
	if err := c.Create(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	// The policy takes a moment to be in force.
	eventually(t, c, kept, func() string {
		err := c.Delete(t.Context(), kept, client.DryRunAll)
		if err == nil || !strings.Contains(err.Error(), "spec.deletionProtection") {
			return "the deletion was not refused"
		}
		return ""
	})
}
