package token

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/iam"
)

const (
	account = "111122223333"
	keyID   = "ASIAIOSFODNN7EXAMPLE"
	secret  = "not/a+real/secret"
	region  = "ap-northeast-2"
)

func noon() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }

// dev is a session of a role.
func dev() iam.Caller {
	return iam.Caller{
		ARN: iam.AssumedRoleARN(account, "dev", "alice@x"), Principal: iam.RoleARN(account, "/team/", "dev"), AccountID: account,
		UserID: "AROAEXAMPLE:alice@x", AccessKeyID: keyID, Session: &iam.Session{Name: "alice@x"},
	}
}

type credentials struct{ err error }

func (c credentials) Lookup(_ context.Context, id, token string) (iam.Identity, error) {
	if c.err != nil {
		return iam.Identity{}, c.err
	}
	if id != keyID || token != "session" {
		return iam.Identity{}, &sigv4.Error{Code: sigv4.UnrecognizedClient, Message: "no such key"}
	}
	return iam.Identity{Secret: secret, Caller: dev()}, nil
}

func newVerifier() *Verifier {
	return &Verifier{Cluster: "prod", Hosts: []string{"naru.example:8443"}, Credentials: credentials{}, Now: noon}
}

func key() sigv4.Key { return sigv4.Key{AccessKeyID: keyID, Secret: secret, SessionToken: "session"} }

