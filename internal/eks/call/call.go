// Package call sends one signed request to an EKS API, whatever the operation, and gives the answer as
// it came. It reads what AWS's tools read: environment, profiles, endpoint and CA.
package call

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"

	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/eks/wire"
	"naru.dev/naru/internal/iam/profile"
)

// patience is how long a call may take.
const patience = time.Minute

// Options are what a command line may say; empty ones are taken from the environment and the profile.
type Options struct{ Profile, Region, Endpoint string }

// Client sends requests.
type Client struct {
	http     aws.HTTPClient
	key      sigv4.Key
	region   string
	endpoint string
}

// New finds credentials, region, endpoint and CA as AWS's own tools do:
// https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
func New(ctx context.Context, o Options) (*Client, error) {
	loaded, key, err := profile.Load(ctx, o.Profile, o.Region)
	if err != nil {
		return nil, err
	}
	resolved := eks.NewFromConfig(loaded).Options()
	endpoint := o.Endpoint
	if endpoint == "" {
		endpoint = aws.ToString(resolved.BaseEndpoint)
	}
	if endpoint == "" {
		return nil, fmt.Errorf("where Naru is is not known: set AWS_ENDPOINT_URL, or give --endpoint-url")
	}
	return &Client{http: resolved.HTTPClient, region: resolved.Region, endpoint: strings.TrimRight(endpoint, "/"), key: key}, nil
}

// Error is what the API answered in the place of a result.
type Error struct {
	Code, Message, RequestID string
	Status                   int
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s (status %d, request %s)", e.Code, e.Message, e.Status, e.RequestID)
}

// Do calls an operation and returns the JSON of its answer. Errors: *Error, *profile.UntrustedError.
func (c *Client) Do(ctx context.Context, operation *wire.Operation, input any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := operation.EncodeInput(input)
	if err != nil {
		return nil, err
	}
	address := c.endpoint + request.Path
	if len(request.Query) > 0 {
		address += "?" + request.Query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, operation.Method, address, bytes.NewReader(request.Body))
	if err != nil {
		return nil, fmt.Errorf("addressing %s: %w", c.endpoint, err)
	}
	r.Header.Set("Content-Type", "application/json")
	if err := sigv4.Sign(r, request.Body, c.key, sigv4.Scope{Region: c.region, Service: "eks"}, time.Now()); err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("calling %s: %w", operation.Name, profile.Explain(err))
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", operation.Name, err)
	}
	if response.StatusCode != operation.Status {
		return nil, failure(response, body)
	}
	return body, nil
}

func failure(response *http.Response, body []byte) error {
	e := &Error{Code: response.Header.Get("x-amzn-ErrorType"), RequestID: response.Header.Get("x-amzn-RequestId"), Status: response.StatusCode}
	var members struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(body, &members); err != nil {
		members.Message = strings.TrimSpace(string(body[:min(len(body), 512)]))
	}
	e.Message = members.Message
	if e.Code == "" {
		e.Code = members.Type
	}
	return e
}
