// Package server is `naru server`: the one endpoint of the AWS APIs. It tells services apart, lets in
// who signed, asks whether they may, and writes down what came of it. What operations do is other
// packages' to say.
//
//	request ─▶ room? ─▶ service ─▶ signature ─▶ operation and input ─▶ policies ─▶ handler ─▶ answer
//	             └──────────┴───────────┴──────────────┴──────────────────┴──────────┴──▶ error ─▶ audit
package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks"

	"naru.dev/naru/internal/eks/audit"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/eks/errcode"
	"naru.dev/naru/internal/eks/handlers"
	"naru.dev/naru/internal/eks/wire"
	"naru.dev/naru/internal/iam"
)

// patience is how long a call may take.
const patience = 45 * time.Second

// Options are what a server consists of.
type Options struct {
	Site  convert.Site
	Model *wire.Model
	// EKS; nil: this address has none.
	EKS           *handlers.Handlers
	Authenticator iam.Authenticator
	Authorizer    iam.Authorizer
	// Query are the services of the query protocol by the name that requests are signed for, as iam, sts and ec2. They
	// get the body unread, and the caller in the context.
	Query map[string]http.Handler
	// JSON are the services of the JSON protocol in the same way, as ecr.
	JSON map[string]http.Handler
	// Streams are handlers of what is larger, and takes longer, than a call may, by the beginning of the path. Who sends it,
	// how much of it there is at once, and what of it belongs into the audit log, is theirs to say.
	Streams map[string]http.Handler
	// Unsigned are handlers of what needs no signature, by the beginning of the path. What belongs
	// into the audit log they write themselves.
	Unsigned map[string]http.Handler
	Audit    *audit.Log
	Log      *slog.Logger
	// Limits say how much is let in at a time.
	Limits Limits
	Now    func() time.Time
	// NewID makes the UUID of a request.
	NewID func() string
}

// Server answers requests.
type Server struct {
	Options
	codes *errcode.Registry
	gate  *gate
}

// New returns a server.
func New(options Options) *Server {
	return &Server{Options: options, codes: errcode.NewRegistry(options.Model), gate: newGate(options.Limits)}
}

// call is one request on its way.
type call struct {
	*http.Request
	service string
	body    []byte
	event   audit.Event
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		w.WriteHeader(http.StatusOK)
		return
	}
	id := s.NewID()
	w.Header().Set("x-amzn-RequestId", id)
	if handler := of(s.Streams, r); handler != nil {
		s.stream(w, r, handler)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	c := &call{Request: r.WithContext(ctx), service: service(r)}
	c.event = audit.Event{
		EventTime: s.Now().UTC(), EventSource: c.service + ".amazonaws.com", AWSRegion: s.Site.Region, SourceIPAddress: audit.SourceIP(r.RemoteAddr),
		UserAgent: r.UserAgent(), RequestID: id, EventID: s.NewID(), RecipientAccountID: s.Site.Account, EventName: r.Method + " " + r.URL.Path,
	}
	leave, err := s.gate.enter(audit.SourceIP(r.RemoteAddr))
	if err != nil {
		s.fail(w, c, err)
		return
	}
	defer leave()
	if handler := of(s.Unsigned, c.Request); handler != nil {
		handler.ServeHTTP(w, c.Request)
		return
	}
	if err := s.serve(w, c); err != nil {
		s.fail(w, c, err)
	}
}

// serve answers a call, or says why it can't.
func (s *Server) serve(w http.ResponseWriter, c *call) error {
	var err error
	c.body, err = io.ReadAll(io.LimitReader(c.Body, wire.MaxBody+1))
	if err != nil {
		return &errcode.Error{Code: errcode.Serialization, Message: "the body can't be read"}
	}
	if len(c.body) > wire.MaxBody {
		return &errcode.Error{Code: errcode.TooLarge, Message: "the body is too large"}
	}
	if c.anonymous() {
		return s.query(w, c)
	}
	caller, err := s.Authenticator.Authenticate(c.Request, c.body)
	if err != nil {
		return err
	}
	c.event.UserIdentity = audit.IdentityOf(caller)
	if err := s.gate.admit(caller.AccessKeyID); err != nil {
		return err
	}
	c.Request = c.WithContext(iam.WithCaller(c.Context(), caller))
	if c.service == "eks" && s.EKS != nil {
		return s.eks(w, c, caller)
	}
	if handler := s.JSON[c.service]; handler != nil {
		s.json(w, c, handler)
		return nil
	}
	return s.query(w, c)
}

