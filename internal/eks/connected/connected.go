// Package connected is naru server's side of connected clusters: it lets agents in, sees through their tunnels how the clusters
// are, and carries users' requests to them.
//
//	agent:   code, once ─▶ its key is known ─▶ tunnel ─▶ observed ─▶ status
//	kubectl: token ─▶ eks:AccessKubernetesApi? ─▶ tunnel, as that user ─▶ the cluster's own RBAC
package connected

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/connector"
	"naru.dev/naru/internal/eks/audit"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/iam"
)

// Options are what connected clusters are handled with.
type Options struct {
	Site    convert.Site
	Backend *backend.Backend
	// Client reads from memory, and writes statuses.
	Client      client.Client
	Credentials iam.Credentials
	Authorizer  iam.Authorizer
	Audit       *audit.Log
	Log         *slog.Logger
	Now         func() time.Time
	NewID       func() string
}

// Clusters are the connected clusters whose agents have a tunnel to this process. There is one process: agents that come to another
// take their tunnels there.
type Clusters struct {
	Options
	room chan struct{}

	mu      sync.Mutex
	tunnels map[string]*tunnel
}

// New returns a handler of connected clusters, to which no agent has come yet.
func New(options Options) *Clusters {
	return &Clusters{Options: options, room: make(chan struct{}, carried), tunnels: map[string]*tunnel{}}
}

// Agents answers agents. Connections have to be asked for a client certificate, whose key is all that matters here.
func (c *Clusters) Agents() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+connector.ActivatePath, c.activate)
	mux.HandleFunc("GET "+connector.TunnelPath, c.open)
	return mux
}

// refusal is what a client is told.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

// tell answers an agent with an error. What is Naru's own goes into the log.
func (c *Clusters) tell(w http.ResponseWriter, event audit.Event, err error) {
	var known *refusal
	if !errors.As(err, &known) {
		c.Log.Error("call failed", "request", event.RequestID, "operation", event.EventName, "error", err)
		known = &refusal{http.StatusServiceUnavailable, "an internal failure, which is in the log of naru server: try again"}
	}
	event.ErrorCode, event.ErrorMessage = http.StatusText(known.status), known.text
	c.record(event)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(known.status)
	_ = json.NewEncoder(w).Encode(connector.Message{Text: known.text}) // who is gone needs no answer
}

// event begins the line of the audit log for a request.
func (c *Clusters) event(w http.ResponseWriter, r *http.Request, name string) audit.Event {
	return audit.Event{EventTime: c.Now().UTC(), EventSource: "eks.amazonaws.com", EventName: name, AWSRegion: c.Site.Region, SourceIPAddress: audit.SourceIP(r.RemoteAddr),
		UserAgent: r.UserAgent(), RequestID: w.Header().Get("x-amzn-RequestId"), EventID: c.NewID(), RecipientAccountID: c.Site.Account,
		UserIdentity: audit.IdentityOf(iam.Caller{})}
}

func (c *Clusters) record(event audit.Event) {
	if err := c.Audit.Write(event); err != nil {
		c.Log.Error("call is not in the audit log", "request", event.RequestID, "error", err)
	}
}

// about is what an event says of what it is about. Codes and keys are never in it.
func about(names map[string]string) json.RawMessage {
	text, err := json.Marshal(names)
	if err != nil {
		return nil // strings can always be encoded
	}
	return text
}

// Run looks after tunnels and statuses until ctx ends, and then closes all tunnels.
func (c *Clusters) Run(ctx context.Context) {
	defer c.closeAll()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	began := time.Now()
	for swept := began; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		c.revoke(ctx)
		// What the process before this one has left may still be so: its agents get time to come here.
		if now := time.Now(); now.Sub(began) > grace && now.Sub(swept) > sweep {
			swept = now
			c.sweep(ctx)
		}
	}
}
