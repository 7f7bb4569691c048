package ecr_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	memory "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/uuid"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"naru.dev/naru/internal/eks/audit"
	"naru.dev/naru/internal/eks/convert"
	own "naru.dev/naru/internal/eks/ecr"
	"naru.dev/naru/internal/eks/server"
	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/eks/wire"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/policy"
	"naru.dev/naru/internal/registry"
)

const account, region, alice, password = "111122223333", "naru-kr-1", "AKIAIOSFODNN7EXAMPLE", "the registry's own"

// site is naru server in front of a registry in memory. Alice may do everything that is not refused.
type site struct {
	server *httptest.Server
	log    *lines

	mu       sync.Mutex
	refused  []string
	inactive bool
	now      time.Duration
	// sent are the headers and queries that reached the registry.
	sent []string
}

type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (s *site) change(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// Lookup knows one key.
func (s *site) Lookup(_ context.Context, key, _ string) (iam.Identity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key != alice || s.inactive {
		return iam.Identity{}, &sigv4.Error{Code: sigv4.UnrecognizedClient, Message: "The security token included in the request is invalid."}
	}
	arn := iam.UserARN(account, "/", "alice")
	return iam.Identity{Secret: "s3cr3t", Caller: iam.Caller{ARN: arn, Principal: arn, AccountID: account, UserID: "AIDAEXAMPLE", AccessKeyID: key}}, nil
}

func (s *site) Authorize(ctx context.Context, caller iam.Caller, request iam.Request) (iam.Decision, error) {
	return s.AuthorizeWith(ctx, caller, request)
}

// AuthorizeWith decides by what is refused, and by the repository's own policy as package policy does.
func (s *site) AuthorizeWith(_ context.Context, caller iam.Caller, request iam.Request, more ...policy.Policy) (iam.Decision, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	allow, err := policy.Parse(policy.Identity, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	if err != nil {
		return iam.Decision{}, err
	}
	if !slices.Contains(s.refused, request.Action+" "+request.Resource) {
		more = append(more, policy.Policy{Kind: policy.Identity, Name: "all", Document: allow})
	}
	return policy.Evaluate(more, policy.Request{Principal: policy.Principal{ARN: caller.ARN, Source: caller.Principal, Account: caller.AccountID},
		Action: request.Action, Resource: request.Resource, Context: request.Context}), nil
}

func (s *site) Authenticate(r *http.Request, body []byte) (iam.Caller, error) {
	signature, err := sigv4.Read(r)
	if err != nil {
		return iam.Caller{}, err
	}
	identity, err := s.Lookup(r.Context(), signature.AccessKeyID, "")
	if err != nil {
		return iam.Caller{}, err
	}
	return identity.Caller, signature.Verify(r, body, identity.Secret, time.Now())
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.now)
}

// door is one of the registry's: that for writing wants the password.
func (s *site) door(t *testing.T, registry http.Handler, writes bool) *url.URL {
	t.Helper()
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.change(func() { s.sent = append(s.sent, r.Header.Get("Authorization")+" "+r.URL.RawQuery) })
		user, given, _ := r.BasicAuth()
		switch {
		case writes && (user != "naru-server" || given != password):
			w.Header().Set("WWW-Authenticate", `Basic realm="naru"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		case !writes && r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		registry.ServeHTTP(w, r)
	}))
	t.Cleanup(door.Close)
	at, err := url.Parse(door.URL)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{log: &lines{}}
	images := memory.New(memory.Logger(log.New(io.Discard, "", 0)))
	up := &own.Upstream{Read: s.door(t, images, false), Write: s.door(t, images, true), User: "naru-server", Password: password, Transport: http.DefaultTransport}
	s.serve(t, up)
	push(t, up, "etcd:3")
	push(t, up, "theirs:1")
	return s
}

// serve starts naru server in front of a registry.
func (s *site) serve(t *testing.T, up *own.Upstream) {
	t.Helper()
	model, err := wire.NewModel()
	if err != nil {
		t.Fatal(err)
	}
	arns := convert.Site{Account: account, Region: region}
	options := own.Options{
		Site: arns, Access: s, Records: own.Records{Client: fake.NewClientBuilder().WithScheme(scheme.Scheme).Build()},
		Connect: func(context.Context) (*own.Upstream, error) { return up, nil },
		Own:     func(context.Context) (registry.Own, error) { return registry.Own{"etcd": true}, nil },
		Key:     []byte("a key"), Audit: audit.NewLog(s.log), Log: slog.New(slog.DiscardHandler), Now: s.clock, NewID: uuid.NewString,
	}
	s.server = httptest.NewServer(server.New(server.Options{
		Site: arns, Model: model, Authenticator: s, Authorizer: s,
		JSON: map[string]http.Handler{"ecr": own.New(options)}, Streams: map[string]http.Handler{own.Root: own.NewProxy(options)},
		Audit: options.Audit, Log: options.Log, Limits: server.DefaultLimits(), Now: time.Now, NewID: uuid.NewString,
	}))
	t.Cleanup(s.server.Close)
}

// push writes an image past naru server, as "naru image push" does.
func push(t *testing.T, up *own.Upstream, reference string) {
	t.Helper()
	at, err := name.ParseReference(up.Write.Host + "/" + reference)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(at, image(t), remote.WithAuth(&authn.Basic{Username: up.User, Password: up.Password})); err != nil {
		t.Fatal(err)
	}
}

func image(t *testing.T) v1.Image {
	t.Helper()
	made, err := random.Image(300<<10, 2) // larger than a call's body may be
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// client is AWS's own.
func (s *site) client() *ecr.Client {
	return ecr.New(ecr.Options{
		Region: region, BaseEndpoint: &s.server.URL, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: alice, SecretAccessKey: "s3cr3t"}, nil
		}),
	})
}

// login is what `docker login` does with the token.
func (s *site) login(t *testing.T) authn.Authenticator {
	t.Helper()
	answer, err := s.client().GetAuthorizationToken(t.Context(), &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	data := answer.AuthorizationData[0]
	if *data.ProxyEndpoint != s.server.URL || time.Until(*data.ExpiresAt).Round(time.Hour) != 12*time.Hour {
		t.Errorf("where and how long: %s, %s", *data.ProxyEndpoint, data.ExpiresAt)
	}
	text, err := base64.StdEncoding.DecodeString(*data.AuthorizationToken)
	if err != nil {
		t.Fatal(err)
	}
	user, token, _ := strings.Cut(string(text), ":")
	if strings.Contains(token, password) {
		t.Error("the token is the registry's password")
	}
	return &authn.Basic{Username: user, Password: token}
}

func (s *site) reference(t *testing.T, reference string) name.Reference {
	t.Helper()
	at, err := name.ParseReference(strings.TrimPrefix(s.server.URL, "http://") + "/" + reference)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// pushTwice pushes one image with the tags 1 and 2.
func (s *site) pushTwice(t *testing.T) (v1.Image, v1.Hash) {
	t.Helper()
	made := image(t)
	digest, err := made.Digest()
	if err != nil {
		t.Fatal(err)
	}
	auth := remote.WithAuth(s.login(t))
	for _, tag := range []string{"team/app:1", "team/app:2"} {
		if err := remote.Write(s.reference(t, tag), made, auth); err != nil {
			t.Fatal(err)
		}
	}
	return made, digest
}