// stream hands over what is no call, unless there is too much of it from one address.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, handler http.Handler) {
	if err := s.gate.count(audit.SourceIP(r.RemoteAddr)); err != nil {
		http.Error(w, err.Error(), http.StatusTooManyRequests)
		return
	}
	handler.ServeHTTP(w, r)
}

// of is the handler of a path by its beginning, or nil.
func of(handlers map[string]http.Handler, r *http.Request) http.Handler {
	for prefix, handler := range handlers {
		if strings.HasPrefix(r.URL.Path, prefix) {
			return handler
		}
	}
	return nil
}

func (s *Server) eks(w http.ResponseWriter, c *call, caller iam.Caller) error {
	operation, err := s.Model.Match(c.Method, c.URL.EscapedPath())
	if err != nil {
		return err
	}
	c.event.EventName, c.event.ReadOnly = operation.Name, operation.ReadOnly()
	input, err := operation.Decode(wire.Request{Path: c.URL.EscapedPath(), Query: c.URL.Query(), Body: c.body})
	if err != nil {
		return err
	}
	c.event.RequestParameters = operation.EncodeMembers(input)
	if err := s.authorize(c, caller, operation, input); err != nil {
		return err
	}
	output, err := s.EKS.Do(c.Context(), operation.Name, input)
	if err != nil {
		return err
	}
	body := operation.Encode(output)
	if !operation.ReadOnly() {
		c.event.ResponseElements = operation.Encode(withoutSecrets(output))
	}
	s.record(c)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(operation.Status)
	_, _ = w.Write(body) // a client that is gone needs no answer
	return nil
}

// withoutSecrets is an answer as the audit log has it: of all operations, one tells a secret.
func withoutSecrets(output any) any {
	registered, ok := output.(*eks.RegisterClusterOutput)
	if !ok {
		return output
	}
	cluster, config := *registered.Cluster, *registered.Cluster.ConnectorConfig
	config.ActivationCode, cluster.ConnectorConfig = nil, &config
	return &eks.RegisterClusterOutput{Cluster: &cluster}
}

func (s *Server) authorize(c *call, caller iam.Caller, operation *wire.Operation, input any) error {
	requests, err := s.EKS.Requests(c.Context(), operation, input)
	if err != nil {
		return err
	}
	for i, request := range requests {
		decision, err := s.Authorizer.Authorize(c.Context(), caller, request)
		if err != nil {
			return err
		}
		if !decision.Allowed {
			c.event.Additional = audit.Decision{Action: request.Action, Resource: request.Resource, Decision: "denied", Because: decision.Because(request.Action)}
			return denied(caller, request, decision)
		}
		if i == 0 { // the operation; the roles that it passes follow
			c.event.Additional = audit.Decision{Action: request.Action, Resource: request.Resource, Decision: "allowed"}
		}
	}
	return nil
}

// fail answers with an error, in the way of the service that was called.
func (s *Server) fail(w http.ResponseWriter, c *call, err error) {
	answer := s.codes.Answer(err)
	inXML := c.service != "eks" && s.JSON[c.service] == nil
	if inXML {
		answer = queryAnswer(answer, c, err)
	}
	c.event.ErrorCode, c.event.ErrorMessage = answer.Code, answer.Message
	s.record(c)
	if s.codes.Internal(err) && !errors.Is(err, context.Canceled) {
		s.Log.Error("call failed", "request", c.event.RequestID, "operation", c.event.EventName, "error", err)
	}
	if inXML {
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(answer.Status)
		_, _ = w.Write(answer.Body) // a client that is gone needs no answer
		return
	}
	answer.Write(w)
}

// record writes the call down before it is answered.
func (s *Server) record(c *call) {
	if err := s.Audit.Write(c.event); err != nil {
		s.Log.Error("call is not in the audit log", "request", c.event.RequestID, "error", err)
	}
}
