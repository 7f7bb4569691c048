// Package podidentity is the Pod Identity Agent of a node: at a link-local address it gives pods of this node the credentials of
// their role. A pod shows its own token; the agent passes it on and knows nothing of roles. It has no role itself that a pod could
// get hold of.
//
//	pod ──token──▶ 169.254.170.23 ──token, node's certificate──▶ naru server ──▶ the pod's cluster: is this token good?
package podidentity

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/client-go/kubernetes"

	"naru.dev/naru/internal/podroles"
)

const (
	// perSecond and burst are how often one address may make the agent ask; what it remembers is not counted.
	perSecond, burst = 2, 20
	// atOnce is how many questions are open at the same time.
	atOnce = 8
	// maxAddresses is how many addresses are told apart. Beyond it all begin anew.
	maxAddresses = 1000
	// retry is how soon the address is tried again.
	retry = 5 * time.Second
)

// source turns a token into credentials; see upstream.ask.
type source interface {
	ask(ctx context.Context, token string) (podroles.Answer, error)
}

// agent answers pods.
type agent struct {
	source source
	log    *slog.Logger
	now    func() time.Time
	cache  cache
	room   chan struct{}

	mu       sync.Mutex
	limiters map[string]*rate.Limiter
}

func newAgent(source source, log *slog.Logger, now func() time.Time) *agent {
	return &agent{source: source, log: log, now: now, room: make(chan struct{}, atOnce), limiters: map[string]*rate.Limiter{}}
}

// NewHandler answers pods; certificate is the path of the kubelet's client certificate and key.
func NewHandler(client kubernetes.Interface, certificate string, log *slog.Logger) http.Handler {
	return newAgent(&upstream{api: client, certificate: certificate}, log, time.Now).handler()
}

// Run serves until the context ends. Whatever fails is tried again: the network of the node goes on without it. See
// NewHandler.
func Run(ctx context.Context, client kubernetes.Interface, certificate string, log *slog.Logger) {
	handler := NewHandler(client, certificate, log)
	for ctx.Err() == nil {
		if err := serve(ctx, handler); err != nil && ctx.Err() == nil {
			log.Error("pods get no roles", "error", err, "again in", retry)
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
}

func serve(ctx context.Context, handler http.Handler) error {
	if err := ownAddress(); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", net.JoinHostPort(podroles.AgentAddress, strconv.Itoa(podroles.AgentPort)))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 2 * maxToken}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	return server.Serve(listener)
}

func (a *agent) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+podroles.CredentialsPath, a.credentials)
	return mux
}

// document is what AWS's SDKs read: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
type document struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           string
	AccountID       string `json:"AccountId,omitempty"`
	Expiration      time.Time
}

// failure is what they read where there are none.
type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (a *agent) credentials(w http.ResponseWriter, r *http.Request) {
	answer, err := a.answer(r)
	var refused *refusal
	switch {
	case errors.Is(err, errToken):
		write(w, http.StatusBadRequest, failure{"InvalidTokenException", err.Error()})
	case errors.Is(err, errBusy):
		write(w, http.StatusTooManyRequests, failure{"ThrottlingException", err.Error()})
	case errors.As(err, &refused):
		write(w, refused.status, failure{refused.said.Type, refused.said.Message})
	case err != nil:
		a.log.Error("a pod's role can't be had", "error", err)
		write(w, http.StatusServiceUnavailable, failure{"ServiceUnavailableException", "the role can't be had at the moment: try again"})
	default:
		c := answer.Credentials
		write(w, http.StatusOK, document{c.AccessKeyID, c.SecretAccessKey, c.SessionToken, account(answer), c.Expires()})
	}
}

// account is the fifth part of the session's ARN.
func account(answer podroles.Answer) string {
	parts := strings.Split(answer.AssumedRoleUser.ARN, ":")
	if len(parts) < 5 {
		return ""
	}
	return parts[4]
}

var errBusy = errors.New("rate exceeded") //nolint:gochecknoglobals // sentinel

func (a *agent) answer(r *http.Request) (podroles.Answer, error) {
	token, now := r.Header.Get("Authorization"), a.now()
	ends, err := expiry(token, now)
	if err != nil {
		return podroles.Answer{}, err
	}
	have, known := a.cache.get(token)
	if known && have.fresh(now) {
		return have.credentials, nil
	}
	if !a.limiter(r.RemoteAddr).Allow() {
		return podroles.Answer{}, errBusy
	}
	select {
	case a.room <- struct{}{}:
		defer func() { <-a.room }()
	case <-r.Context().Done():
		return podroles.Answer{}, errBusy
	}
	answer, err := a.source.ask(r.Context(), token)
	var refused *refusal
	switch {
	case err == nil:
		a.cache.put(token, cached{credentials: answer, ends: ends, at: now})
	case errors.As(err, &refused):
		a.cache.drop(token) // the role was taken away
	case known && have.usable(now):
		a.log.Warn("a pod gets the credentials that it had", "error", err)
		return have.credentials, nil
	}
	return answer, err
}

func (a *agent) limiter(remote string) *rate.Limiter {
	address, _, err := net.SplitHostPort(remote)
	if err != nil {
		address = remote
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	limiter := a.limiters[address]
	if limiter == nil {
		if len(a.limiters) >= maxAddresses {
			clear(a.limiters)
		}
		limiter = rate.NewLimiter(perSecond, burst)
		a.limiters[address] = limiter
	}
	return limiter
}

func write(w http.ResponseWriter, status int, content any) {
	body, err := json.Marshal(content)
	if err != nil {
		body, status = []byte("{}"), http.StatusInternalServerError // text and times can always be encoded
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a pod that is gone needs no answer
}
