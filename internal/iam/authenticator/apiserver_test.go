package authenticator

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/bootstrap"
	"naru.dev/naru/internal/iam/token"
)

func adminARN() string { return iam.UserARN(account, "/", bootstrap.AdminUser) }

// TestAPIServer lets a real API server, with the flags and files that clusters have, ask a real authenticator, with the
// rights that it has: a token of naru's, an access entry and its policy are all that there is.
func TestAPIServer(t *testing.T) {
	hosting, w, authority := newHosting(t, "127.0.0.1")
	s := settings(t, hosting)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, s) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("when it is told to stop, it stops: %v", err)
		}
	}()
	address := s.Webhooks.Addr().String()
	admin := startCluster(t, address, authority)
	awaitReady(t, s.Health.Addr().String())
	t.Run("when it is asked past the API servers, it refuses", func(t *testing.T) { w.refusesStrangers(t, address, authority) })
	text, err := token.Create(cluster, sigv4.Key{AccessKeyID: w.key.ID, Secret: w.key.Secret}, "naru-kr-1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	config := rest.AnonymousClientConfig(admin)
	config.BearerToken = text
	kubectl, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("when a token is shown, its access entry says what it may", func(t *testing.T) { enters(t, kubectl) })
	t.Run("when an access policy is added, it is in force at once", func(t *testing.T) { w.widens(t, kubectl) })
	t.Run("when the key was deleted, it stops working within 10 s", func(t *testing.T) { w.revokes(t, kubectl) })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	ended <- nil
	t.Run("when nobody answers, certificates go on and nothing waits", func(t *testing.T) { goesOn(t, admin, kubectl) })
}

func awaitReady(t *testing.T, address string) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		response, err := http.Get("http://" + address + "/readyz") //nolint:noctx // the poll ends it
		if err != nil {
			return false, nil
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK, nil
	})
	if err != nil {
		t.Fatalf("the authenticator is not ready: %v", err)
	}
}

func enters(t *testing.T, kubectl kubernetes.Interface) {
	ctx := t.Context()
	me, err := kubectl.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil || me.Status.UserInfo.Username != adminARN() {
		t.Errorf("it knows who: %+v, %v", me, err)
	}
	if _, err := kubectl.CoreV1().Pods("team-a").List(ctx, metav1.ListOptions{}); err != nil {
		t.Errorf("what the policy allows: %v", err)
	}
	if _, err := kubectl.CoreV1().Pods("kube-system").List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("another namespace: %v", err)
	}
	if _, err := kubectl.CoreV1().Secrets("team-a").List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("Secrets: %v", err)
	}
	if _, err := kubectl.CoreV1().ConfigMaps("team-a").Create(ctx, &corev1.ConfigMap{}, metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("writing: %v", err)
	}
}

// widens gives the entry another policy, while what it did not allow is remembered.
func (w *world) widens(t *testing.T, kubectl kubernetes.Interface) {
	ctx := t.Context()
	entry := &v1alpha1.AccessEntry{}
	entry.Namespace, entry.Name = v1alpha1.Namespace(cluster), v1alpha1.AccessEntryName(adminARN())
	patch := []byte(`[{"op":"add","path":"/spec/policies/-","value":{"policy":"AmazonEKSAdminViewPolicy","scope":{"type":"cluster"}}}]`)
	if err := w.client.Patch(ctx, entry, client.RawPatch(types.JSONPatchType, patch)); err != nil {
		t.Fatal(err)
	}
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 5*time.Second, true, func(ctx context.Context) (bool, error) {
		_, err := kubectl.CoreV1().Pods("kube-system").List(ctx, metav1.ListOptions{})
		return err == nil, nil
	})
	if err != nil {
		t.Error("it is not in force")
	}
}

// revokes deletes the key, whose token the API server remembers.
func (w *world) revokes(t *testing.T, kubectl kubernetes.Interface) {
	ctx := t.Context()
	if err := w.store.Keys.Delete(ctx, w.key.ID); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		_, err := kubectl.CoreV1().Pods("team-a").List(ctx, metav1.ListOptions{})
		return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err), nil
	})
	if took := time.Since(begin); err != nil || took > 10*time.Second {
		t.Errorf("it took %s: %v", took, err)
	}
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		_, err := kubectl.CoreV1().Pods("team-a").List(ctx, metav1.ListOptions{})
		return apierrors.IsUnauthorized(err), nil
	})
	if took := time.Since(begin); err != nil || took > 12*time.Second {
		t.Errorf("until nobody knows it any more it took %s: %v", took, err)
	}
}

// goesOn tries a cluster whose authenticator is gone.
func goesOn(t *testing.T, admin *rest.Config, kubectl kubernetes.Interface) {
	root, err := kubernetes.NewForConfig(admin)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if _, err := root.CoreV1().Pods("team-a").List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("a certificate: %v", err)
	}
	if _, err := kubectl.CoreV1().Pods("team-a").List(t.Context(), metav1.ListOptions{}); !apierrors.IsUnauthorized(err) {
		t.Errorf("a token: %v", err)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("they waited for %s", took)
	}
}

// refusesStrangers asks without a certificate, with that of another cluster, and with one of another authority.
func (w *world) refusesStrangers(t *testing.T, address string, authority pki.Material) {
	foreign, err := pki.NewCA("naru:authenticator", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, client string
		signer       pki.Material
		want         int
	}{
		{"when it is the cluster's own, it answers", cluster, authority, http.StatusOK},
		{"when it is another cluster's, it is forbidden", "other", authority, http.StatusForbidden},
		{"when another authority signed it, there is no connection", cluster, foreign, 0},
		{"when there is none, there is no connection", "", authority, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: v1alpha1.AuthenticatorHost, MinVersion: tls.VersionTLS12}
			config.RootCAs.AppendCertsFromPEM(authority.Certificate)
			if test.client != "" {
				m, err := pki.Issue(test.signer, pki.Leaf{CommonName: v1alpha1.AuthenticatorClient(test.client), Usage: pki.Client}, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				pair, err := tls.X509KeyPair(m.Certificate, m.Key)
				if err != nil {
					t.Fatal(err)
				}
				config.Certificates = []tls.Certificate{pair}
			}
			if got := ask(t, "https://"+address+Path(cluster)+token.AuthenticatePath, config); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

// ask sends a review and returns the answer's code; 0 where there was none.
func ask(t *testing.T, url string, config *tls.Config) int {
	t.Helper()
	body, err := json.Marshal(tokenReview("x"))
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}, Timeout: 10 * time.Second}
	response, err := web.Post(url, "application/json", bytes.NewReader(body)) //nolint:noctx // the client's timeout ends it
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}
