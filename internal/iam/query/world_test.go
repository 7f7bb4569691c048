package query

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/access"
	"naru.dev/naru/internal/iam/bootstrap"
	"naru.dev/naru/internal/iam/store"
)

const account = "111122223333"

// world is a server with the user admin, as a client reaches it.
type world struct {
	t      *testing.T
	access *access.Access
	url    string
	admin  aws.Credentials
}

// webIdentities takes a token for what it says: "issuer|subject|audience".
type webIdentities struct{}

func (webIdentities) Issuer(token string) (string, error) {
	issuer, _, ok := strings.Cut(token, "|")
	if !ok {
		return "", fault(400, "InvalidIdentityToken", "it is no token")
	}
	return issuer, nil
}

func (webIdentities) Verify(_ context.Context, token string, provider Provider) (Claims, error) {
	parts := strings.Split(token, "|")
	if parts[0] != provider.URL {
		return Claims{}, errors.New("asked about another provider")
	}
	return Claims{Issuer: parts[0], Subject: parts[1], Audience: parts[2]}, nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c := fake.NewClientBuilder().WithScheme(scheme).Build()
	owner, err := bootstrap.Ensure(t.Context(), c, account, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(c)
	a, err := owner.Access(s, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := NewHandler(Options{Access: a, Store: s, WebIdentities: webIdentities{}, Report: func(err error) { t.Errorf("the server's own error: %v", err) }})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(mount(t, a, handler))
	t.Cleanup(server.Close)
	key, err := bootstrap.KeyOf(t.Context(), s, bootstrap.AdminUser)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, access: a, url: server.URL, admin: aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}}
}

// mount does what the wire does before the handler: verify the signature, where there is one.
func mount(t *testing.T, a *access.Access, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if r.Header.Get("Authorization") != "" {
			caller, err := a.Authenticate(r, body)
			if err != nil {
				known, _ := toError(err)
				fail(w, known, versionSTS, "test")
				return
			}
			r = r.WithContext(iam.WithCaller(r.Context(), caller))
		}
		next.ServeHTTP(w, r)
	})
}

func provide(c aws.Credentials) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, nil })
}

func (w *world) iam(c aws.Credentials) *sdk.Client {
	return sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: &w.url, Credentials: provide(c), Retryer: aws.NopRetryer{}})
}

func (w *world) sts(c aws.Credentials) *sts.Client {
	return sts.New(sts.Options{Region: "ap-northeast-2", BaseEndpoint: &w.url, Credentials: provide(c), Retryer: aws.NopRetryer{}})
}

// must returns what a call answered.
func must[T any](t *testing.T) func(T, error) T {
	return func(out T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// requireCode wants a call to fail with an error of the API.
func requireCode(t *testing.T, err error, code, words string) {
	t.Helper()
	var problem smithy.APIError
	if !errors.As(err, &problem) || problem.ErrorCode() != code || !strings.Contains(problem.ErrorMessage(), words) {
		t.Errorf("got %v, want %s: …%s…", err, code, words)
	}
}

// newUser makes a user with an inline policy and a key.
func (w *world) newUser(name, document string) aws.Credentials {
	w.t.Helper()
	c := w.iam(w.admin)
	must[*sdk.CreateUserOutput](w.t)(c.CreateUser(w.t.Context(), &sdk.CreateUserInput{UserName: &name}))
	if document != "" {
		must[*sdk.PutUserPolicyOutput](w.t)(c.PutUserPolicy(w.t.Context(), &sdk.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("own"), PolicyDocument: &document}))
	}
	key := must[*sdk.CreateAccessKeyOutput](w.t)(c.CreateAccessKey(w.t.Context(), &sdk.CreateAccessKeyInput{UserName: &name})).AccessKey
	return aws.Credentials{AccessKeyID: *key.AccessKeyId, SecretAccessKey: *key.SecretAccessKey}
}

func (w *world) newRole(name, trust string) string {
	w.t.Helper()
	role := must[*sdk.CreateRoleOutput](w.t)(w.iam(w.admin).CreateRole(w.t.Context(), &sdk.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}))
	return *role.Role.Arn
}

func allow(action, resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"}]}`
}

func trust(principal string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],"Principal":` + principal + `}]}`
}
