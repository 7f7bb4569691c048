package assembly

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/connector"
	"naru.dev/naru/internal/eks/connected"
	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/iam/token"
	"naru.dev/naru/internal/kube/manifest"
	"naru.dev/naru/internal/podroles"
)

const viewer = "arn:aws:iam::111122223333:user/admin"

// foreign connects the API server of the test as if it were somebody else's: an agent with the rights of its manifest, and a user
// whom it may be.
func foreign(t *testing.T, eksClient *eks.Client, config *rest.Config, hosting client.Client, nodes string) {
	t.Helper()
	name := aws.String("elsewhere")
	out, err := eksClient.RegisterCluster(t.Context(), &eks.RegisterClusterInput{Name: name, ConnectorConfig: &types.ConnectorConfigRequest{
		Provider: types.ConnectorConfigProviderOther, RoleArn: aws.String(role)}})
	if err != nil {
		t.Fatal(err)
	}
	shown := connector.Activation{ID: *out.Cluster.ConnectorConfig.ActivationId, Code: *out.Cluster.ConnectorConfig.ActivationCode}
	stop := agent(t, config, hosting, nodes, shown)
	described := awaitActive(t, eksClient, name)
	if !strings.HasPrefix(aws.ToString(described.Version), "v1.") || described.ConnectorConfig.ActivationCode != nil {
		t.Errorf("it is described as %+v", described)
	}
	for path, want := range map[string]int{"/api/v1/namespaces/naru-connector/configmaps": http.StatusOK, "/api/v1/namespaces/naru-connector/secrets": http.StatusForbidden} {
		if code := through(t, eksClient, path); code != want {
			t.Errorf("%s answers %d to a viewer, want %d", path, code, want)
		}
	}
	t.Run("when the kind is changed by hand, its rules hold", func(t *testing.T) {
		object := &v1alpha1.ConnectedCluster{}
		if err := hosting.Get(t.Context(), client.ObjectKey{Name: *name}, object); err != nil {
			t.Fatal(err)
		}
		object.Spec.Activation.ID = "another"
		if err := hosting.Update(t.Context(), object); err == nil || !strings.Contains(err.Error(), "an agent was activated already") {
			t.Errorf("another activation: %v", err)
		}
	})
	t.Run("when another agent shows the code, it is not let in", func(t *testing.T) {
		if code := activate(t, hosting, nodes, shown); code != http.StatusForbidden {
			t.Errorf("it is answered with %d", code)
		}
	})
	if _, err := eksClient.DeregisterCluster(t.Context(), &eks.DeregisterClusterInput{Name: name}); err != nil {
		t.Fatal(err)
	}
	if code := through(t, eksClient, "/version"); code != http.StatusNotFound {
		t.Errorf("when it is deregistered, it answers %d", code)
	}
	stop()
}

// agent applies the manifest, but for its Deployment, and does what the pod would, as its service account.
func agent(t *testing.T, config *rest.Config, hosting client.Client, nodes string, shown connector.Activation) (stop func()) {
	t.Helper()
	text, err := connector.Manifest{Cluster: "elsewhere", Image: "naru:1", Server: "https://" + nodes, ServerName: "127.0.0.1", CA: nodesCA(t, hosting), Activation: shown, Viewers: []string{viewer}}.Render()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := manifest.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if err := hosting.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	// There are no controllers here, which would put this one's rules into the role view.
	rules := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "view"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:aggregate-to-view"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: viewer}}}
	if err := hosting.Create(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := kube.CoreV1().ServiceAccounts("naru-connector").CreateToken(t.Context(), "naru-connector", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	own := rest.AnonymousClientConfig(config)
	own.BearerToken = issued.Status.Token
	o := connector.Options{Cluster: own, Server: &url.URL{Scheme: "https", Host: nodes}, ServerName: "127.0.0.1", CA: nodesCA(t, hosting), Activation: shown,
		Namespace: "naru-connector", Secret: "naru-connector-key", Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- connector.Run(ctx, o) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the agent: %v", err)
		}
	}
}

func nodesCA(t *testing.T, hosting client.Client) []byte {
	t.Helper()
	secret := &corev1.Secret{}
	if err := hosting.Get(t.Context(), client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: podroles.ServerSecret}, secret); err != nil {
		t.Fatal(err)
	}
	return secret.Data[podroles.ServerCAKey]
}

// activate shows a code with another key than the agent's.
func activate(t *testing.T, hosting client.Client, nodes string, shown connector.Activation) (status int) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(nodesCA(t, hosting))
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}}}
	body, err := json.Marshal(shown)
	if err != nil {
		t.Fatal(err)
	}
	response, err := web.Post("https://"+nodes+connector.ActivatePath, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// through asks the connected cluster as the administrator of the account, with a token for it.
func through(t *testing.T, eksClient *eks.Client, path string) (status int) {
	t.Helper()
	o := eksClient.Options()
	credentials, err := o.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := token.Create("elsewhere", sigv4.Key{AccessKeyID: credentials.AccessKeyID, Secret: credentials.SecretAccessKey}, o.Region, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, *o.BaseEndpoint+connected.Root+"elsewhere"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+text)
	response, err := o.HTTPClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}
