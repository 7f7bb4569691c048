// Package nodes tests the way from a NodeGroup to a node and back on a real API server: Naru's controllers, Karpenter
// and the pod driver run as they are; only what runs in a node pod is played by the test.
package nodes

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/karpenter/pkg/apis"
	karpenter "sigs.k8s.io/karpenter/pkg/apis/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/autoscale"
	"naru.dev/naru/internal/controllers/csr"
	"naru.dev/naru/internal/controllers/fargate"
	"naru.dev/naru/internal/controllers/machine"
	"naru.dev/naru/internal/controllers/machinegc"
	"naru.dev/naru/internal/controllers/nodegroup"
	tenantwatchcontroller "naru.dev/naru/internal/controllers/tenantwatch"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/kube/tenant"
	"naru.dev/naru/internal/kube/tenantwatch"
	"naru.dev/naru/internal/machines/pod"
	"naru.dev/naru/test/env"
)

const (
	cluster   = "demo"
	namespace = "naru-demo"
	// patience is long, since Karpenter looks at some things once a minute only.
	patience = 3 * time.Minute
)

// world is one API server that is the hosting cluster and the managed one at once: the two meet only through clients.
type world struct {
	client.Client
	config *rest.Config
}

func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		must(t, add(scheme))
	}
	version := schema.GroupVersion{Group: apis.Group, Version: "v1"} // Karpenter registers with client-go's own scheme only
	scheme.AddKnownTypes(version, &karpenter.NodeClaim{}, &karpenter.NodeClaimList{}, &karpenter.NodePool{}, &karpenter.NodePoolList{})
	metav1.AddToGroupVersion(scheme, version)
	return scheme
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newWorld starts everything and stops it with the test.
func newWorld(t *testing.T) *world {
	t.Helper()
	config := env.Start(t)
	_, err := envtest.InstallCRDs(config, envtest.CRDInstallOptions{CRDs: apis.CRDs})
	must(t, err)
	config.QPS, config.Burst = 200, 400
	c, err := client.New(config, client.Options{Scheme: newScheme(t)})
	must(t, err)
	w := &world{Client: c, config: config}
	w.furnish(t)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	w.startControllerManager(ctx, t)
	w.startNaru(ctx, t, &running)
	running.Go(func() { w.playMachines(ctx, t) })
	return w
}

// furnish makes what `naru up` and the cluster's controller would have made.
func (w *world) furnish(t *testing.T) {
	t.Helper()
	for _, name := range []string{namespace, v1alpha1.SystemNamespace} {
		w.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	for zone, host := range map[string]string{"naru-1a": "host-1", "naru-1b": "host-2"} {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: host, Labels: map[string]string{
			corev1.LabelTopologyZone: zone, corev1.LabelTopologyRegion: "naru-1"}}}
		w.create(t, node)
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		must(t, w.Status().Update(t.Context(), node))
	}
	for name, memory := range map[string]string{"t3.medium": "4Gi", "t3.large": "8Gi"} {
		w.create(t, &v1alpha1.MachineClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.MachineClassSpec{
			CPU: resource.MustParse("2"), Memory: resource.MustParse(memory), Pods: 110}})
	}
	w.create(t, &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: "1.37"}, Spec: v1alpha1.ReleaseSpec{
		Version: "1.37.1", Images: map[string]string{"pause": "registry.naru.local/pause:3.10"}}})
	w.create(t, &v1alpha1.NodeImage{ObjectMeta: metav1.ObjectMeta{Name: "1.37"}, Spec: v1alpha1.NodeImageSpec{
		KubernetesVersion: "1.37.1", OS: "Debian", Image: "registry.naru.local/node:1.37.1"}})
	w.create(t, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: "registry"},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 443}}}})
	w.create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: "registry-ca"}, Data: map[string][]byte{"tls.crt": []byte("x")}})
	authority, err := pki.NewCA("naru:"+cluster, time.Now())
	must(t, err)
	for name, data := range map[string]map[string][]byte{
		"ca":                    {"tls.crt": authority.Certificate, "tls.key": authority.Key},
		"kubeconfig-kube-proxy": {"kubeconfig": []byte("x")},
		"kubeconfig-agent":      {"kubeconfig": []byte("x")},
		"konnectivity-agent":    {"tls.crt": []byte("x"), "tls.key": []byte("x")},
		"kubeconfig-controller": {"kubeconfig": w.kubeconfig(t)},
	} {
		w.create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: data})
	}
	managed := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: cluster}, Spec: v1alpha1.ClusterSpec{Version: "1.37"}}
	w.create(t, managed)
	managed.Status.Endpoint.Address = "127.0.0.1"
	meta.SetStatusCondition(&managed.Status.Conditions, metav1.Condition{Type: v1alpha1.ClusterBootstrapped, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady})
	must(t, w.Status().Update(t.Context(), managed))
}

