package podidentity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/eks/audit"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/iam/access"
	"naru.dev/naru/internal/iam/session"
	"naru.dev/naru/internal/iam/store"
	"naru.dev/naru/internal/platform"
	"naru.dev/naru/internal/podroles"
)

const account = "111122223333"

func noon() time.Time { return time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) }

// authority is a cluster's.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	template := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a := authority{}
	a.certificate, a.key = a.sign(t, template)
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
	return a
}

// sign makes a certificate; without a key of its own, the authority signs itself.
func (a authority) sign(t *testing.T, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore = big.NewInt(1), noon().Add(-time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = noon().Add(24 * time.Hour)
	}
	parent, signer := a.certificate, a.key
	if signer == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

func (a authority) leaf(t *testing.T, name, group string) *x509.Certificate {
	t.Helper()
	certificate, _ := a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name, Organization: []string{group}}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return certificate
}

// reviewer knows tokens, as an API server does.
type reviewer map[string]authenticationv1.TokenReviewStatus

func (r reviewer) Review(_ context.Context, cluster, token string) (Pod, error) {
	return podOf(r[cluster+"/"+token])
}

func status(account, node string) authenticationv1.TokenReviewStatus {
	return authenticationv1.TokenReviewStatus{Authenticated: true, Audiences: []string{podroles.Audience}, User: authenticationv1.UserInfo{
		Username: "system:serviceaccount:web:" + account, Extra: map[string]authenticationv1.ExtraValue{
			"authentication.kubernetes.io/pod-name": {account + "-1"}, "authentication.kubernetes.io/pod-uid": {"7d1"}, "authentication.kubernetes.io/node-name": {node}}}}
}

// jwt is a token as far as it is looked at here; name tells one from another.
func jwt(name, audience string, expires time.Time) string {
	text := fmt.Sprintf(`{"sub":%q,"aud":[%q],"exp":%d}`, name, audience, expires.Unix())
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(text)) + ".c2ln"
}

// world is a service with two clusters, prod and other, and associations in prod.
type world struct {
	handler     *Handler
	access      *access.Access
	prod, other authority
	tokens      reviewer
	audit       strings.Builder
}

