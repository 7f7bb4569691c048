package connected

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/connector"
	"naru.dev/naru/internal/eks/audit"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/token"
)

const (
	// Root begins the path of each connected cluster's API: Root/NAME.
	Root = "/connected-clusters/"
	// agentHost stands in URLs for the agent: a tunnel has one end.
	agentHost = "agent"
	// action is what a caller needs to be allowed to do.
	action = "eks:AccessKubernetesApi"
	// How many requests are carried together, and how long one, as a watch, may take.
	carried = 256
	longest = time.Hour
)

// ServeHTTP carries a request of kubectl's to a connected cluster. The caller is known by a token of the EKS API; the cluster is
// told the ARN of the user or role as the user's name, and decides.
func (c *Clusters) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	event := c.event(w, r, "AccessKubernetesApi")
	event.ReadOnly = r.Method == http.MethodGet || r.Method == http.MethodHead
	name, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Root), "/")
	event.RequestParameters = about(map[string]string{"clusterName": name, "method": r.Method, "path": "/" + path})
	t, caller, err := c.enter(r, name, &event)
	if err != nil {
		status := c.status(event, err)
		event.ErrorCode, event.ErrorMessage = string(status.Reason), status.Message
		c.record(event)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(int(status.Code))
		_ = json.NewEncoder(w).Encode(status) // who is gone needs no answer
		return
	}
	defer func() { <-c.room }()
	c.record(event)
	until := time.Now().Add(longest)
	connection := http.NewResponseController(w)
	if err := errors.Join(connection.SetReadDeadline(until), connection.SetWriteDeadline(until)); err != nil {
		c.Log.Error("a request does not get the time that it may take", "cluster", name, "error", err)
	}
	c.carry(t, caller, strings.TrimSuffix(Root, "/")+"/"+name).ServeHTTP(w, r)
}

// enter decides whether a request goes on, and takes room for it then.
// Errors: *apierrors.StatusError; any other is Naru's own.
func (c *Clusters) enter(r *http.Request, name string, event *audit.Event) (*tunnel, iam.Caller, error) {
	caller, err := c.caller(r, name)
	if err != nil {
		return nil, caller, err
	}
	event.UserIdentity = audit.IdentityOf(caller)
	cluster, err := c.Backend.ConnectedCluster(r.Context(), name)
	if err != nil && !missing(err) {
		return nil, caller, err
	}
	if err := c.may(r, caller, name, cluster, event); err != nil {
		return nil, caller, err
	}
	t := c.of(name)
	switch {
	case cluster == nil || cluster.DeletionTimestamp != nil:
		return nil, caller, apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("connectedclusters").GroupResource(), name)
	case t == nil || t.key != cluster.Status.AgentKey:
		return nil, caller, apierrors.NewServiceUnavailable(fmt.Sprintf("cluster %s is not connected: its agent has no connection to Naru", name))
	case r.Header.Get("Upgrade") != "":
		return nil, caller, apierrors.NewBadRequest("exec, attach and port-forward don't go through the connection of a connected cluster: use the cluster's own API")
	case impersonates(r.Header):
		return nil, caller, apierrors.NewBadRequest("nobody can be impersonated in a connected cluster: requests are made there as who signs the token")
	}
	select {
	case c.room <- struct{}{}:
		return t, caller, nil
	default:
		return nil, caller, apierrors.NewTooManyRequests("too many requests are carried to connected clusters", 1)
	}
}

func impersonates(headers http.Header) bool {
	for name := range headers {
		if strings.HasPrefix(name, "Impersonate-") {
			return true
		}
	}
	return false
}

// caller is whose token a request has.
func (c *Clusters) caller(r *http.Request, name string) (iam.Caller, error) {
	shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return iam.Caller{}, apierrors.NewUnauthorized("a token of the EKS API is wanted, as \"naru token\" and \"aws eks get-token\" print")
	}
	verifier := token.Verifier{Cluster: name, Credentials: c.Credentials, Now: c.Now}
	caller, err := verifier.Verify(r.Context(), shown)
	var invalid *token.InvalidError
	var signature *sigv4.Error
	if errors.As(err, &invalid) || errors.As(err, &signature) {
		return iam.Caller{}, apierrors.NewUnauthorized(err.Error())
	}
	caller.SourceIP, caller.Encrypted, caller.Region = audit.SourceIP(r.RemoteAddr), r.TLS != nil, c.Site.Region
	return caller, err
}

// may asks the policies. A caller without rights does not learn whether there is such a cluster.
func (c *Clusters) may(r *http.Request, caller iam.Caller, name string, cluster *v1alpha1.ConnectedCluster, event *audit.Event) error {
	request := iam.Request{Action: action, Resource: c.Site.ClusterARN(name), Context: map[string][]string{}}
	if cluster != nil {
		for key, value := range convert.Tags(cluster) {
			request.Context["aws:ResourceTag/"+key] = []string{value}
		}
	}
	decision, err := c.Authorizer.Authorize(r.Context(), caller, request)
	if err != nil {
		return err
	}
	event.Additional = audit.Decision{Action: action, Resource: request.Resource, Decision: "allowed"}
	if !decision.Allowed {
		because := decision.Because(action)
		event.Additional.Decision, event.Additional.Because = "denied", because
		refused := apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("connectedclusters").GroupResource(), name, nil)
		refused.ErrStatus.Message = fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s %s", caller.ARN, action, request.Resource, because)
		return refused
	}
	return nil
}

// status is an error in the words of Kubernetes.
func (c *Clusters) status(event audit.Event, err error) metav1.Status {
	var known *apierrors.StatusError
	if !errors.As(err, &known) {
		c.Log.Error("call failed", "request", event.RequestID, "operation", event.EventName, "error", err)
		known = apierrors.NewServiceUnavailable("an internal failure, which is in the log of naru server: try again")
	}
	status := known.Status()
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	return status
}

// carry is the way to a cluster. The caller's token goes no further than here.
func (c *Clusters) carry(t *tunnel, caller iam.Caller, prefix string) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport: t, FlushInterval: -1, ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", agentHost, agentHost
			r.Out.URL.Path = connector.ClusterPath + strings.TrimPrefix(r.In.URL.Path, prefix)
			if raw := r.In.URL.RawPath; raw != "" {
				r.Out.URL.RawPath = connector.ClusterPath + strings.TrimPrefix(raw, prefix)
			}
			r.Out.Header.Del("Authorization")
			r.Out.Header.Set(connector.ImpersonateUser, caller.Principal)
		},
		// What is somebody else's sets nothing for this address.
		ModifyResponse: func(answer *http.Response) error {
			for _, name := range []string{"Set-Cookie", "Strict-Transport-Security", "Alt-Svc"} {
				answer.Header.Del(name)
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				c.Log.Error("call failed", "operation", "AccessKubernetesApi", "cluster", t.cluster, "error", err)
			}
			status := apierrors.NewServiceUnavailable("the connection to cluster " + t.cluster + " broke: try again").Status()
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(int(status.Code))
			_ = json.NewEncoder(w).Encode(status) // who is gone needs no answer
		},
	}
}
