package query

import (
	"bytes"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"

	"naru.dev/naru/internal/iam"
)

// NewLocalClient returns AWS's own client of IAM that calls a handler in this process, as the account itself. Who has the
// hosting cluster's credentials may do everything; so nothing is signed, but every rule of IAM holds.
func NewLocalClient(handler http.Handler, account string) *sdk.Client {
	root := iam.RootARN(account)
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://local"), Credentials: aws.AnonymousCredentials{}, Retryer: aws.NopRetryer{},
		HTTPClient: local{handler: handler, caller: iam.Caller{ARN: root, Principal: root, AccountID: account, UserID: account}},
	})
}

// local hands requests to a handler.
type local struct {
	handler http.Handler
	caller  iam.Caller
}

// Do implements the SDK's HTTP client.
func (l local) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	answer := &answer{header: http.Header{}, status: http.StatusOK}
	l.handler.ServeHTTP(answer, r.WithContext(iam.WithCaller(r.Context(), l.caller)))
	return &http.Response{StatusCode: answer.status, Header: answer.header, Body: io.NopCloser(&answer.body), Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
}

// answer keeps what a handler writes.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) Write(content []byte) (int, error) { return a.body.Write(content) }

func (a *answer) WriteHeader(status int) { a.status = status }
