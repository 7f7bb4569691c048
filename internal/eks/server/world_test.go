package server

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/google/uuid"

	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/eks/audit"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/eks/handlers"
	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/eks/wire"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/test/simulated"
)

const account, region, subnet, role = "111122223333", "naru-kr-1", "subnet-0123456789abcdef0", "arn:aws:iam::111122223333:role/team/eks"

const secret = "s3cr3t"

// site is a server with real clients in front of a simulated hosting cluster. The key AKIAIOSFODNN7EXAMPLE
// is alice's; what is in refused she may not do.
type site struct {
	server  *httptest.Server
	options Options
	world   *simulated.World
	log     *lines
	mu      sync.Mutex
	refused []string
	asked   []iam.Request
}

// lines is a file in memory.
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

// Lookup knows one key.
func (s *site) Lookup(_ context.Context, key, _ string) (iam.Identity, error) {
	if key != "AKIAIOSFODNN7EXAMPLE" {
		return iam.Identity{}, &sigv4.Error{Code: sigv4.UnrecognizedClient, Message: "The security token included in the request is invalid."}
	}
	arn := iam.UserARN(account, "/", "alice")
	return iam.Identity{Secret: secret, Caller: iam.Caller{ARN: arn, Principal: arn, AccountID: account, UserID: "AIDAEXAMPLE", AccessKeyID: key}}, nil
}

func (s *site) Authorize(_ context.Context, _ iam.Caller, request iam.Request) (iam.Decision, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, request)
	return iam.Decision{Allowed: !slices.Contains(s.refused, request.Action)}, nil
}

func newSite(t testing.TB) *site {
	t.Helper()
	model, err := wire.NewModel()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{world: simulated.New(t), log: &lines{}}
	arns := convert.Site{Account: account, Region: region}
	eksHandlers, err := handlers.New(handlers.Options{Backend: backend.New(s.world.Client), Model: model, Site: arns, Roles: s, Now: time.Now, NewID: uuid.NewString})
	if err != nil {
		t.Fatal(err)
	}
	s.options = Options{
		Site: arns, Model: model, EKS: eksHandlers, Authenticator: signatures{s}, Authorizer: s, Audit: audit.NewLog(s.log), Log: slog.New(slog.DiscardHandler),
		Limits: Limits{PerSecond: 100000, Burst: 100000, AtOnce: 256}, Now: time.Now, NewID: uuid.NewString,
	}
	s.server = httptest.NewServer(New(s.options))
	t.Cleanup(s.server.Close)
	return s
}

// client is AWS's own.
func (s *site) client() *eks.Client { return s.clientOf("AKIAIOSFODNN7EXAMPLE") }

func (s *site) clientOf(key string) *eks.Client {
	return eks.New(eks.Options{
		Region: region, BaseEndpoint: &s.server.URL, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, nil
		}),
	})
}

// signatures lets in who signed with the secret of an access key. It stands for package access, without its store.
type signatures struct {
	credentials iam.Credentials
}

func (s signatures) Authenticate(r *http.Request, body []byte) (iam.Caller, error) {
	signature, err := sigv4.Read(r)
	if err != nil {
		return iam.Caller{}, err
	}
	identity, err := s.credentials.Lookup(r.Context(), signature.AccessKeyID, signature.SessionToken)
	if err != nil {
		return iam.Caller{}, err
	}
	if err := signature.Verify(r, body, identity.Secret, time.Now()); err != nil {
		return iam.Caller{}, err
	}
	caller := identity.Caller
	caller.SourceIP = audit.SourceIP(r.RemoteAddr)
	return caller, nil
}

// Trusts knows one role, which trusts everybody.
func (s *site) Trusts(_ context.Context, arn, _ string) (exists, trusts bool, err error) {
	return arn == role, arn == role, nil
}