const (
	trusts = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"],
		"Condition":{"StringEquals":{"aws:RequestTag/kubernetes-namespace":"web","aws:SourceAccount":"111122223333"}}}]}`
	untagged  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	elsewhere = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`
	byApp     = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/app"},"Action":["sts:AssumeRole","sts:TagSession"],
		"Condition":{"StringEquals":{"sts:ExternalId":"ours"}}}]}`
)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{prod: newAuthority(t), other: newAuthority(t), tokens: reviewer{}}
	c := fake.NewClientBuilder().WithScheme(platform.NewScheme()).Build()
	for name, authority := range map[string]authority{"prod": w.prod, "other": w.other} {
		cluster := &v1alpha1.Cluster{}
		cluster.Name, cluster.Status.Endpoint.CertificateAuthority = name, authority.pem
		if err := c.Create(t.Context(), cluster); err != nil {
			t.Fatal(err)
		}
	}
	identities := store.New(c)
	for name, trust := range map[string]string{"app": trusts, "untagged": untagged, "elsewhere": elsewhere, "target": byApp} {
		role := &v1alpha1.IAMRole{}
		role.Spec.Name, role.Spec.Path, role.Spec.ID, role.Spec.TrustPolicy, role.Spec.MaxSessionSeconds = name, "/", "AROA"+strings.ToUpper(name), trust, 3600
		if err := identities.Roles.Create(t.Context(), role); err != nil {
			t.Fatal(err)
		}
	}
	for account, spec := range map[string]v1alpha1.PodIdentityAssociationSpec{
		"app": {RoleARN: role("app")}, "untagged": {RoleARN: role("untagged")}, "quiet": {RoleARN: role("untagged"), DisableSessionTags: true},
		"elsewhere": {RoleARN: role("elsewhere")}, "none": {RoleARN: role("none")},
		"chained": {RoleARN: role("app"), TargetRoleARN: role("target"), ExternalID: "ours"}, "stranger": {RoleARN: role("app"), TargetRoleARN: role("target"), ExternalID: "theirs"},
	} {
		a := &v1alpha1.PodIdentityAssociation{Spec: spec}
		a.Namespace, a.Name = v1alpha1.Namespace("prod"), v1alpha1.PodIdentityAssociationName("web", account)
		a.Spec.Namespace, a.Spec.ServiceAccount = "web", account
		if err := c.Create(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		w.tokens["prod/"+good(account)] = status(account, "node-1")
	}
	sealer, err := session.NewSealer(session.NewRootKey())
	if err != nil {
		t.Fatal(err)
	}
	if w.access, err = access.New(access.Options{Account: account, Store: identities, Sealer: sealer, Now: noon}); err != nil {
		t.Fatal(err)
	}
	w.handler = New(Options{Site: convert.Site{Account: account, Region: "naru-kr-1"}, Backend: backend.New(c), Reviewer: w.tokens, Access: w.access,
		Audit: audit.NewLog(&w.audit), Log: slog.New(slog.DiscardHandler), Now: noon, NewID: func() string { return "0a1b2c3d-0000-4000-8000-000000000000" }})
	return w
}

func role(name string) string { return "arn:aws:iam::" + account + ":role/" + name }
func good(account string) string {
	return jwt(account, podroles.Audience, noon().Add(time.Hour))
}

func (w *world) ask(cluster, token string, peer *x509.Certificate) *httptest.ResponseRecorder {
	body, _ := json.Marshal(podroles.Request{Token: token})
	request := httptest.NewRequest(http.MethodPost, podroles.AssumePath(cluster), strings.NewReader(string(body)))
	request.TLS = &tls.ConnectionState{}
	if peer != nil {
		request.TLS.PeerCertificates = []*x509.Certificate{peer}
	}
	recorder := httptest.NewRecorder()
	w.handler.ServeHTTP(recorder, request)
	return recorder
}

func TestAssume(t *testing.T) {
	w := newWorld(t)
	node := w.prod.leaf(t, "system:node:node-1", "system:nodes")
	for _, test := range []struct{ name, account, role, tag string }{
		{"when all is well, the pod gets its role with tags", "app", "app", "web"},
		{"when tags are not wanted, there are none", "quiet", "untagged", ""},
		{"when there is a target, the pod gets that one's", "chained", "target", "web"},
	} {
		t.Run(test.name, func(t *testing.T) {
			recorder := w.ask("prod", good(test.account), node)
			var answer podroles.Answer
			if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil || recorder.Code != http.StatusOK {
				t.Fatalf("%d %s %v", recorder.Code, recorder.Body, err)
			}
			identity, err := w.access.Lookup(t.Context(), answer.Credentials.AccessKeyID, answer.Credentials.SessionToken)
			if err != nil || identity.Secret != answer.Credentials.SecretAccessKey || identity.Caller.Principal != role(test.role) {
				t.Fatalf("whose they are: %+v, %v", identity.Caller, err)
			}
			if got := identity.Caller.PrincipalTags["kubernetes-namespace"]; got != test.tag {
				t.Errorf("the namespace's tag is %q", got)
			}
			want := "arn:aws:sts::111122223333:assumed-role/" + test.role + "/eks-prod-" + test.account + "-1-0a1b2c3d-0000-4000-8000-000000000000"
			if answer.AssumedRoleUser.ARN != want || answer.Subject.ServiceAccount != test.account || !answer.Credentials.Expires().Equal(noon().Add(time.Hour)) {
				t.Errorf("%+v", answer)
			}
			if strings.Contains(w.audit.String(), answer.Credentials.SecretAccessKey) || strings.Contains(w.audit.String(), answer.Credentials.SessionToken) || !strings.Contains(w.audit.String(), want) {
				t.Errorf("the audit log: %s", w.audit.String())
			}
		})
	}
}

func TestAbuse(t *testing.T) {
	w := newWorld(t)
	node := w.prod.leaf(t, "system:node:node-1", "system:nodes")
	unknown, loose := jwt("unknown", podroles.Audience, noon().Add(time.Hour)), jwt("loose", podroles.Audience, noon().Add(time.Hour))
	unbound := status("app", "node-1")
	unbound.User.Extra = nil
	w.tokens["prod/"+loose] = unbound
	w.tokens["prod/"+good("unassociated")] = status("unassociated", "node-1")
	old, _ := w.prod.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "system:node:node-1", Organization: []string{"system:nodes"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, NotAfter: noon().Add(-time.Minute)})
	for _, test := range []struct {
		name, cluster, token string
		peer                 *x509.Certificate
		status               int
		code                 Code
	}{
		{"when nobody shows a certificate, it is refused", "prod", good("app"), nil, 400, AccessDenied},
		{"when a node of another cluster asks, it is refused", "prod", good("app"), w.other.leaf(t, "system:node:node-1", "system:nodes"), 400, AccessDenied},
		{"when the certificate is over, it is refused", "prod", good("app"), old, 400, AccessDenied},
		{"when the certificate is a pod's or a user's, it is refused", "prod", good("app"), w.prod.leaf(t, "naru:admin", "naru:admins"), 400, AccessDenied},
		{"when a user calls herself a node, it is refused", "prod", good("app"), w.prod.leaf(t, "system:node:node-1", "naru:admins"), 400, AccessDenied},
		{"when there is no such cluster, it is told no more", "nothing", good("app"), node, 400, AccessDenied},
		{"when the pod is on another node, it is refused", "prod", good("app"), w.prod.leaf(t, "system:node:node-2", "system:nodes"), 400, AccessDenied},
		{"when a token of another cluster is shown, it is refused", "other", good("app"), w.other.leaf(t, "system:node:node-1", "system:nodes"), 400, InvalidToken},
		{"when the cluster does not take the token, as of a pod that is gone, it is refused", "prod", unknown, node, 400, InvalidToken},
		{"when the token is bound to no pod, it is refused", "prod", loose, node, 400, InvalidToken},
		{"when the token is for another service, it is refused", "prod", jwt("app", "sts.amazonaws.com", noon().Add(time.Hour)), node, 400, InvalidToken},
		{"when the token is over, that is said", "prod", jwt("app", podroles.Audience, noon()), node, 400, ExpiredToken},
		{"when it is no token, it is refused", "prod", "x", node, 400, InvalidToken},
		{"when it is empty, it is refused", "prod", "", node, 400, InvalidRequest},
		{"when the service account has no association, that is said", "prod", good("unassociated"), node, 404, NotFound},
		{"when the role does not exist, it is refused", "prod", good("none"), node, 400, AccessDenied},
		{"when the role trusts another service, it is refused", "prod", good("elsewhere"), node, 400, AccessDenied},
		{"when the role does not trust tags, it is refused", "prod", good("untagged"), node, 400, AccessDenied},
		{"when the target wants another external id, it is refused", "prod", good("stranger"), node, 400, AccessDenied},
	} {
		t.Run(test.name, func(t *testing.T) {
			recorder := w.ask(test.cluster, test.token, test.peer)
			var problem podroles.Error
			if err := json.Unmarshal(recorder.Body.Bytes(), &problem); err != nil || recorder.Code != test.status || problem.Type != string(test.code) {
				t.Errorf("got %d %s, want %d %s", recorder.Code, recorder.Body, test.status, test.code)
			}
			if strings.Contains(recorder.Body.String(), "accessKeyId") {
				t.Errorf("there are credentials in %s", recorder.Body)
			}
		})
	}
}
