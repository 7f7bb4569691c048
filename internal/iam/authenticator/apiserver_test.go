package authenticator

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/iam/bootstrap"
	"naru.dev/naru/internal/iam/token"
	"naru.dev/naru/test/env"
)

// startAPIServer runs a cluster's API server that asks the webhooks.
func startAPIServer(t *testing.T, server *httptest.Server) *rest.Config {
	t.Helper()
	folder := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	write := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ask := func(name, path string) string {
		return write(name, fmt.Sprintf("apiVersion: v1\nkind: Config\nclusters:\n- name: naru\n  cluster: {server: %q, certificate-authority: %q}\n"+
			"users:\n- {name: naru}\ncontexts:\n- name: naru\n  context: {cluster: naru, user: naru}\ncurrent-context: naru\n", server.URL+Path("prod")+path, write("ca.pem", string(ca))))
	}
	environment := &envtest.Environment{BinaryAssetsDirectory: filepath.Dir(env.Program(t, "kube-apiserver")),
		ControlPlaneStartTimeout: 2 * time.Minute, ControlPlaneStopTimeout: time.Minute}
	environment.ControlPlane.GetAPIServer().Configure().
		Append("feature-gates", "UnknownVersionInteroperabilityProxy=false").
		Append("authentication-token-webhook-config-file", ask("authenticate", token.AuthenticatePath)).
		Append("authentication-token-webhook-version", "v1").
		Append("authentication-token-webhook-cache-ttl", "1s").
		Set("authorization-mode", "RBAC", "Webhook").
		Append("authorization-webhook-config-file", ask("authorize", token.AuthorizePath)).
		Append("authorization-webhook-version", "v1").
		Append("authorization-webhook-cache-authorized-ttl", "1s").
		Append("authorization-webhook-cache-unauthorized-ttl", "1s")
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

// TestAPIServer lets a real API server ask: a token of naru's, an access entry and its policy are all that there is.
func TestAPIServer(t *testing.T) {
	w := newWorld(t)
	owner, err := bootstrap.Load(t.Context(), w.client)
	if err != nil {
		t.Fatal(err)
	}
	access, err := owner.Access(w.store, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(NewHandler(Options{Entries: w.client, Credentials: access, Now: time.Now, Report: func(err error) { t.Error(err) }}))
	t.Cleanup(server.Close)
	config := rest.AnonymousClientConfig(startAPIServer(t, server))
	key := sigv4.Key{AccessKeyID: w.key.ID, Secret: w.key.Secret}
	config.WrapTransport = func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			text, err := token.Create("prod", key, "naru-kr-1", time.Now())
			if err != nil {
				return nil, err
			}
			r = r.Clone(r.Context())
			r.Header.Set("Authorization", "Bearer "+text)
			return next.RoundTrip(r)
		})
	}
	kubectl, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	me, err := kubectl.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil || me.Status.UserInfo.Username != "arn:aws:iam::111122223333:user/admin" {
		t.Errorf("when a token is shown, the API server knows who: %+v, %v", me, err)
	}
	if _, err := kubectl.CoreV1().Pods("team-a").List(ctx, metav1.ListOptions{}); err != nil {
		t.Errorf("when the policy allows it, it is allowed: %v", err)
	}
	if _, err := kubectl.CoreV1().Pods("kube-system").List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("when the namespace is another, it is forbidden: %v", err)
	}
	if _, err := kubectl.CoreV1().ConfigMaps("team-a").Create(ctx, &corev1.ConfigMap{}, metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("when the policy only reads, writing is forbidden: %v", err)
	}
	if err := w.store.Keys.Delete(ctx, w.key.ID); err != nil {
		t.Fatal(err)
	}
	// The API server remembers a token for a second.
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
		_, err := kubectl.CoreV1().Pods("team-a").List(ctx, metav1.ListOptions{})
		return apierrors.IsUnauthorized(err), nil
	})
	if err != nil {
		t.Errorf("when the key was deleted, it stops working within 10 s: %v", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
