package assembly

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam/store"
	"naru.dev/naru/internal/node/podidentity"
	"naru.dev/naru/internal/platform"
	"naru.dev/naru/internal/podroles"
	"naru.dev/naru/test/env"
)

// managed is a managed cluster, "prod", that is the hosting one at the same time, with the agent of its node.
type managed struct {
	kube  kubernetes.Interface
	c     client.Client
	agent http.Handler
	// server is where nodes reach naru server, web trusts it.
	server string
	web    *http.Client
}

// TestPodRoles takes the whole way of a pod's role: a real API server's tokens, the agent, naru server with its own rights, STS.
func TestPodRoles(t *testing.T) {
	m := newManaged(t)
	m.pod(t, "app")
	m.pod(t, "plain")
	first, late := m.token(t, "app", podroles.Audience), m.token(t, "app", podroles.Audience)
	status, credentials := m.ask(t, first)
	arn, err := m.who(t, credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["Token"])
	if status != http.StatusOK || err != nil || !strings.HasPrefix(arn, "arn:aws:sts::111122223333:assumed-role/eks/eks-prod-app-") {
		t.Fatalf("when a pod has an association, it gets its role: %d %v, %q, %v", status, credentials["code"], arn, err)
	}
	for name, test := range map[string]struct {
		token  string
		status int
	}{
		"when there is no association, there is nothing": {m.token(t, "plain", podroles.Audience), http.StatusNotFound},
		"when it is for another service, it is refused":  {m.token(t, "app", "sts.amazonaws.com"), http.StatusBadRequest},
		"when somebody changed it, it is refused":        {late[:len(late)-8] + "AAAAAAAA", http.StatusBadRequest},
	} {
		if status, got := m.ask(t, test.token); status != test.status || got["SecretAccessKey"] != "" {
			t.Errorf("%s: %d", name, status)
		}
	}
	if err := m.kube.CoreV1().Pods("default").Delete(t.Context(), "app", metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}); err != nil {
		t.Fatal(err)
	}
	if status, _ := m.ask(t, late); status != http.StatusBadRequest {
		t.Errorf("when the pod is gone, its token is refused: %d", status)
	}
	m.webIdentity(t)
}

// webIdentity has an annotated pod's token assume a role (IRSA).
func (m *managed) webIdentity(t *testing.T) {
	t.Helper()
	token := m.token(t, "plain", "sts.amazonaws.com")
	anonymous := sts.New(sts.Options{Region: "naru-kr-1", BaseEndpoint: &m.server, HTTPClient: m.web})
	assume := func(role string) (*sts.AssumeRoleWithWebIdentityOutput, error) {
		return anonymous.AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
			RoleArn: aws.String("arn:aws:iam::111122223333:role/" + role), RoleSessionName: aws.String("web"), WebIdentityToken: &token})
	}
	out, err := assume("web")
	if err != nil {
		t.Fatal(err)
	}
	arn, err := m.who(t, *out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	if err != nil || arn != "arn:aws:sts::111122223333:assumed-role/web/web" {
		t.Errorf("when a role trusts the service account, its token assumes it: %q, %v", arn, err)
	}
	if _, err := assume("eks"); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("when a role does not, it is refused: %v", err)
	}
}

func newManaged(t *testing.T) *managed {
	t.Helper()
	config := env.Start(t)
	hosting, err := platform.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	furnish(t, hosting)
	grant(t, hosting)
	m := &managed{kube: kubernetes.NewForConfigOrDie(config), c: hosting}
	authority, certificate := nodeCertificate(t)
	m.cluster(t, config, authority)
	_, address := start(t, config, hosting)
	m.server = "https://" + address
	secret := &corev1.Secret{}
	if err := hosting.Get(t.Context(), client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: podroles.ServerSecret}, secret); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(secret.Data[podroles.ServerCAKey])
	m.web = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	m.create(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: podroles.ConfigNamespace, Name: podroles.ConfigName}, Data: map[string]string{
		podroles.ConfigCluster: "prod", podroles.ConfigServer: m.server, podroles.ConfigCA: string(secret.Data[podroles.ServerCAKey])}})
	m.agent = podidentity.NewHandler(m.kube, certificate, slog.New(slog.DiscardHandler))
	return m
}

func (m *managed) create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := m.c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}

