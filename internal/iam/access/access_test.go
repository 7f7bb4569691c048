package access

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/managed"
	"naru.dev/naru/internal/iam/session"
	"naru.dev/naru/internal/iam/store"
)

const account = "111122223333"

func noon() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }

// world is a store with the user Alice, her key, the role dev and a policy of the account's own.
func world(t testing.TB) *Access {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	sealer, err := session.NewSealer(bytes.Repeat([]byte("k"), session.RootKeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(Options{Account: account, Store: store.New(fake.NewClientBuilder().WithScheme(scheme).Build()), Sealer: sealer, Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	user := &v1alpha1.IAMUser{}
	user.Spec.Name, user.Spec.Path, user.Spec.ID, user.Spec.Tags = "Alice", "/", "AIDAEXAMPLEEXAMPLE", map[string]string{"team": "red"}
	user.Spec.InlinePolicies = map[string]string{"describe": statement(`"eks:Describe*"`, `arn:aws:eks:*:*:cluster/${aws:PrincipalTag/team}-*`)}
	role := &v1alpha1.IAMRole{}
	role.Spec.Name, role.Spec.Path, role.Spec.ID, role.Spec.TrustPolicy = "dev", "/team/", "AROAEXAMPLEEXAMPLE", "{}"
	role.Spec.AttachedPolicies = []string{managed.Administrator, iam.PolicyARN(account, "/", "gone")}
	role.Spec.PermissionsBoundary = iam.PolicyARN(account, "/", "bound")
	bound := &v1alpha1.IAMPolicy{}
	bound.Spec.Name, bound.Spec.Path, bound.Spec.ID, bound.Spec.DefaultVersion = "bound", "/", "ANPAEXAMPLEEXAMPLE", "v2"
	bound.Spec.Versions = []v1alpha1.IAMPolicyVersion{{ID: "v1", Document: statement(`"*"`, "*")}, {ID: "v2", Document: statement(`"eks:*"`, "*")}}
	for _, err := range []error{
		a.Store.Users.Create(t.Context(), user), a.Store.Roles.Create(t.Context(), role), a.Store.Policies.Create(t.Context(), bound),
		a.Store.Keys.Create(t.Context(), &iam.AccessKey{ID: aliceKey, User: "Alice", UserID: "AIDAEXAMPLEEXAMPLE", Secret: "secret", Created: noon()}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return a
}

const aliceKey = "AKIAIOSFODNN7EXAMPLE"

func statement(action, resource string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":` + action + `,"Resource":"` + resource + `"}}`
}

func call(t testing.TB, key sigv4.Key) *http.Request {
	t.Helper()
	r := httptest.NewRequest("GET", "https://naru.example/clusters/prod", nil)
	if err := sigv4.Sign(r, nil, key, sigv4.Scope{Region: "ap-northeast-2", Service: "eks"}, noon()); err != nil {
		t.Fatal(err)
	}
	return r
}

func requireCode(t *testing.T, err error, code sigv4.Code) {
	t.Helper()
	var problem *sigv4.Error
	if !errors.As(err, &problem) || problem.Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

func TestAuthenticateUser(t *testing.T) {
	alice := sigv4.Key{AccessKeyID: aliceKey, Secret: "secret"}
	t.Run("when the key is good, it says who", func(t *testing.T) {
		caller, err := world(t).Authenticate(call(t, alice), nil)
		if err != nil || caller.ARN != "arn:aws:iam::111122223333:user/Alice" || caller.PrincipalTags["team"] != "red" || caller.SourceIP != "192.0.2.1" || caller.AccessKeyID != aliceKey {
			t.Errorf("%+v, %v", caller, err)
		}
	})
	for _, test := range []struct {
		name   string
		key    sigv4.Key
		change func(*Access) error
		code   sigv4.Code
	}{
		{"when the secret is another", sigv4.Key{AccessKeyID: aliceKey, Secret: "x"}, nil, sigv4.InvalidSignature},
		{"when the key is unknown", sigv4.Key{AccessKeyID: "AKIAIOSFODNN8EXAMPLE", Secret: "secret"}, nil, sigv4.UnrecognizedClient},
		{"when a session token comes with a user's key", sigv4.Key{AccessKeyID: aliceKey, Secret: "secret", SessionToken: "x"}, nil, sigv4.UnrecognizedClient},
		{"when the key is inactive", alice, func(a *Access) error {
			_, err := a.Store.Keys.Update(t.Context(), aliceKey, func(k *iam.AccessKey) error { k.Inactive = true; return nil })
			return err
		}, sigv4.UnrecognizedClient},
		{"when the key was deleted", alice, func(a *Access) error { return a.Store.Keys.Delete(t.Context(), aliceKey) }, sigv4.UnrecognizedClient},
		{"when the user was deleted", alice, func(a *Access) error { return a.Store.Users.Delete(t.Context(), "alice") }, sigv4.UnrecognizedClient},
		{"when another user has the name by now", alice, func(a *Access) error {
			other := &v1alpha1.IAMUser{}
			other.Spec.Name, other.Spec.Path, other.Spec.ID = "Alice", "/", "AIDAOTHEROTHEROTHER"
			return errors.Join(a.Store.Users.Delete(t.Context(), "Alice"), a.Store.Users.Create(t.Context(), other))
		}, sigv4.UnrecognizedClient},
	} {
		t.Run(test.name+", it is refused", func(t *testing.T) {
			a := world(t)
			if test.change != nil {
				if err := test.change(a); err != nil {
					t.Fatal(err)
				}
			}
			_, err := a.Authenticate(call(t, test.key), nil)
			requireCode(t, err, test.code)
		})
	}
}

func TestAuthenticateSession(t *testing.T) {
	a := world(t)
	claims := session.Claims{Principal: iam.RoleARN(account, "/team/", "dev"), PrincipalID: "AROAEXAMPLEEXAMPLE", Name: "alice", Tags: map[string]string{"team": "blue"},
		Policies: []string{statement(`"eks:List*"`, "*")}, Issued: noon().Unix(), Expires: noon().Add(time.Hour).Unix()}
	seal := func(t *testing.T, change func(*session.Claims)) sigv4.Key {
		t.Helper()
		copied := claims
		change(&copied)
		made, err := a.Sealer.Seal(copied)
		if err != nil {
			t.Fatal(err)
		}
		return sigv4.Key{AccessKeyID: made.AccessKeyID, Secret: made.Secret, SessionToken: made.Token}
	}
	same := func(*session.Claims) {}
	t.Run("when it is good, it says who, with the session's tags", func(t *testing.T) {
		caller, err := a.Authenticate(call(t, seal(t, same)), nil)
		if err != nil || caller.ARN != "arn:aws:sts::111122223333:assumed-role/dev/alice" || caller.Principal != claims.Principal ||
			caller.UserID != "AROAEXAMPLEEXAMPLE:alice" || caller.PrincipalTags["team"] != "blue" || caller.Session.Name != "alice" {
			t.Errorf("%+v, %v", caller, err)
		}
	})
	t.Run("when it is over, it has expired", func(t *testing.T) {
		_, err := a.Authenticate(call(t, seal(t, func(c *session.Claims) { c.Expires = noon().Unix() })), nil)
		requireCode(t, err, sigv4.ExpiredToken)
	})
	t.Run("when the role is another by now, it is refused", func(t *testing.T) {
		_, err := a.Authenticate(call(t, seal(t, func(c *session.Claims) { c.PrincipalID = "AROAOTHER" })), nil)
		requireCode(t, err, sigv4.UnrecognizedClient)
	})
	t.Run("when the token is another key's, it is refused", func(t *testing.T) {
		one, other := seal(t, same), seal(t, same)
		one.SessionToken = other.SessionToken
		_, err := a.Authenticate(call(t, one), nil)
		requireCode(t, err, sigv4.UnrecognizedClient)
	})
	t.Run("when the token was changed or left out, it is refused", func(t *testing.T) {
		for _, token := range []string{"", "x", strings.Repeat("A", 30000)} {
			key := seal(t, same)
			key.SessionToken = token
			_, err := a.Authenticate(call(t, key), nil)
			requireCode(t, err, sigv4.UnrecognizedClient)
		}
	})
}

func TestAuthorize(t *testing.T) {
	a := world(t)
	alice := iam.Caller{ARN: iam.UserARN(account, "/", "Alice"), Principal: iam.UserARN(account, "/", "Alice"), AccountID: account, PrincipalTags: map[string]string{"team": "red"}}
	role := iam.Caller{ARN: iam.AssumedRoleARN(account, "dev", "x"), Principal: iam.RoleARN(account, "/team/", "dev"), AccountID: account, Session: &iam.Session{}}
	bounded := role
	bounded.Session = &iam.Session{Policies: []string{statement(`"eks:List*"`, "*")}}
	const cluster = "arn:aws:eks:ap-northeast-2:111122223333:cluster/"
	for _, test := range []struct {
		name             string
		caller           iam.Caller
		action, resource string
		want             string
	}{
		{"when the tag's cluster is asked for, it is allowed", alice, "eks:DescribeCluster", cluster + "red-1", ""},
		{"when another's is, it is not", alice, "eks:DescribeCluster", cluster + "blue-1", "because no identity-based policy allows the eks:DescribeCluster action"},
		{"when the boundary allows it, it is allowed", role, "eks:DeleteCluster", cluster + "red-1", ""},
		{"when the boundary does not, it is not", role, "iam:CreateUser", "*", "because no permissions boundary allows the iam:CreateUser action"},
		{"when the session policy does not, it is not", bounded, "eks:DeleteCluster", cluster + "red-1", "because no session policy allows the eks:DeleteCluster action"},
		{"when it is the root, it is allowed", iam.Caller{ARN: iam.RootARN(account), Principal: iam.RootARN(account), AccountID: account}, "iam:CreateUser", "*", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			decision, err := a.Authorize(t.Context(), test.caller, iam.Request{Action: test.action, Resource: test.resource})
			if err != nil || decision.Allowed != (test.want == "") || decision.Because(test.action) != test.want {
				t.Errorf("%+v, %v", decision, err)
			}
		})
	}
	t.Run("when the boundary is gone, nothing is allowed", func(t *testing.T) {
		a := world(t)
		if err := a.Store.Policies.Delete(t.Context(), "bound"); err != nil {
			t.Fatal(err)
		}
		decision, err := a.Authorize(t.Context(), role, iam.Request{Action: "eks:ListClusters", Resource: "*"})
		if err != nil || decision.Allowed {
			t.Errorf("%+v, %v", decision, err)
		}
	})
}

func TestContext(t *testing.T) {
	a := world(t)
	r := call(t, sigv4.Key{AccessKeyID: aliceKey, Secret: "secret"})
	caller, err := a.Authenticate(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := Context(caller, map[string][]string{"eks:clientId": {"x"}}, noon())
	want := map[string][]string{
		"eks:clientId": {"x"}, "aws:PrincipalArn": {"arn:aws:iam::111122223333:user/Alice"}, "aws:PrincipalAccount": {account}, "aws:PrincipalType": {"User"},
		"aws:username": {"Alice"}, "aws:userid": {"AIDAEXAMPLEEXAMPLE"}, "aws:PrincipalTag/team": {"red"}, "aws:SourceIp": {"192.0.2.1"},
		"aws:CurrentTime": {"2026-11-24T12:00:00Z"}, "aws:EpochTime": {"1795521600"}, "aws:RequestedRegion": {"ap-northeast-2"},
		"aws:SecureTransport": {"true"}, "aws:PrincipalIsAWSService": {"false"}, "aws:ViaAWSService": {"false"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// BenchmarkCall is what each signed call costs before its operation begins.
func BenchmarkCall(b *testing.B) {
	a := world(b)
	r := call(b, sigv4.Key{AccessKeyID: aliceKey, Secret: "secret"})
	for b.Loop() {
		caller, err := a.Authenticate(r, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := a.Authorize(b.Context(), caller, iam.Request{Action: "eks:DescribeCluster", Resource: "*"}); err != nil {
			b.Fatal(err)
		}
	}
}