func newToken(t testing.TB, cluster string, key sigv4.Key, at time.Time) string {
	t.Helper()
	token, err := Create(cluster, key, region, at)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// presign makes a token as another client does, for another address.
func presign(t *testing.T, address string, headers map[string]string, service string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	signed, err := sigv4.Presign(r, key(), sigv4.Scope{Region: region, Service: service}, noon())
	if err != nil {
		t.Fatal(err)
	}
	return Prefix + base64.RawURLEncoding.EncodeToString([]byte(signed))
}

func TestVerify(t *testing.T) {
	const query = "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60"
	prod := map[string]string{"x-k8s-aws-id": "prod"}
	for _, test := range []struct {
		name, token string
		want        string
	}{
		{"when naru made it, it is accepted", newToken(t, "prod", key(), noon()), ""},
		{"when it is 14 minutes old, it is accepted", newToken(t, "prod", key(), noon().Add(-14*time.Minute)), ""},
		{"when it was signed for the global STS, it is accepted", presign(t, "https://sts.amazonaws.com"+query, prod, "sts"), ""},
		{"when it was signed for a dual-stack STS, it is accepted", presign(t, "https://sts.eu-west-1.api.aws"+query, prod, "sts"), ""},
		{"when it was signed for Naru's own STS, it is accepted", presign(t, "https://naru.example:8443/sts"+query, prod, "sts"), ""},
		{"when it was signed for loopback, it is accepted", presign(t, "http://127.0.0.1:8443"+query, prod, "sts"), ""},
		{"when it is 16 minutes old, it is refused", newToken(t, "prod", key(), noon().Add(-16*time.Minute)), "Signature expired"},
		{"when it is of the future, it is refused", newToken(t, "prod", key(), noon().Add(6*time.Minute)), "not yet current"},
		{"when it is for another cluster, it is refused", newToken(t, "test", key(), noon()), "does not match"},
		{"when the key is unknown, it is refused", newToken(t, "prod", sigv4.Key{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", Secret: secret}, noon()), "no such key"},
		{"when the secret is another, it is refused", newToken(t, "prod", sigv4.Key{AccessKeyID: keyID, Secret: "x", SessionToken: "session"}, noon()), "does not match"},
		{"when the host is somebody's, it is refused", presign(t, "https://sts.amazonaws.com.evil.example"+query, prod, "sts"), "host is not one of STS"},
		{"when the host has a port, it is refused", presign(t, "https://sts.amazonaws.com:8443"+query, prod, "sts"), "host is not one of STS"},
		{"when it is not https, it is refused", presign(t, "http://sts.amazonaws.com"+query, prod, "sts"), "not https"},
		{"when it has a path, it is refused", presign(t, "https://sts.amazonaws.com/x"+query[1:], prod, "sts"), "path is not /"},
		{"when it has a user, it is refused", presign(t, "https://a:b@sts.amazonaws.com"+query, prod, "sts"), "has parts"},
		{"when the action is another, it is refused", presign(t, "https://sts.amazonaws.com/?Action=AssumeRole&X-Amz-Expires=60", prod, "sts"), "action is not"},
		{"when it has another key, it is refused", presign(t, "https://sts.amazonaws.com"+query+"&RoleArn=x", prod, "sts"), "key twice, or one"},
		{"when it has a key twice, it is refused", presign(t, "https://sts.amazonaws.com"+query+"&action=GetCallerIdentity", prod, "sts"), "key twice, or one"},
		{"when it is good for too long, it is refused", presign(t, "https://sts.amazonaws.com/?Action=GetCallerIdentity&X-Amz-Expires=901", prod, "sts"), "X-Amz-Expires"},
		{"when it is for another service, it is refused", presign(t, "https://sts.amazonaws.com"+query, prod, "iam"), "not for sts"},
		{"when no cluster is signed, it is refused", presign(t, "https://sts.amazonaws.com"+query, nil, "sts"), "which cluster"},
		{"when it is something else, it is refused", "eyJhbGciOi", "does not begin"},
		{"when it is not base64, it is refused", Prefix + "!", "not base64"},
		{"when it is too long, it is refused", Prefix + strings.Repeat("a", maxLength), "more than"},
	} {
		t.Run(test.name, func(t *testing.T) {
			caller, err := newVerifier().Verify(t.Context(), test.token)
			if test.want == "" {
				if err != nil || caller.Principal != dev().Principal {
					t.Errorf("%v, %v", caller, err)
				}
				return
			}
			var invalid *InvalidError
			var signature *sigv4.Error
			if !errors.As(err, &invalid) && !errors.As(err, &signature) || !strings.Contains(err.Error(), test.want) || caller.ARN != "" {
				t.Errorf("got %v, want …%s…", err, test.want)
			}
		})
	}
}

func TestUserOf(t *testing.T) {
	user := iam.Caller{ARN: iam.UserARN(account, "/", "bob"), Principal: iam.UserARN(account, "/", "bob"), AccountID: account, UserID: "AIDAEXAMPLE"}
	for _, test := range []struct {
		name   string
		entry  Entry
		caller iam.Caller
		want   string
		groups []string
	}{
		{"when it is a user, the name is the ARN", Entry{Principal: user.Principal, Type: Standard, Groups: []string{"devs"}}, user, "arn:aws:iam::111122223333:user/bob", []string{"devs"}},
		{"when it is a role, the name is the session's, without the path", Entry{Principal: dev().Principal, Type: Standard}, dev(), "arn:aws:sts::111122223333:assumed-role/dev/alice-x", nil},
		{"when a name is given, it is filled in", Entry{Type: Standard, Username: "team:{{SessionNameRaw}}/{{AccountID}}"}, dev(), "team:alice@x/111122223333", nil},
		{"when it is a machine, it is a node", Entry{Type: EC2Linux}, iam.Caller{Session: &iam.Session{Name: "Node-1"}}, "system:node:node-1", []string{"system:bootstrappers", "system:nodes"}},
		{"when it is a Fargate pod's machine, it is a node", Entry{Type: FargateLinux}, iam.Caller{Session: &iam.Session{Name: "n"}}, "system:node:n", []string{"system:bootstrappers", "system:node-proxier", "system:nodes"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := UserOf(test.entry, test.caller)
			if diff := cmp.Diff(test.want, got.Name); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.groups, got.Groups); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUnfit(t *testing.T) {
	for _, test := range []struct {
		name  string
		entry Entry
		want  string
	}{
		{"when it is a person's, it is believed", Entry{Type: Standard, Username: "team:alice", Groups: []string{"devs"}}, ""},
		{"when it is a machine's, it is not", Entry{Type: EC2Linux}, "machines join with certificates"},
		{"when the name is reserved, it is not", Entry{Type: Standard, Username: "System:admin"}, "reserved"},
		{"when a group is reserved, it is not", Entry{Type: Standard, Groups: []string{"devs", "system:masters"}}, "reserved"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := unfit(test.entry); (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestAllowedBy(t *testing.T) {
	everywhere := func(name string) []Association { return []Association{{Policy: name}} }
	team := func(name string) []Association {
		return []Association{{Policy: name, Namespaces: []string{"other", "team-*"}}}
	}
	pods := Attributes{Verb: "get", Resource: "pods", Namespace: "team-a"}
	with := func(a Attributes, change func(*Attributes)) Attributes { change(&a); return a }
	secrets := with(pods, func(a *Attributes) { a.Resource = "secrets" })
	for _, test := range []struct {
		name         string
		associations []Association
		attributes   Attributes
		want         bool
	}{
		{"when there is no policy, nothing is allowed", nil, pods, false},
		{"when the policy is unknown, nothing is allowed", everywhere("AmazonEKSHybridPolicy"), pods, false},
		{"when a viewer reads pods, it is allowed", everywhere("AmazonEKSViewPolicy"), pods, true},
		{"when a viewer reads secrets, it is not", everywhere("AmazonEKSViewPolicy"), secrets, false},
		{"when a viewer deletes pods, it is not", everywhere("AmazonEKSViewPolicy"), with(pods, func(a *Attributes) { a.Verb = "delete" }), false},
		{"when a viewer runs a command, it is not", everywhere("AmazonEKSViewPolicy"), with(pods, func(a *Attributes) { a.Subresource = "exec" }), false},
		{"when a viewer reads logs, it is allowed", everywhere("AmazonEKSViewPolicy"), with(pods, func(a *Attributes) { a.Subresource = "log" }), true},
		{"when an editor runs a command, it is allowed", everywhere("AmazonEKSEditPolicy"), with(pods, func(a *Attributes) { a.Verb, a.Subresource = "create", "exec" }), true},
		{"when an editor makes roles, it is not", everywhere("AmazonEKSEditPolicy"), Attributes{Verb: "create", Group: "rbac.authorization.k8s.io", Resource: "roles", Namespace: "a"}, false},
		{"when an admin makes roles, it is allowed", everywhere("AmazonEKSAdminPolicy"), Attributes{Verb: "create", Group: "rbac.authorization.k8s.io", Resource: "roles", Namespace: "a"}, true},
		{"when an admin changes quotas, it is not", everywhere("AmazonEKSAdminPolicy"), Attributes{Verb: "update", Resource: "resourcequotas", Namespace: "a"}, false},
		{"when an admin reads nodes, it is not", everywhere("AmazonEKSAdminPolicy"), Attributes{Verb: "get", Resource: "nodes"}, false},
		{"when an admin viewer reads anything, it is allowed", everywhere("AmazonEKSAdminViewPolicy"), with(secrets, func(a *Attributes) { a.Group = "example.com" }), true},
		{"when an admin viewer reads a path, it is not", everywhere("AmazonEKSAdminViewPolicy"), Attributes{Verb: "get", Path: "/metrics"}, false},
		{"when a cluster admin does anything, it is allowed", everywhere("AmazonEKSClusterAdminPolicy"), Attributes{Verb: "escalate", Group: "x", Resource: "y", Subresource: "z"}, true},
		{"when a cluster admin reads a path, it is allowed", everywhere("AmazonEKSClusterAdminPolicy"), Attributes{Verb: "get", Path: "/metrics"}, true},
		{"when a secret reader reads secrets, it is allowed", everywhere("AmazonEKSSecretReaderPolicy"), secrets, true},
		{"when a secret reader reads pods, it is not", everywhere("AmazonEKSSecretReaderPolicy"), pods, false},
		{"when the namespace is like the scope's, it is allowed", team("AmazonEKSViewPolicy"), pods, true},
		{"when the namespace is another, it is not", team("AmazonEKSViewPolicy"), with(pods, func(a *Attributes) { a.Namespace = "kube-system" }), false},
		{"when all namespaces are meant, a scope does not do", team("AmazonEKSClusterAdminPolicy"), with(pods, func(a *Attributes) { a.Namespace = "" }), false},
		{"when a path is meant, a scope does not do", team("AmazonEKSClusterAdminPolicy"), Attributes{Verb: "get", Path: "/metrics"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := AllowedBy(test.associations, test.attributes); (got != "") != test.want {
				t.Errorf("allowed by %q", got)
			}
		})
	}
}

type entries struct{ err error }

func (e entries) Entry(_ context.Context, principal string) (Entry, bool, error) {
	if principal != dev().Principal {
		return Entry{}, false, e.err
	}
	return Entry{Principal: principal, Type: Standard, Groups: []string{"devs"}, Policies: []Association{{Policy: "AmazonEKSViewPolicy", Namespaces: []string{"team-*"}}}}, true, e.err
}

func ask(t testing.TB, h *Webhook, path string, review any) (int, string) {
	t.Helper()
	body, err := json.Marshal(review)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.Handler().ServeHTTP(w, httptest.NewRequest("POST", path, strings.NewReader(string(body))))
	return w.Code, w.Body.String()
}

func tokenReview(token string) authenticationv1.TokenReview {
	return authenticationv1.TokenReview{TypeMeta: metav1.TypeMeta{APIVersion: "authentication.k8s.io/v1", Kind: "TokenReview"}, Spec: authenticationv1.TokenReviewSpec{Token: token}}
}

func TestTokenReview(t *testing.T) {
	quiet := func(error) {}
	good := newToken(t, "prod", key(), noon())
	for _, test := range []struct {
		name   string
		hook   Webhook
		review authenticationv1.TokenReview
		code   int
		want   []string
	}{
		{"when the token is good, it says who", Webhook{newVerifier(), entries{}, quiet, nil}, tokenReview(good), 200,
			[]string{`"authenticated":true`, `"username":"arn:aws:sts::111122223333:assumed-role/dev/alice-x"`, `"groups":["devs"]`, `"uid":"aws-iam-authenticator:111122223333:AROAEXAMPLE"`, `"canonicalArn":["arn:aws:iam::111122223333:role/team/dev"]`}},
		{"when it is another kind of token, it has no opinion", Webhook{newVerifier(), entries{}, quiet, nil}, tokenReview("eyJ"), 200, []string{`"status":{"user":{}}`}},
		{"when the token is not good, it says why", Webhook{newVerifier(), entries{}, quiet, nil}, tokenReview(Prefix + "x!"), 200, []string{`"error":"the token is not valid`}},
		{"when credentials can't be read, it is the server's fault", Webhook{&Verifier{Cluster: "prod", Credentials: credentials{errors.New("down")}, Now: noon}, entries{}, quiet, nil}, tokenReview(good), 500, []string{"internal error"}},
		{"when entries can't be read, it is the server's fault", Webhook{newVerifier(), entries{errors.New("down")}, quiet, nil}, tokenReview(good), 500, []string{"internal error"}},
		{"when it is no review, it is refused", Webhook{newVerifier(), entries{}, quiet, nil}, authenticationv1.TokenReview{}, 400, []string{"is no TokenReview"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, body := ask(t, &test.hook, AuthenticatePath, test.review)
			if code != test.code {
				t.Errorf("code %d", code)
			}
			for _, want := range test.want {
				if !strings.Contains(body, want) {
					t.Errorf("no %s in %s", want, body)
				}
			}
			if strings.Contains(body, good) {
				t.Error("the token is in the answer")
			}
		})
	}
}

// TestRecord shows tokens, and reads what is written down of each.
func TestRecord(t *testing.T) {
	good := newToken(t, "prod", key(), noon())
	for name, test := range map[string]struct {
		token   string
		entries entries
		want    *Record
	}{
		"when somebody enters, it is written who, and as whom": {good, entries{}, &Record{Time: noon(), ARN: dev().ARN, Principal: dev().Principal, AccessKeyID: keyID,
			Username: "arn:aws:sts::111122223333:assumed-role/dev/alice-x", UID: "aws-iam-authenticator:111122223333:AROAEXAMPLE", Groups: []string{"devs"}, Decision: Allowed, Reason: "the access entry of arn:aws:iam::111122223333:role/team/dev"}},
		"when the token is for another cluster, it is written why, and nobody is named": {newToken(t, "test", key(), noon()), entries{}, &Record{Time: noon(), Decision: Refused,
			Reason: "InvalidSignatureException: The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}},
		"when Naru can't find out, it is written that it can't": {good, entries{errors.New("down")}, &Record{Time: noon(), ARN: dev().ARN, Principal: dev().Principal, AccessKeyID: keyID,
			Decision: Undecided, Reason: "the authenticator could not find out: naru logs authenticator says why"}},
		"when it is another kind of token, nothing is written": {"eyJ", entries{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got *Record
			hook := &Webhook{newVerifier(), test.entries, func(error) {}, func(r Record) { got = &r }}
			ask(t, hook, AuthenticatePath, tokenReview(test.token))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSubjectAccessReview(t *testing.T) {
	hook := &Webhook{newVerifier(), entries{}, func(error) {}, nil}
	review := func(uid, principal, namespace, key string) authorizationv1.SubjectAccessReview {
		return authorizationv1.SubjectAccessReview{TypeMeta: metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1", Kind: "SubjectAccessReview"},
			Spec: authorizationv1.SubjectAccessReviewSpec{UID: uid, Extra: map[string]authorizationv1.ExtraValue{"canonicalArn": {principal}, "accessKeyId": {key}},
				ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "list", Resource: "pods", Namespace: namespace}}}
	}
	uid := "aws-iam-authenticator:111122223333:AROAEXAMPLE"
	for _, test := range []struct {
		name   string
		review authorizationv1.SubjectAccessReview
		want   bool
	}{
		{"when a policy allows it, it says which", review(uid, dev().Principal, "team-a", keyID), true},
		{"when none does, it has no opinion", review(uid, dev().Principal, "kube-system", keyID), false},
		{"when the principal has no entry, it has no opinion", review(uid, "arn:aws:iam::1:user/x", "team-a", keyID), false},
		{"when somebody else says so, it has no opinion", review("x", dev().Principal, "team-a", keyID), false},
		{"when the key was taken away, it has no opinion", review(uid, dev().Principal, "team-a", "AKIAIOSFODNN7EXAMPLE"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, body := ask(t, hook, AuthorizePath, test.review)
			if code != 200 || strings.Contains(body, `"allowed":true`) != test.want || strings.Contains(body, `"denied":true`) {
				t.Errorf("%d %s", code, body)
			}
		})
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(newToken(f, "prod", key(), noon()))
	f.Add(Prefix + "aHR0cHM6Ly9zdHMuYW1hem9uYXdzLmNvbS8_")
	f.Fuzz(func(t *testing.T, token string) {
		caller, err := newVerifier().Verify(t.Context(), token)
		if (err == nil) != (caller.ARN != "") {
			t.Errorf("%v, %v", caller, err)
		}
	})
}

// BenchmarkTokenReview has the limit of issue 4: p99 at most 5 ms.
func BenchmarkTokenReview(b *testing.B) {
	hook := &Webhook{newVerifier(), entries{}, func(error) {}, nil}
	review := tokenReview(newToken(b, "prod", key(), noon()))
	for b.Loop() {
		if code, _ := ask(b, hook, AuthenticatePath, review); code != 200 {
			b.Fatal(code)
		}
	}
}