// cluster is what controllers make of one.
func (m *managed) cluster(t *testing.T, config *rest.Config, authority []byte) {
	t.Helper()
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters["prod"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	kubeconfig.AuthInfos["prod"] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	kubeconfig.Contexts["prod"] = &clientcmdapi.Context{Cluster: "prod", AuthInfo: "prod"}
	kubeconfig.CurrentContext = "prod"
	text, err := clientcmd.Write(*kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := m.kube.Discovery().RESTClient().Get().AbsPath("/openid/v1/jwks").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, err := m.kube.Discovery().RESTClient().Get().AbsPath("/.well-known/openid-configuration").DoRaw(t.Context())
	var document struct{ Issuer string }
	if err != nil || json.Unmarshal(found, &document) != nil {
		t.Fatal(err)
	}
	namespace := v1alpha1.Namespace("prod")
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "prod"}, Spec: v1alpha1.ClusterSpec{Version: "1.37"}}
	association := &v1alpha1.PodIdentityAssociation{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: v1alpha1.PodIdentityAssociationName("default", "app")},
		Spec: v1alpha1.PodIdentityAssociationSpec{Namespace: "default", ServiceAccount: "app", RoleARN: role}}
	m.create(t, cluster, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, association,
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: podroles.ReviewerSecret}, Data: map[string][]byte{"kubeconfig": text}},
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1"}})
	cluster.Status.Endpoint.CertificateAuthority = authority
	cluster.Status.Issuer = v1alpha1.ClusterIssuer{URL: document.Issuer, Keys: string(keys)}
	if err := m.c.Status().Update(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	identities, name := store.New(m.c), strings.TrimPrefix(document.Issuer, "https://")
	provider := &v1alpha1.IAMOIDCProvider{Spec: v1alpha1.IAMOIDCProviderSpec{URL: document.Issuer, ClientIDs: []string{"sts.amazonaws.com"}}}
	web := &v1alpha1.IAMRole{}
	web.Spec.Name, web.Spec.Path, web.Spec.ID = "web", "/", "AROAIOSFODNN7EXAMPLW"
	web.Spec.TrustPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/` + name + `"},
		"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"` + name + `:sub":"system:serviceaccount:default:plain"}}}]}`
	if err := identities.Providers.Create(t.Context(), provider); err != nil {
		t.Fatal(err)
	}
	if err := identities.Roles.Create(t.Context(), web); err != nil {
		t.Fatal(err)
	}
}

// nodeCertificate is the authority of the cluster, and the file that the kubelet of node-1 keeps.
func nodeCertificate(t *testing.T) (authority []byte, path string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "naru:prod"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "system:node:node-1", Organization: []string{"system:nodes"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter}
	sign := func(template *x509.Certificate) []byte {
		der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "kubelet-client-current.pem")
	if err := os.WriteFile(path, append(sign(leaf), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})...), 0o600); err != nil {
		t.Fatal(err)
	}
	return sign(ca), path
}

// pod makes a service account, and a pod of it on the node.
func (m *managed) pod(t *testing.T, name string) {
	t.Helper()
	m.create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       corev1.PodSpec{ServiceAccountName: name, NodeName: "node-1", Containers: []corev1.Container{{Name: "main", Image: "none"}}}})
}

// token is what the kubelet puts into a pod.
func (m *managed) token(t *testing.T, name, audience string) string {
	t.Helper()
	pod, err := m.kube.CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	made, err := m.kube.CoreV1().ServiceAccounts("default").CreateToken(t.Context(), name, &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: []string{audience}, BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: name, UID: pod.UID}}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made.Status.Token
}

func (m *managed) ask(t *testing.T, token string) (int, map[string]string) {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, podroles.CredentialsPath, nil)
	request.Header.Set("Authorization", token)
	recorder := httptest.NewRecorder()
	m.agent.ServeHTTP(recorder, request)
	got := map[string]string{}
	if err := json.Unmarshal(recorder.Body.Bytes(), &got); err != nil {
		t.Fatalf("%s: %v", recorder.Body, err)
	}
	return recorder.Code, got
}

func (m *managed) who(t *testing.T, id, secret, token string) (string, error) {
	t.Helper()
	o := sts.Options{Region: "naru-kr-1", BaseEndpoint: &m.server, HTTPClient: m.web, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: token}, nil
	})}
	identity, err := sts.New(o).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", err
	}
	return *identity.Arn, nil
}
