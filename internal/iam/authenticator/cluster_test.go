package authenticator

import (
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"naru.dev/naru/api/v1alpha1"
	certificates "naru.dev/naru/internal/controllers/authenticator"
	"naru.dev/naru/internal/controlplane/apiserver"
	"naru.dev/naru/internal/controlplane/authentication"
	"naru.dev/naru/internal/controlplane/component"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/iam/bootstrap"
	"naru.dev/naru/internal/iam/store"
	"naru.dev/naru/internal/iam/token"
	"naru.dev/naru/internal/install"
	"naru.dev/naru/internal/platform"
	"naru.dev/naru/test/env"
)

// cluster is the name of the cluster that is tried.
const cluster = "prod"

// newHosting starts a hosting cluster with an account, an access entry of its administrator, the certificates that the
// controller makes, and the rights that the authenticator is installed with.
func newHosting(t *testing.T, address string) (*rest.Config, *world, pki.Material) {
	t.Helper()
	config := env.Start(t)
	c, err := platform.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	admin := adminARN()
	entry := &v1alpha1.AccessEntry{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.Namespace(cluster), Name: v1alpha1.AccessEntryName(admin)}}
	entry.Spec = v1alpha1.AccessEntrySpec{PrincipalARN: admin, Type: token.Standard, Username: admin, Policies: []v1alpha1.AccessPolicyAssociation{
		{Policy: "AmazonEKSViewPolicy", Scope: v1alpha1.AccessScope{Type: "namespace", Namespaces: []string{"team-*"}}}}}
	objects, err := install.Render(install.Data{Image: "naru:1", Replicas: 1, ServerPort: 1, Authenticator: address})
	if err != nil {
		t.Fatal(err)
	}
	all := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.Namespace(cluster)}}, entry,
	}
	for _, object := range objects {
		if object.GroupVersionKind().Group == "rbac.authorization.k8s.io" {
			all = append(all, object)
		}
	}
	for _, object := range all {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := bootstrap.Ensure(t.Context(), c, account, time.Now()); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, client: c, store: store.New(c)}
	if w.key, err = bootstrap.KeyOf(t.Context(), w.store, bootstrap.AdminUser); err != nil {
		t.Fatal(err)
	}
	if _, err := certificates.NewController(c, c, address, clock.RealClock{}).Reconcile(t.Context(), ctrl.Request{}); err != nil {
		t.Fatal(err)
	}
	authority := &corev1.Secret{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: v1alpha1.SecretAuthenticatorCA}, authority); err != nil {
		t.Fatal(err)
	}
	return config, w, pki.Material{Certificate: authority.Data[pki.CertificateKey], Key: authority.Data[pki.PrivateKey]}
}

// settings are those of a pod of the Deployment, with its rights.
func settings(t *testing.T, hosting *rest.Config) Settings {
	t.Helper()
	hosting = rest.CopyConfig(hosting)
	hosting.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:naru-system:naru-authenticator", Groups: []string{"system:serviceaccounts", "system:authenticated"}}
	listen := func() net.Listener {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return listener
	}
	return Settings{Hosting: hosting, Webhooks: listen(), Health: listen(), Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Out: io.Discard}
}

// startCluster runs a cluster's API server with the flags and files that Naru gives it.
func startCluster(t *testing.T, address string, authority pki.Material) *rest.Config {
	t.Helper()
	folder := t.TempDir()
	identity, err := pki.Issue(authority, pki.Leaf{CommonName: v1alpha1.AuthenticatorClient(cluster), Usage: pki.Client}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	args, files := rendered(t, address, authority)
	const certificate = "apiserver-authenticator-client"
	files[certificate+"/"+pki.CertificateKey], files[certificate+"/"+pki.PrivateKey] = string(identity.Certificate), string(identity.Key)
	local := strings.NewReplacer("/etc/kubernetes/", folder+"/")
	for name, content := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(local.Replace(content)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environment := &envtest.Environment{BinaryAssetsDirectory: filepath.Dir(env.Program(t, "kube-apiserver")),
		ControlPlaneStartTimeout: 2 * time.Minute, ControlPlaneStopTimeout: time.Minute}
	flags := environment.ControlPlane.GetAPIServer().Configure().Disable("authorization-mode").
		Append("feature-gates", "UnknownVersionInteroperabilityProxy=false")
	for _, arg := range args {
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if name == "authentication-config" || strings.HasPrefix(name, "authentication-token-webhook") || strings.HasPrefix(name, "authorization-") {
			flags.Append(name, local.Replace(value))
		}
	}
	started, err := environment.Start()
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Errorf("stopping the API server: %v", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return started
}

// rendered are the arguments of a control plane's API server and its ConfigMap's files, by their paths below /etc/kubernetes.
func rendered(t *testing.T, address string, authority pki.Material) (args []string, files map[string]string) {
	t.Helper()
	scope := component.Scope{Cluster: cluster, Namespace: v1alpha1.Namespace(cluster), Version: "1.37.1", Replicas: 1, APIServers: 1, EtcdReplicas: 1, EtcdServers: 1,
		Authenticator: address, AuthenticatorCA: string(authority.Certificate), Images: map[string]string{"kube-apiserver": "a", "konnectivity-server": "b"}, Hashes: map[string]string{}}
	for _, secret := range []string{"ca", "etcd-ca", "front-proxy-ca", "sa", "konnectivity-ca", "konnectivity-server"} {
		scope.Hashes[secret] = secret
	}
	users, err := authentication.Configuration(nil)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := apiserver.New().Render(scope)
	if err != nil {
		t.Fatal(err)
	}
	files = map[string]string{"authentication/authentication.yaml": users}
	for _, object := range objects {
		switch object.GetKind() {
		case "ConfigMap":
			data, _, _ := unstructured.NestedStringMap(object.Object, "data")
			for name, content := range data {
				files["config/"+name] = content
			}
		case "Deployment":
			containers, _, _ := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
			args, _, _ = unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
		}
	}
	return args, files
}
