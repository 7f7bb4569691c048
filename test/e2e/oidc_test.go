//go:build e2e

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/test/naru"
)

// The issuer runs in the cluster, under the name of its Service.
const issuerName, issuerURL = "e2e-issuer", "https://e2e-issuer.default.svc.cluster.local:8443"

// issuer is an OpenID Connect provider that the test made: a web server with a discovery document and keys, and the key that signs.
type issuer struct {
	*access
	signer jose.Signer
}

// testOIDC lets users of an OpenID Connect provider into the cluster that testEKS made, and shuts them out again.
func testOIDC(t *testing.T, w *world, a awsClients) {
	i := newIssuer(t, w, a)
	config := &types.OidcIdentityProviderConfigRequest{IdentityProviderConfigName: aws.String("e2e"), IssuerUrl: aws.String(issuerURL), ClientId: aws.String("kubernetes"),
		UsernameClaim: aws.String("name"), UsernamePrefix: aws.String("oidc:"), GroupsClaim: aws.String("groups"), GroupsPrefix: aws.String("dir:"),
		RequiredClaims: map[string]string{"team": "a"}}
	alice := map[string]any{"name": "alice", "groups": []string{"devs"}, "team": "a"}
	t.Run("when no provider is associated, its tokens are refused", func(t *testing.T) { i.refuses(t, i.token(t, "kubernetes", alice)) })
	out, err := a.eks.AssociateIdentityProviderConfig(t.Context(), &eks.AssociateIdentityProviderConfigInput{ClusterName: aws.String(eksCluster), Oidc: config})
	if err != nil {
		t.Fatal(err)
	}
	if out.Update.Status != types.UpdateStatusInProgress {
		t.Errorf("before an API server can have loaded it, the update is %s", out.Update.Status)
	}
	eventually(t, "config ACTIVE", 3*time.Minute, i.status(types.ConfigStatusActive))
	update, err := a.eks.DescribeUpdate(t.Context(), &eks.DescribeUpdateInput{Name: aws.String(eksCluster), UpdateId: out.Update.Id})
	if err != nil || update.Update.Status != types.UpdateStatusSuccessful {
		t.Errorf("when the config is ACTIVE, its update is done: %+v, %v", update, err)
	}
	t.Run("when the config is ACTIVE, its users are let in with their prefixes", func(t *testing.T) {
		me, err := i.connect(t, i.token(t, "kubernetes", alice)).kube.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if err != nil || me.Status.UserInfo.Username != "oidc:alice" || !slices.Contains(me.Status.UserInfo.Groups, "dir:devs") {
			t.Errorf("got %+v, %v", me, err)
		}
		i.kubectlIsAlice(t, i.token(t, "kubernetes", alice))
	})
	t.Run("when a token is for somebody else, it is refused", func(t *testing.T) { i.refuses(t, i.token(t, "another", alice)) })
	t.Run("when a token lacks a required claim, it is refused", func(t *testing.T) {
		i.refuses(t, i.token(t, "kubernetes", map[string]any{"name": "alice", "team": "b"}))
	})
	t.Run("when a token is signed by somebody else, it is refused", func(t *testing.T) {
		forged := *i
		forged.signer, _ = newSigner(t)
		i.refuses(t, forged.token(t, "kubernetes", alice))
	})
	which := &types.IdentityProviderConfig{Name: aws.String("e2e"), Type: aws.String("oidc")}
	if _, err := a.eks.DisassociateIdentityProviderConfig(t.Context(), &eks.DisassociateIdentityProviderConfigInput{ClusterName: aws.String(eksCluster), IdentityProviderConfig: which}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "config gone", 3*time.Minute, i.status(""))
	t.Run("when the config is gone, its tokens are refused, within the 10 s that API servers remember", func(t *testing.T) {
		alice := i.connect(t, i.token(t, "kubernetes", alice))
		eventually(t, "refusal", 12*time.Second, func(ctx context.Context) error {
			if _, err := alice.kube.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{}); !apierrors.IsUnauthorized(err) {
				return fmt.Errorf("want Unauthorized, got %w", err)
			}
			return nil
		})
	})
}

// status checks that the config has a status; empty: that there is none.
func (i *issuer) status(want types.ConfigStatus) func(context.Context) error {
	return func(ctx context.Context) error {
		out, err := i.eks.DescribeIdentityProviderConfig(ctx, &eks.DescribeIdentityProviderConfigInput{ClusterName: aws.String(eksCluster),
			IdentityProviderConfig: &types.IdentityProviderConfig{Name: aws.String("e2e"), Type: aws.String("oidc")}})
		if missing := new(types.ResourceNotFoundException); errors.As(err, &missing) && want == "" {
			return nil
		}
		if err == nil && out.IdentityProviderConfig.Oidc.Status != want {
			return fmt.Errorf("it is %s", out.IdentityProviderConfig.Oidc.Status)
		}
		return err
	}
}

