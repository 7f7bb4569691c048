// Package ecr is the part of ECR that EKS's users need, in front of Naru's registry: repositories, the images in them, and
// the token that `docker login` takes. A repository is a name in the registry; one that nothing was pushed to yet, and what a
// repository has besides images, is a record of its own.
//
//	aws ecr …    ─▶ Handler ─▶ records, and the registry's two doors
//	docker push  ─▶ Proxy: token ─▶ policies ─▶ the registry's door for writing
//
// The protocol is AWS's JSON 1.1: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/Welcome.html
package ecr

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"naru.dev/naru/internal/eks/audit"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/policy"
	"naru.dev/naru/internal/registry"
)

const (
	contentType = "application/x-amz-json-1.1"
	target      = "AmazonEC2ContainerRegistry_V20150921."
)

// Access is who asks and what they may do.
type Access interface {
	iam.Credentials
	// AuthorizeWith decides as an iam.Authorizer does, with policies of the resource beside the caller's own.
	AuthorizeWith(ctx context.Context, caller iam.Caller, request iam.Request, more ...policy.Policy) (iam.Decision, error)
}

// Options are what a handler and a proxy work with.
type Options struct {
	Site    convert.Site
	Access  Access
	Records Records
	// Connect gives the registry as it is reached at the moment.
	Connect func(context.Context) (*Upstream, error)
	// Own are the names of the images that Naru itself is made of. They are no repositories here.
	Own func(context.Context) (registry.Own, error)
	// Key signs authorization tokens.
	Key   []byte
	Audit *audit.Log
	Log   *slog.Logger
	Now   func() time.Time
	NewID func() string
}

// Handler serves the operations that it has; the caller is in the request's context.
type Handler struct {
	Options
	tokens     tokens
	operations map[string]operation
}

// New returns a handler.
func New(options Options) *Handler {
	h := &Handler{Options: options, tokens: tokens{options.Key, options.Now}}
	h.operations = map[string]operation{
		"GetAuthorizationToken":  define(h, h.authorization),
		"CreateRepository":       define(h, h.create),
		"DescribeRepositories":   define(h, h.describe),
		"DeleteRepository":       define(h, h.delete),
		"PutImageTagMutability":  define(h, h.putMutability),
		"SetRepositoryPolicy":    define(h, h.setPolicy),
		"GetRepositoryPolicy":    define(h, h.getPolicy),
		"DeleteRepositoryPolicy": define(h, h.deletePolicy),
		"ListImages":             define(h, h.listImages),
		"DescribeImages":         define(h, h.describeImages),
		"BatchGetImage":          define(h, h.batchGet),
		"BatchDeleteImage":       define(h, h.batchDelete),
		"TagResource":            define(h, h.tag),
		"UntagResource":          define(h, h.untag),
		"ListTagsForResource":    define(h, h.listTags),
	}
	return h
}

// operation reads an input, asks whether the caller may, and does it.
type operation func(r *http.Request, action string, body []byte) (any, error)

func define[In any](h *Handler, do func(*http.Request, In) (any, error)) operation {
	return func(r *http.Request, action string, body []byte) (any, error) {
		var in In
		if err := decode(body, &in); err != nil {
			return nil, err
		}
		if named, ok := any(in).(interface{ account() string }); ok && named.account() != "" && named.account() != h.Site.Account {
			return nil, invalid("registryId: there is no registry '%s' here, but '%s' only", named.account(), h.Site.Account)
		}
		if err := h.mayAll(r.Context(), action, any(in)); err != nil {
			return nil, err
		}
		return do(r, in)
	}
}

// decode is strict: what it does not know, it refuses by its name.
func decode(body []byte, in any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(in)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind):
		return failed("SerializationException", "%s must not be a JSON %s", kind.Field, kind.Value)
	case errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF):
		return failed("SerializationException", "the body is no JSON")
	case err != nil: // json: unknown field "x"
		return invalid("%s: Naru does not know it", strings.TrimPrefix(err.Error(), "json: "))
	case decoder.More():
		return failed("SerializationException", "the body goes on after the input")
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := h.serve(r)
	var body []byte
	if err == nil {
		body, err = json.Marshal(answer)
	}
	if err != nil {
		h.known(w.Header().Get("x-amzn-RequestId"), err).write(w)
		return
	}
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(body) // a client that is gone needs no answer
}

