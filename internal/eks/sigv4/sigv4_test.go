package sigv4

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
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	testKey    = "AKIAIOSFODNN7EXAMPLE"
	testSecret = "not/a+real/secret"
)

func noon() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }

// received is a request as a server sees it that a client signed with AWS's own signer.
func received(t testing.TB, method, url, body string, change ...func(*http.Request)) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range change {
		change(r)
	}
	credentials := aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret, SessionToken: r.Header.Get("Test-Token")}
	r.Header.Del("Test-Token")
	if err := v4.NewSigner().SignHTTP(context.Background(), credentials, r, hexHash([]byte(body)), "eks", "ap-northeast-2", noon()); err != nil {
		t.Fatal(err)
	}
	return reread(t, r)
}

// reread sends a request through its wire form.
func reread(t testing.TB, r *http.Request) *http.Request {
	t.Helper()
	var got *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }))
	defer server.Close()
	host := r.URL.Host
	if r.Host == "" {
		r.Host = host
	}
	r.URL.Scheme, r.URL.Host = "http", strings.TrimPrefix(server.URL, "http://")
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return got
}

func verify(r *http.Request, body string, now time.Time) error {
	s, err := Read(r)
	if err != nil {
		return err
	}
	return s.Verify(r, []byte(body), testSecret, now)
}

func TestVerifyAWSSigner(t *testing.T) {
	for _, test := range []struct {
		name, method, url, body string
		change                  func(*http.Request)
	}{
		{"when the path is plain, it is accepted", "GET", "https://naru.example:8443/clusters/prod", "", nil},
		{"when the path is empty, it is accepted", "POST", "https://naru.example", "Action=GetCallerIdentity", nil},
		{"when a label has escaped slashes and colons, it is accepted", "GET", "https://naru.example/clusters/demo/access-entries/arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fteam%2Fdev", "", nil},
		{"when a label has spaces and other scripts, it is accepted", "GET", "https://naru.example/tags/a%20b%2B%EB%82%98%EB%A3%A8~", "", nil},
		{"when query keys repeat and are out of order, it is accepted", "GET", "https://naru.example/x?types=b&types=a&B=1&a=%20+%2B%7E&empty=", "", nil},
		{"when there is a body with a type, it is accepted", "POST", "https://naru.example/clusters", `{"name":"prod"}`, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }},
		{"when a header has runs of spaces, it is accepted", "GET", "https://naru.example/", "", func(r *http.Request) { r.Header.Set("X-Amz-Meta", "  a   b  ") }},
		{"when a header has two values, it is accepted", "GET", "https://naru.example/", "", func(r *http.Request) { r.Header["X-Amz-Meta"] = []string{"a", "b"} }},
		{"when there is a session token, it is accepted", "GET", "https://naru.example/", "", func(r *http.Request) { r.Header.Set("Test-Token", "token//==") }},
		{"when the body's hash is sent, it is accepted", "POST", "https://naru.example/", "x", func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", hexHash([]byte("x"))) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.change == nil {
				test.change = func(*http.Request) {}
			}
			r := received(t, test.method, test.url, test.body, test.change)
			if err := verify(r, test.body, noon().Add(4*time.Minute)); err != nil {
				t.Error(err)
			}
			s, err := Read(r)
			if err != nil || s.AccessKeyID != testKey || s.Service != "eks" || s.Region != "ap-northeast-2" || s.Presigned {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
}

func TestVerifyPresigned(t *testing.T) {
	r, err := http.NewRequestWithContext(t.Context(), "GET", "https://sts.ap-northeast-2.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-k8s-aws-id", "prod")
	signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret, SessionToken: "t+/="}, r,
		hexHash(nil), "sts", "ap-northeast-2", noon())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, cluster string
		after         time.Duration
		want          string
	}{
		{"when it is 14 minutes old, it is accepted", "prod", 14 * time.Minute, ""},
		{"when it is 16 minutes old, it is not", "prod", 16 * time.Minute, "Signature expired"},
		{"when it is of the future, it is not", "prod", -6 * time.Minute, "not yet current"},
		{"when it is for another cluster, it is not", "test", 0, "does not match"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", signed, nil)
			r.Header.Set("x-k8s-aws-id", test.cluster)
			requireError(t, verify(r, "", noon().Add(test.after)), InvalidSignature, test.want)
		})
	}
}