func (i *issuer) refuses(t *testing.T, token string) {
	t.Helper()
	_, err := i.connect(t, token).kube.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if !apierrors.IsUnauthorized(err) {
		t.Errorf("got %v, want Unauthorized", err)
	}
}

// kubectlIsAlice asks kubectl who it is.
func (i *issuer) kubectlIsAlice(t *testing.T, token string) {
	program, err := naru.Program("kubernetes", "kubectl")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	content := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: it, clusters: [{name: it, cluster: {server: %q, certificate-authority-data: %q}}],
users: [{name: it, user: {token: %q}}], contexts: [{name: it, context: {cluster: it, user: it}}]}`,
		i.config.Host, base64.StdEncoding.EncodeToString(i.config.CAData), token)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	kubectl := exec.CommandContext(t.Context(), program, "--kubeconfig", path, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
	if result, err := naru.Run(kubectl); err != nil || result.Stdout != "oidc:alice" {
		t.Errorf("got %q, %v", result.Stdout, err)
	}
}

// token is one of the issuer's, with claims, for an audience.
func (i *issuer) token(t *testing.T, audience string, claims map[string]any) string {
	t.Helper()
	all := maps.Clone(claims)
	all["iss"], all["aud"], all["sub"] = issuerURL, audience, "0"
	all["iat"], all["exp"] = time.Now().Unix(), time.Now().Add(10*time.Minute).Unix()
	text, err := jwt.Signed(i.signer).Claims(all).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func newSigner(t *testing.T) (jose.Signer, jose.JSONWebKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return signer, jose.JSONWebKey{Key: key.Public(), KeyID: "1", Algorithm: string(jose.ES256), Use: "sig"}
}

// newIssuer starts the issuer, and has Naru trust who signed its certificate.
func newIssuer(t *testing.T, w *world, a awsClients) *issuer {
	t.Helper()
	signer, public := newSigner(t)
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}})
	if err != nil {
		t.Fatal(err)
	}
	discovery := fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q,"response_types_supported":["id_token"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["ES256"]}`,
		issuerURL, issuerURL+"/keys")
	authority, pair := issuerCertificate(t)
	c := w.connect(t, eksCluster)
	meta := metav1.ObjectMeta{Name: issuerName, Labels: map[string]string{"e2e": issuerName}}
	for _, make := range []func() error{
		func() error {
			_, err := c.kube.CoreV1().Secrets("default").Create(t.Context(), &corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"pair.pem": pair,
				"discovery.json": []byte(discovery), "keys.json": keys, "haproxy.cfg": []byte(issuerServer)}}, metav1.CreateOptions{})
			return err
		},
		func() error {
			_, err := c.kube.CoreV1().Services("default").Create(t.Context(), &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Selector: meta.Labels,
				Ports: []corev1.ServicePort{{Port: 8443}}}}, metav1.CreateOptions{})
			return err
		},
		func() error {
			_, err := w.hosting(t).kube.CoreV1().ConfigMaps(v1alpha1.SystemNamespace).Create(t.Context(), &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.ConfigMapIssuerAuthorities}, Data: map[string]string{v1alpha1.KeyIssuerAuthorities: string(authority)}}, metav1.CreateOptions{})
			return err
		},
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := w.hosting(t).kube.CoreV1().ConfigMaps(v1alpha1.SystemNamespace).Delete(ctx, v1alpha1.ConfigMapIssuerAuthorities, metav1.DeleteOptions{}); err != nil {
			t.Errorf("deleting the authorities: %v", err)
		}
	})
	server := pod(issuerName, w.image(t, "haproxy"), "/usr/sbin/haproxy", "-db", "-f", "/etc/issuer/haproxy.cfg")
	server.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "issuer", MountPath: "/etc/issuer"}}
	server.Spec.Containers[0].ReadinessProbe = &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8443)}}}
	server.Spec.Volumes = []corev1.Volume{{Name: "issuer", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: issuerName, DefaultMode: ptr.To[int32](0o444)}}}}
	create(t, c, server)
	awaitPods(t, c, issuerName)
	return &issuer{access: newAccess(t, w, a), signer: signer}
}

// issuerServer serves two documents over TLS.
const issuerServer = `
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 1s
frontend issuer
  bind :8443 ssl crt /etc/issuer/pair.pem
  http-request return status 200 content-type application/json file /etc/issuer/discovery.json if { path /.well-known/openid-configuration }
  http-request return status 200 content-type application/json file /etc/issuer/keys.json if { path /keys }
  http-request return status 404
`

// issuerCertificate is the certificate of the issuer, with its key and the authority that signed it.
func issuerCertificate(t *testing.T) (authority, pair []byte) {
	t.Helper()
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "e2e"}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: issuerName}, NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		DNSNames: []string{issuerName + ".default.svc.cluster.local"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), rootKey)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pair = append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}), pair
}