// known is the error as clients see it; Naru's own goes into the log.
func (h *Handler) known(request string, err error) *failure {
	var known *failure
	if !errors.As(err, &known) {
		h.Log.Error("call failed", "service", "ecr", "request", request, "error", err)
		known = &failure{http.StatusInternalServerError, "ServerException", "an internal failure, which is in the log of naru server beside this request's id: try again"}
	}
	return known
}

func (h *Handler) serve(r *http.Request) (any, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, failed("SerializationException", "the body can't be read")
	}
	action, _ := strings.CutPrefix(r.Header.Get("X-Amz-Target"), target)
	do, ok := h.operations[action]
	if !ok {
		return nil, failed("UnknownOperationException", "Naru has no %s: of ECR, it has %s", action, strings.Join(slices.Sorted(maps.Keys(h.operations)), ", "))
	}
	return do(r, action, body)
}

// mayAll asks for the right to an operation on every repository that it is about. Tags are TagResource's and its like's, which
// name repositories by their ARN.
func (h *Handler) mayAll(ctx context.Context, action string, in any) error {
	resources, sent := []string{"*"}, map[string][]string{}
	switch in := in.(type) {
	case targets:
		resources = nil
		for _, name := range in.targets() {
			resources = append(resources, arn(h.Site, name))
		}
		if resources == nil {
			resources = []string{arn(h.Site, "*")}
		}
	case tagInput:
		resources = []string{in.ARN}
	case untagInput:
		resources, sent["aws:TagKeys"] = []string{in.ARN}, in.Keys
	case tagsInput:
		resources = []string{in.ARN}
	}
	if tagging, ok := in.(interface{ tags() []tag }); ok {
		for _, t := range tagging.tags() {
			sent["aws:TagKeys"] = append(sent["aws:TagKeys"], t.Key)
			sent["aws:RequestTag/"+t.Key] = []string{t.Value}
		}
	}
	caller, _ := iam.CallerFrom(ctx)
	for _, resource := range resources {
		if err := h.may(ctx, caller, iam.Request{Action: "ecr:" + action, Resource: resource, Context: sent}); err != nil {
			return err
		}
	}
	return nil
}

func (in createInput) tags() []tag { return in.Tags }
func (in tagInput) tags() []tag    { return in.Tags }

// may adds the tags that the repository has to what policies look at, and its own policy to those. Errors: *failure where the
// caller may not.
func (o Options) may(ctx context.Context, caller iam.Caller, request iam.Request) error {
	request.Context = maps.Clone(request.Context)
	var own []policy.Policy
	if name, ok := o.named(request.Resource); ok && valid(name) {
		record, found, err := o.Records.Get(ctx, name)
		if err != nil {
			return err
		}
		if found && request.Context == nil {
			request.Context = map[string][]string{}
		}
		for key, value := range record.Tags {
			request.Context["aws:ResourceTag/"+key], request.Context["ecr:ResourceTag/"+key] = []string{value}, []string{value}
		}
		if own, err = o.ofRepository(record); err != nil {
			return err
		}
	}
	decision, err := o.Access.AuthorizeWith(ctx, caller, request, own...)
	if err != nil {
		return err
	}
	if !decision.Allowed {
		return &failure{http.StatusBadRequest, "AccessDeniedException", fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s %s",
			caller.ARN, request.Action, request.Resource, decision.Because(request.Action))}
	}
	return nil
}

// named is the repository of an ARN.
func (o Options) named(resource string) (string, bool) {
	return strings.CutPrefix(resource, arn(o.Site, ""))
}

// authorization gives whoever may a token to log in with.
func (h *Handler) authorization(r *http.Request, in authorizationInput) (any, error) {
	for _, id := range in.RegistryIDs {
		if id != h.Site.Account {
			return nil, invalid("registryIds: there is no registry '%s' here, but '%s' only", id, h.Site.Account)
		}
	}
	caller, _ := iam.CallerFrom(r.Context())
	expires := h.Now().Add(tokenLife)
	session := r.Header.Get("X-Amz-Security-Token")
	if session == "" {
		session = r.URL.Query().Get("X-Amz-Security-Token")
	}
	if caller.Session != nil && caller.Session.Expires.Before(expires) {
		expires = caller.Session.Expires
	}
	token, err := h.tokens.sign(claims{AccessKeyID: caller.AccessKeyID, SessionToken: session, UserID: caller.UserID, Expires: expires.Unix()})
	if err != nil {
		return nil, err
	}
	scheme := "https://"
	if r.TLS == nil {
		scheme = "http://"
	}
	return map[string]any{"authorizationData": []authorization{{encoded(token), expires.Unix(), scheme + r.Host}}}, nil
}
