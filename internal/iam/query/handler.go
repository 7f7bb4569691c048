// Package query is the API of IAM and STS: the query protocol, over a store of identities. See
// https://docs.aws.amazon.com/IAM/latest/APIReference/ and https://docs.aws.amazon.com/STS/latest/APIReference/
package query

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/uuid"

	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/access"
	"naru.dev/naru/internal/iam/managed"
	"naru.dev/naru/internal/iam/session"
)

// maxBody is more than the largest request has: a policy of 10 kB, escaped.
const maxBody = 256 << 10

// The versions of the two APIs, which tell them apart.
const (
	versionIAM = "2010-05-08"
	versionSTS = "2011-06-15"
)

// WebIdentities verifies tokens of OpenID Connect providers.
type WebIdentities interface {
	// Verify checks a token's signature and times, and that one of the audiences is its own.
	// Errors: *Error with InvalidIdentityToken, ExpiredTokenException or IDPCommunicationError.
	Verify(ctx context.Context, token string, provider Provider) (Claims, error)
	// Issuer is what an unverified token says of its origin. Errors: *Error with InvalidIdentityToken.
	Issuer(token string) (string, error)
}

// Provider is an OpenID Connect provider that roles may trust.
type Provider struct {
	// URL of the issuer, with https.
	URL string
	// ClientIDs are the audiences that it may speak to.
	ClientIDs []string
}

// Claims are what a verified web identity says.
type Claims struct {
	Issuer, Subject, Audience string
}

// Options are what the handler works with.
type Options struct {
	// Access decides; its Store, Sealer, Account and Now are the handler's, too, but for what is just being written,
	// which Store reads without a cache.
	Access *access.Access
	Store  *iam.Store
	// WebIdentities; nil: AssumeRoleWithWebIdentity is refused.
	WebIdentities WebIdentities
	// OnlySTS leaves IAM out.
	OnlySTS bool
	// Report hears of errors that are Naru's own.
	Report func(error)
}

// handler answers requests of both APIs.
type handler struct {
	Options
	actions map[string]map[string]action
	managed map[string]managed.Policy
}

// NewHandler returns the handler of IAM and STS. Whoever mounts it has verified the signature and put the
// iam.Caller into the request's context; a request without one may only be AssumeRoleWithWebIdentity. It reads the
// body, decides by the caller's policies, and answers XML; GetCallerIdentity is JSON where the client accepts that.
func NewHandler(options Options) (http.Handler, error) {
	policies, err := managed.Policies()
	if err != nil {
		return nil, err
	}
	h := &handler{Options: options, managed: policies}
	h.actions = map[string]map[string]action{versionSTS: h.sts()}
	if options.OnlySTS {
		return h, nil
	}
	h.actions[versionIAM] = map[string]action{}
	for _, group := range []map[string]action{h.users(), h.keys(), h.roles(), h.policies(), h.attachments(), h.profiles(), h.providers(), h.simulations()} {
		for name, action := range group {
			h.actions[versionIAM][name] = action
		}
	}
	return h, nil
}

func (h *handler) account() string         { return h.Access.Account }
func (h *handler) sealer() *session.Sealer { return h.Access.Sealer }
func (h *handler) now() time.Time          { return h.Access.Now().UTC().Truncate(time.Second) }

// action is one operation.
type action struct {
	// unsigned actions need no caller, and decide themselves.
	unsigned bool
	// free actions are everybody's, or decide themselves.
	free bool
	// required members of the input.
	required []string
	newInput func() any
	run      func(ctx context.Context, caller iam.Caller, input any) (any, error)
}