func requireError(t *testing.T, err error, code Code, words string) {
	t.Helper()
	if words == "" {
		if err != nil {
			t.Error(err)
		}
		return
	}
	var problem *Error
	if !errors.As(err, &problem) || problem.Code != code || !strings.Contains(problem.Message, words) {
		t.Errorf("got %v, want %s: …%s…", err, code, words)
	}
	if err != nil && strings.Contains(err.Error(), testSecret) {
		t.Error("the error has the secret in it")
	}
}

func TestRefusals(t *testing.T) {
	replace := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
		}
	}
	for _, test := range []struct {
		name   string
		change func(*http.Request)
		body   string
		after  time.Duration
		code   Code
		want   string
	}{
		{"when it is not signed", func(r *http.Request) { r.Header.Del("Authorization") }, "x", 0, MissingAuthenticationToken, "Missing"},
		{"when it is signed with a password", func(r *http.Request) { r.SetBasicAuth("a", "b") }, "x", 0, IncompleteSignature, "algorithm"},
		{"when it is signed twice", func(r *http.Request) { r.URL.RawQuery = "X-Amz-Signature=1" }, "x", 0, IncompleteSignature, "more than once"},
		{"when there are two headers", func(r *http.Request) { r.Header.Add("Authorization", "x") }, "x", 0, IncompleteSignature, "more than once"},
		{"when a part is there twice", replace("SignedHeaders=", "Credential=x, SignedHeaders="), "x", 0, IncompleteSignature, "twice"},
		{"when the scope is short", replace("/eks/", "/"), "x", 0, IncompleteSignature, "5 slash-delimited"},
		{"when the key id can't be", replace(testKey, "akia"), "x", 0, IncompleteSignature, "access key id"},
		{"when the scope's day is another", replace("/20261124/", "/20261123/"), "x", 0, InvalidSignature, "Date in Credential scope"},
		{"when the service is another", replace("/eks/", "/iam/"), "x", 0, InvalidSignature, "does not match"},
		{"when the signature is short", replace("Signature=", "Signature=aa, X="), "x", 0, IncompleteSignature, "64 hexadecimal"},
		{"when the date is none", func(r *http.Request) { r.Header.Set("X-Amz-Date", "today") }, "x", 0, IncompleteSignature, "ISO-8601"},
		{"when the date was changed", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20261124T120001Z") }, "x", 0, InvalidSignature, "does not match"},
		{"when the host is not signed", replace("host;", ""), "x", 0, InvalidSignature, "'Host' must be"},
		{"when the date is not signed", replace(";x-amz-date", ""), "x", 0, InvalidSignature, "not signed: x-amz-date"},
		{"when the target came later", func(r *http.Request) { r.Header.Set("X-Amz-Target", "Delete") }, "x", 0, InvalidSignature, "not signed: x-amz-target"},
		{"when headers are out of order", replace("host;x-amz-date", "x-amz-date;host"), "x", 0, IncompleteSignature, "in order"},
		{"when a signed header is gone", func(r *http.Request) { r.Header.Del("Content-Type") }, "x", 0, InvalidSignature, "is not in the request"},
		{"when the body was changed", nil, "y", 0, InvalidSignature, "does not match"},
		{"when the method was changed", func(r *http.Request) { r.Method = "DELETE" }, "x", 0, InvalidSignature, "does not match"},
		{"when the path was changed", func(r *http.Request) { r.URL.Path = "/clusters/test" }, "x", 0, InvalidSignature, "does not match"},
		{"when the query was changed", func(r *http.Request) { r.URL.RawQuery = "a=c" }, "x", 0, InvalidSignature, "does not match"},
		{"when the query can't be decoded", func(r *http.Request) { r.URL.RawQuery = "a=%zz" }, "x", 0, InvalidSignature, "can't be decoded"},
		{"when the host was changed", func(r *http.Request) { r.Host = "other.example" }, "x", 0, InvalidSignature, "does not match"},
		{"when it is too old", nil, "x", 6 * time.Minute, InvalidSignature, "Signature expired: 20261124T120000Z is now earlier than 20261124T120100Z (20261124T120600Z - 5 min.)"},
		{"when it is of the future", nil, "x", -6 * time.Minute, InvalidSignature, "not yet current"},
		{"when the claimed hash is another", func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, "x", 0, InvalidSignature, "is not the hash"},
	} {
		t.Run(test.name+", it is refused", func(t *testing.T) {
			r := received(t, "POST", "https://naru.example/clusters/prod?a=b", "x", func(r *http.Request) { r.Header.Set("Content-Type", "application/json") })
			if test.change != nil {
				test.change(r)
			}
			requireError(t, verify(r, test.body, noon().Add(test.after)), test.code, test.want)
		})
	}
	t.Run("when the secret is another, it is refused", func(t *testing.T) {
		r := received(t, "GET", "https://naru.example/", "")
		s, err := Read(r)
		if err != nil {
			t.Fatal(err)
		}
		requireError(t, s.Verify(r, nil, "other", noon()), InvalidSignature, "does not match")
	})
}