func (w *world) create(t *testing.T, object client.Object) {
	t.Helper()
	must(t, w.Create(t.Context(), object))
}

func (w *world) kubeconfig(t *testing.T) []byte {
	t.Helper()
	encoded, err := clientcmd.Write(clientcmdapi.Config{
		CurrentContext: "x",
		Contexts:       map[string]*clientcmdapi.Context{"x": {Cluster: "x", AuthInfo: "x"}},
		Clusters:       map[string]*clientcmdapi.Cluster{"x": {Server: w.config.Host, CertificateAuthorityData: w.config.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"x": {ClientCertificateData: w.config.CertData, ClientKeyData: w.config.KeyData}},
	})
	must(t, err)
	return encoded
}

// startControllerManager runs the garbage collector, which deletes the NodeClaims of a deleted NodePool.
func (w *world) startControllerManager(ctx context.Context, t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, os.WriteFile(path, w.kubeconfig(t), 0o600))
	command := exec.CommandContext(ctx, env.Program(t, "kube-controller-manager"),
		"--kubeconfig="+path, "--controllers=garbage-collector-controller", "--leader-elect=false", "--secure-port=0", "--use-service-account-credentials=false")
	must(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
}

func (w *world) startNaru(ctx context.Context, t *testing.T, running *sync.WaitGroup) {
	t.Helper()
	log := zap.New(zap.ConsoleEncoder(), zap.WriteTo(logFile(t)))
	ctrl.SetLogger(log)
	manager, err := ctrl.NewManager(w.config, ctrl.Options{Scheme: newScheme(t), Logger: log, Metrics: metricsserver.Options{BindAddress: "0"}})
	must(t, err)
	tenants := tenant.New(manager.GetClient(), newScheme(t))
	watches, err := tenantwatch.New(tenants, log)
	must(t, err)
	// It outlives the manager, and an API server that is told to stop waits a minute for who watches.
	t.Cleanup(func() { watches.Forget(cluster) })
	hosting := manager.GetClient()
	driver := pod.New(hosting, clock.RealClock{})
	must(t, tenantwatchcontroller.NewController(hosting, watches).SetupWithManager(manager))
	must(t, machine.NewController(hosting, tenants, driver, clock.RealClock{}).SetupWithManager(manager, watches))
	must(t, machinegc.NewController(hosting, tenants, clock.RealClock{}).SetupWithManager(ctx, manager, watches))
	must(t, nodegroup.NewController(hosting, tenants).SetupWithManager(manager))
	must(t, fargate.NewController(hosting, tenants, clock.RealClock{}).SetupWithManager(manager))
	must(t, csr.NewController(hosting, tenants, clock.RealClock{}).SetupWithManager(manager, watches))
	run := func(what string, run func() error) {
		running.Go(func() {
			if err := run(); err != nil && ctx.Err() == nil {
				t.Errorf("%s has ended: %v", what, err)
			}
		})
	}
	run("the manager", func() error { return manager.Start(ctx) })
	run("Karpenter", func() error {
		return autoscale.Run(ctx, autoscale.Config{Cluster: cluster, Tenant: w.config, Hosting: w.config, HealthAddress: "0", MetricsAddress: "0", Log: log})
	})
}

func logFile(t *testing.T) *os.File {
	t.Helper()
	file, err := os.Create(filepath.Join(os.TempDir(), "naru-test-nodes.log"))
	must(t, err)
	t.Logf("the logs are in %s", file.Name())
	t.Cleanup(func() { _ = file.Close() })
	return file
}

// until polls a condition; it fails the test with the last thing that was missing.
func until(t *testing.T, what string, condition func(ctx context.Context) (missing string)) {
	t.Helper()
	start := time.Now()
	deadline := time.After(patience)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		missing := condition(t.Context())
		if missing == "" {
			t.Logf("%5.1fs until %s", time.Since(start).Seconds(), what)
			return
		}
		select {
		case <-deadline:
			t.Fatalf("waited %s until %s: %s", patience, what, missing)
		case <-tick.C:
		}
	}
}

func problem(format string, arguments ...any) string { return fmt.Sprintf(format, arguments...) }
