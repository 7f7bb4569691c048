package ecr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"naru.dev/naru/internal/eks/audit"
	"naru.dev/naru/internal/iam"
)

// How many requests are carried together, and how long one may take: a layer has gigabytes.
const (
	carried = 64
	longest = time.Hour
)

// Proxy is the registry for who has an authorization token: it asks the policies about each request, and carries it to the
// registry as it comes, without keeping it.
type Proxy struct {
	Options
	tokens tokens
	room   chan struct{}
}

// NewProxy returns a proxy.
func NewProxy(options Options) *Proxy {
	return &Proxy{Options: options, tokens: tokens{options.Key, options.Now}, room: make(chan struct{}, carried)}
}

// refused is an error as registries name it.
type refused struct {
	status  int
	code    string
	message string
}

func (r *refused) Error() string { return r.code + ": " + r.message }

func (r *refused) write(w http.ResponseWriter) {
	type item struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	body, err := json.Marshal(map[string][]item{"errors": {{r.code, r.message}}})
	if err != nil {
		body = []byte("{}") // strings can always be encoded
	}
	w.Header().Set("Content-Type", "application/json")
	if r.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="naru",service="ecr.amazonaws.com"`)
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(body) // a client that is gone needs no answer
}

// ServeHTTP implements http.Handler. Its caller has set no deadline that a layer could not meet but those of the connection,
// which are moved once the token is known to be good.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	event := p.event(w, r)
	answered := &recorder{ResponseWriter: w}
	defer func() { // the proxy panics when a client breaks off
		if answered.status >= http.StatusBadRequest && event.ErrorCode == "" {
			event.ErrorCode = http.StatusText(answered.status)
		}
		if err := p.Audit.Write(event); err != nil {
			p.Log.Error("call is not in the audit log", "request", event.RequestID, "error", err)
		}
	}()
	if err := p.serve(answered, r, &event); err != nil {
		var known *refused
		if !errors.As(err, &known) {
			p.Log.Error("call failed", "service", "ecr", "request", event.RequestID, "error", err)
			known = &refused{http.StatusServiceUnavailable, "UNAVAILABLE", "the registry does not answer: try again"}
		}
		event.ErrorCode, event.ErrorMessage = known.code, known.message
		known.write(answered)
	}
}

func (p *Proxy) event(w http.ResponseWriter, r *http.Request) audit.Event {
	return audit.Event{EventTime: p.Now().UTC(), EventSource: "ecr.amazonaws.com", EventName: r.Method + " " + r.URL.Path, AWSRegion: p.Site.Region,
		SourceIPAddress: audit.SourceIP(r.RemoteAddr), UserAgent: r.UserAgent(), RequestID: w.Header().Get("x-amzn-RequestId"), EventID: p.NewID(),
		RecipientAccountID: p.Site.Account, UserIdentity: audit.IdentityOf(iam.Caller{})}
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap gives http.ResponseController what is behind.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, event *audit.Event) error {
	caller, err := p.caller(r)
	if err != nil {
		return err
	}
	event.UserIdentity = audit.IdentityOf(caller)
	event.ReadOnly = r.Method == http.MethodGet || r.Method == http.MethodHead
	if r.URL.Path == Root || r.URL.Path+"/" == Root { // what `docker login` asks
		w.WriteHeader(http.StatusOK)
		return nil
	}
	way, ok := parse(r.Method, r.URL.Path)
	if !ok {
		return &refused{http.StatusMethodNotAllowed, "UNSUPPORTED", "there is no such operation here: images are pushed and pulled; delete them with \"aws ecr batch-delete-image\""}
	}
	event.EventName = strings.TrimPrefix(way.action, "ecr:")
	event.RequestParameters, err = json.Marshal(map[string]string{"repositoryName": way.repository, "path": way.rest})
	if err != nil {
		return fmt.Errorf("writing the audit log: %w", err)
	}
	up, err := p.allowed(r.Context(), caller, way, event)
	if err != nil {
		return err
	}
	select {
	case p.room <- struct{}{}:
		defer func() { <-p.room }()
	default:
		return &refused{http.StatusTooManyRequests, "TOOMANYREQUESTS", "too many images are pushed and pulled at the moment: try again"}
	}
	until := time.Now().Add(longest)
	connection := http.NewResponseController(w)
	if err := errors.Join(connection.SetReadDeadline(until), connection.SetWriteDeadline(until)); err != nil {
		return fmt.Errorf("giving a layer the time that it takes: %w", err)
	}
	p.carry(up, way).ServeHTTP(w, r)
	return nil
}

// caller is whose token a request has. Errors: *refused.
func (p *Proxy) caller(r *http.Request) (iam.Caller, error) {
	user, password, ok := r.BasicAuth()
	if !ok || user != "AWS" {
		return iam.Caller{}, &refused{http.StatusUnauthorized, "UNAUTHORIZED", "log in as AWS, with what \"aws ecr get-login-password\" says"}
	}
	caller, err := p.tokens.caller(r.Context(), p.Access, password)
	if errors.Is(err, errToken) {
		return iam.Caller{}, &refused{http.StatusUnauthorized, "UNAUTHORIZED", err.Error()}
	}
	caller.SourceIP, caller.Encrypted, caller.Region = audit.SourceIP(r.RemoteAddr), r.TLS != nil, p.Site.Region
	return caller, err
}

// allowed asks the policies, and whether there is such a repository. Errors: *refused.
func (p *Proxy) allowed(ctx context.Context, caller iam.Caller, way route, event *audit.Event) (*Upstream, error) {
	request := iam.Request{Action: way.action, Resource: arn(p.Site, way.repository)}
	event.Additional = audit.Decision{Action: request.Action, Resource: request.Resource, Decision: "allowed"}
	err := p.may(ctx, caller, request)
	var denied *failure
	if errors.As(err, &denied) {
		event.Additional.Decision = "denied"
		return nil, &refused{http.StatusForbidden, "DENIED", denied.message}
	}
	if err != nil {
		return nil, err
	}
	own, err := p.Own(ctx)
	if err != nil {
		return nil, err
	}
	unknown := &refused{http.StatusNotFound, "NAME_UNKNOWN", fmt.Sprintf("The repository with name '%s' does not exist in the registry with id '%s'", way.repository, p.Site.Account)}
	if own[way.repository] {
		return nil, unknown
	}
	up, err := p.Connect(ctx)
	if err != nil || !way.begins {
		return up, err
	}
	record, found, err := p.find(ctx, up, way.repository)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, unknown
	case way.tag == "" || record.Mutability != immutable:
		return up, nil
	}
	_, taken, err := up.head(ctx, way.repository, way.tag)
	if taken {
		err = &refused{http.StatusBadRequest, "TAG_INVALID", fmt.Sprintf("The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the tag is immutable.", way.tag, way.repository)}
	}
	return up, err
}

// passed are the headers that reach the registry. The token is none of them.
var passed = []string{"Accept", "Content-Type", "Content-Length", "Content-Range", "Range", "If-None-Match"}

// carry is the way to one of the registry's doors.
func (p *Proxy) carry(up *Upstream, way route) *httputil.ReverseProxy {
	door := up.Read
	if way.writes {
		door = up.Write
	}
	return &httputil.ReverseProxy{
		Transport: up.Transport,
		ErrorLog:  slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug),
		Rewrite: func(r *httputil.ProxyRequest) {
			out := &url.URL{Scheme: door.Scheme, Host: door.Host, Path: Root + way.repository + way.rest}
			if way.asks {
				out.RawQuery = r.In.URL.RawQuery
			}
			headers := http.Header{"User-Agent": {"naru-server"}}
			for _, name := range passed {
				if values := r.In.Header.Values(name); len(values) > 0 {
					headers[name] = values
				}
			}
			r.Out.URL, r.Out.Host, r.Out.Header = out, door.Host, headers
			if way.writes {
				r.Out.SetBasicAuth(up.User, up.Password)
			}
		},
		ModifyResponse: func(answer *http.Response) error {
			if answer.StatusCode == http.StatusUnauthorized {
				return errors.New("the registry does not let naru server in")
			}
			return relative(answer.Header)
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				p.Log.Error("call failed", "service", "ecr", "repository", way.repository, "error", err)
			}
			(&refused{http.StatusServiceUnavailable, "UNAVAILABLE", "the registry does not answer: try again"}).write(w)
		},
	}
}

// relative takes the registry's own address out of where it sends a client next.
func relative(headers http.Header) error {
	location := headers.Get("Location")
	if location == "" {
		return nil
	}
	parsed, err := url.Parse(location)
	if err != nil {
		return fmt.Errorf("reading where the registry sends the client: %w", err)
	}
	parsed.Scheme, parsed.Host, parsed.User = "", "", nil
	headers.Set("Location", parsed.String())
	return nil
}