// FuzzRead feeds headers and queries: nothing panics, and nothing is accepted that was not signed.
func FuzzRead(f *testing.F) {
	signed := received(f, "GET", "https://naru.example/clusters/prod?a=b", "")
	f.Add(signed.Header.Get("Authorization"), signed.URL.RawQuery, "/clusters/prod")
	f.Add("", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00&X-Amz-Credential=a/b/c/d/aws4_request", "/")
	f.Fuzz(func(t *testing.T, authorization, query, path string) {
		r, err := http.NewRequest("GET", "https://naru.example/", io.NopCloser(bytes.NewReader(nil)))
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Path, r.URL.RawQuery = path, query
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Amz-Date", signed.Header.Get("X-Amz-Date"))
		err = verify(r, "", noon())
		var problem *Error
		if err != nil && !errors.As(err, &problem) {
			t.Errorf("an error of another kind: %v", err)
		}
		if err == nil && (path != "/clusters/prod" || query != signed.URL.RawQuery) {
			if s, _ := canonicalQuery(query, false); s != "a=b" || canonicalPath(r.URL.EscapedPath()) != "/clusters/prod" {
				t.Error("what was not signed is accepted")
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	r := received(b, "GET", "https://naru.example/clusters/prod?a=b", "")
	b.ReportAllocs()
	for b.Loop() {
		if err := verify(r, "", noon()); err != nil {
			b.Fatal(err)
		}
	}
}

func TestSign(t *testing.T) {
	key := Key{AccessKeyID: testKey, Secret: testSecret, SessionToken: "a+b/c=="}
	t.Run("when a request is signed, it is accepted", func(t *testing.T) {
		r, err := http.NewRequestWithContext(t.Context(), "POST", "https://naru.example/a%2Fb?x=%20&y", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		if err := Sign(r, []byte("body"), key, Scope{Region: "r", Service: "iam"}, noon()); err != nil {
			t.Fatal(err)
		}
		if err := verify(reread(t, r), "body", noon()); err != nil {
			t.Error(err)
		}
	})
	t.Run("when a URL is signed, AWS's signer signs it alike", func(t *testing.T) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "https://sts.r.amazonaws.com/?Action=GetCallerIdentity&X-Amz-Expires=60", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-K8s-Aws-Id", "prod")
		got, err := Presign(r, key, Scope{Region: "r", Service: "sts"}, noon())
		if err != nil {
			t.Fatal(err)
		}
		want, _, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret, SessionToken: key.SessionToken}, r, hexHash(nil), "sts", "r", noon())
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}