// act makes an action of a function on the SDK's types.
func act[In, Out any](run func(context.Context, iam.Caller, *In) (*Out, error), required ...string) action {
	return action{required: required, newInput: func() any { return new(In) }, run: func(ctx context.Context, caller iam.Caller, input any) (any, error) {
		in, ok := input.(*In)
		if !ok {
			return nil, fmt.Errorf("a %T was decoded, %T is wanted", input, in)
		}
		out, err := run(ctx, caller, in)
		if err != nil {
			return nil, err
		}
		return out, nil
	}}
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := uuid.NewString()
	w.Header().Set("X-Amzn-Requestid", id)
	values, err := form(w, r)
	var output any
	if err == nil {
		output, err = h.call(r.Context(), values)
	}
	if err == nil {
		err = h.write(w, r, values, output)
	}
	if err == nil {
		return
	}
	known, ok := toError(err)
	if !ok {
		h.Report(fmt.Errorf("answering %s: %w", values.Get("Action"), err))
	}
	fail(w, known, values.Get("Version"), id)
}

// form reads the parameters of the URL or the body. A presigned URL's own are left out.
func form(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, validation("The request's body can't be read, or has more than %d bytes", maxBody)
	}
	text := r.URL.RawQuery
	if len(body) > 0 {
		text = string(body)
	}
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, validation("The request's parameters can't be decoded")
	}
	for name := range values {
		if strings.HasPrefix(name, "X-Amz-") {
			delete(values, name)
		}
	}
	return values, nil
}

func (h *handler) call(ctx context.Context, values url.Values) (any, error) {
	name, version := values.Get("Action"), values.Get("Version")
	action, ok := h.actions[version][name]
	if !ok {
		return nil, fault(http.StatusBadRequest, "InvalidAction", "Could not find operation %s for version %s", name, version)
	}
	caller, signed := iam.CallerFrom(ctx)
	if !signed && !action.unsigned {
		return nil, fault(http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	input := action.newInput()
	if err := decode(values, input); err != nil {
		return nil, err
	}
	if version == versionIAM {
		setOwnName(name, caller, input)
	}
	if err := require(input, action.required); err != nil {
		return nil, err
	}
	if !action.free && !action.unsigned {
		if err := h.authorize(ctx, caller, name, input); err != nil {
			return nil, err
		}
	}
	return action.run(ctx, caller, input)
}

func (h *handler) write(w http.ResponseWriter, r *http.Request, values url.Values, output any) error {
	id := w.Header().Get("X-Amzn-Requestid")
	if identity, ok := output.(*sts.GetCallerIdentityOutput); ok && strings.Contains(r.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json")
		return json.NewEncoder(w).Encode(map[string]any{"GetCallerIdentityResponse": map[string]any{
			"GetCallerIdentityResult": map[string]string{"Account": aws.ToString(identity.Account), "Arn": aws.ToString(identity.Arn), "UserId": aws.ToString(identity.UserId)},
			"ResponseMetadata":        map[string]string{"RequestId": id},
		}})
	}
	name := values.Get("Action")
	var b bytes.Buffer
	fmt.Fprintf(&b, `<%sResponse xmlns="%s"><%sResult>`, name, namespace(values.Get("Version")), name)
	if err := encode(&b, output); err != nil {
		return err
	}
	fmt.Fprintf(&b, `</%sResult><ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>`, name, id, name)
	w.Header().Set("Content-Type", "text/xml")
	_, err := w.Write(b.Bytes())
	return err
}

func namespace(version string) string {
	if version == versionSTS {
		return "https://sts.amazonaws.com/doc/" + versionSTS + "/"
	}
	return "https://iam.amazonaws.com/doc/" + versionIAM + "/"
}

// fail writes an error. The Date header, by which clients correct their clocks, is Go's server's.
func fail(w http.ResponseWriter, e *Error, version, id string) {
	kind := "Sender"
	if e.Status >= http.StatusInternalServerError {
		kind = "Receiver"
	}
	var message bytes.Buffer
	if err := xml.EscapeText(&message, []byte(e.Message)); err != nil {
		message.Reset()
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(e.Status)
	fmt.Fprintf(w, `<ErrorResponse xmlns="%s"><Error><Type>%s</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>`,
		namespace(version), kind, e.Code, message.String(), id)
}
