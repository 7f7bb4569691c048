package authenticator

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/bootstrap"
	"naru.dev/naru/internal/iam/store"
	"naru.dev/naru/internal/iam/token"
)

const account = "111122223333"

type world struct {
	t      *testing.T
	client client.Client
	store  *iam.Store
	key    *iam.AccessKey
	// written is the log of all clusters.
	written bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	entry := &v1alpha1.AccessEntry{}
	admin := iam.UserARN(account, "/", bootstrap.AdminUser)
	entry.Namespace, entry.Name = v1alpha1.Namespace("prod"), v1alpha1.AccessEntryName(admin)
	entry.Spec = v1alpha1.AccessEntrySpec{PrincipalARN: admin, Type: token.Standard, Username: admin, Policies: []v1alpha1.AccessPolicyAssociation{
		{Policy: "AmazonEKSViewPolicy", Scope: v1alpha1.AccessScope{Type: "namespace", Namespaces: []string{"team-*"}}}}}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(entry).Build()
	if _, err := bootstrap.Ensure(t.Context(), c, account, time.Now()); err != nil {
		t.Fatal(err)
	}
	s := store.New(c)
	key, err := bootstrap.KeyOf(t.Context(), s, bootstrap.AdminUser)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, client: c, store: s, key: key}
}

// post asks as the API servers of a cluster do.
func (w *world) post(cluster, path string, review any) (int, string) {
	w.t.Helper()
	owner, err := bootstrap.Load(w.t.Context(), w.client)
	if err != nil {
		w.t.Fatal(err)
	}
	access, err := owner.Access(w.store, time.Now)
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := json.Marshal(review)
	if err != nil {
		w.t.Fatal(err)
	}
	answer, request := httptest.NewRecorder(), httptest.NewRequest("POST", path, strings.NewReader(string(body)))
	request.TLS = &tls.ConnectionState{}
	if cluster != "" {
		request.TLS.PeerCertificates = []*x509.Certificate{{Subject: pkix.Name{CommonName: v1alpha1.AuthenticatorClient(cluster)}}}
	}
	report := func(err error) { w.t.Error(err) }
	NewHandler(Options{Entries: w.client, Credentials: access, Now: time.Now, Report: report, Records: NewRecords(w.client, &w.written, report)}).
		ServeHTTP(answer, request)
	return answer.Code, answer.Body.String()
}

func (w *world) review(cluster, forCluster string) (int, string) {
	w.t.Helper()
	text, err := token.Create(forCluster, sigv4.Key{AccessKeyID: w.key.ID, Secret: w.key.Secret}, "naru-kr-1", time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return w.post(cluster, Path(cluster)+token.AuthenticatePath, tokenReview(text))
}

func tokenReview(text string) authenticationv1.TokenReview {
	return authenticationv1.TokenReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "authentication.k8s.io/v1", Kind: "TokenReview"}, Spec: authenticationv1.TokenReviewSpec{Token: text}}
}

// TestRecords shows the same token to a cluster that wants a log, and to the same one once it wants none.
func TestRecords(t *testing.T) {
	w := newWorld(t)
	cluster := &v1alpha1.Cluster{}
	cluster.Name, cluster.Spec.ControlPlane.AuthenticatorLog = "prod", v1alpha1.AuthenticatorLogEnabled
	if err := w.client.Create(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	w.review("prod", "prod")
	w.review("prod", "test")
	w.review("test", "test") // which is no cluster that asks for a log
	lines := strings.Split(strings.TrimSpace(w.written.String()), "\n")
	admin := iam.UserARN(account, "/", bootstrap.AdminUser)
	for i, want := range [][]string{
		{`"arn":"` + admin + `"`, `"accessKeyId":"` + w.key.ID + `"`, `"username":"` + admin + `"`, `"decision":"allow"`},
		{`"decision":"deny"`, "signature"},
	} {
		for _, part := range append(want, RecordsOf("prod")) {
			if i >= len(lines) || !strings.Contains(lines[i], part) || !json.Valid([]byte(lines[i])) {
				t.Errorf("line %d lacks %s: %q", i, part, lines)
			}
		}
	}
	if written := w.written.String(); len(lines) != 2 || strings.Contains(written, token.Prefix) || strings.Contains(written, w.key.Secret) {
		t.Errorf("written is %q", written)
	}
	cluster.Spec.ControlPlane.AuthenticatorLog = ""
	if err := w.client.Update(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	w.written.Reset()
	if w.review("prod", "prod"); w.written.Len() != 0 {
		t.Errorf("when none is wanted, %q is written", w.written.String())
	}
}

func TestAuthenticate(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct{ name, cluster, forCluster, want string }{
		{"when there is an entry, it says who", "prod", "prod", `"username":"arn:aws:iam::111122223333:user/admin"`},
		{"when the token is for another cluster, it is refused", "prod", "test", "InvalidSignatureException"},
		{"when the cluster has no entry, it is refused", "test", "test", "has no access entry in cluster test"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if code, body := w.review(test.cluster, test.forCluster); code != 200 || !strings.Contains(body, test.want) || strings.Contains(body, `"authenticated":true`) != (test.cluster == "prod" && test.forCluster == "prod") {
				t.Errorf("%d %s", code, body)
			}
		})
	}
	t.Run("when the cluster's name can't be, there is nothing", func(t *testing.T) {
		if code, _ := w.review("UPPER", "UPPER"); code != 404 {
			t.Error(code)
		}
	})
	for _, stranger := range []string{"", "test", "prod2"} {
		t.Run("when the API servers of cluster "+stranger+" ask for another, they are refused", func(t *testing.T) {
			for _, path := range []string{token.AuthenticatePath, token.AuthorizePath} {
				if code, body := w.post(stranger, Path("prod")+path, tokenReview("x")); code != 403 {
					t.Errorf("%d %s", code, body)
				}
			}
		})
	}
	t.Run("when the key is deleted, its tokens stop working", func(t *testing.T) {
		if err := w.store.Keys.Delete(t.Context(), w.key.ID); err != nil {
			t.Fatal(err)
		}
		if code, body := w.review("prod", "prod"); code != 200 || !strings.Contains(body, "UnrecognizedClientException") {
			t.Errorf("%d %s", code, body)
		}
	})
}

func TestAuthorize(t *testing.T) {
	w := newWorld(t)
	for namespace, want := range map[string]bool{"team-a": true, "kube-system": false, "": false} {
		code, body := w.post("prod", Path("prod")+token.AuthorizePath, authorizationv1.SubjectAccessReview{
			TypeMeta: metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1", Kind: "SubjectAccessReview"},
			Spec: authorizationv1.SubjectAccessReviewSpec{UID: "aws-iam-authenticator:111122223333:AIDA", Extra: map[string]authorizationv1.ExtraValue{
				"canonicalArn": {"arn:aws:iam::111122223333:user/admin"}, "accessKeyId": {w.key.ID}}, ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "list", Resource: "pods", Namespace: namespace}}})
		if code != 200 || strings.Contains(body, `"allowed":true`) != want {
			t.Errorf("namespace %q: %d %s", namespace, code, body)
		}
	}
}

func TestFromObject(t *testing.T) {
	entry := &v1alpha1.AccessEntry{}
	entry.Spec.Policies = []v1alpha1.AccessPolicyAssociation{{Policy: "AmazonEKSClusterAdminPolicy", Scope: v1alpha1.AccessScope{Type: "namespace"}}}
	if got := FromObject(entry); len(got.Policies) != 0 {
		t.Errorf("when a scope names no namespace, it is not the whole cluster: %+v", got.Policies)
	}
}
