// Package podidentity is the service eks-auth: a node shows the token of one of its pods, and gets the credentials of the role
// that the pod's service account is associated with.
//
//	certificate: a node of this cluster? ─▶ token: the API server's word ─▶ pod on that node? ─▶ association ─▶ trust ─▶ session
package podidentity

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/eks/audit"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/iam/access"
	"naru.dev/naru/internal/podroles"
)

// patience is how long the cluster may take to review a token.
const patience = 10 * time.Second

// Backend reads what there is.
type Backend interface {
	Cluster(ctx context.Context, name string) (*v1alpha1.Cluster, error)
	PodIdentityAssociation(ctx context.Context, cluster, id string) (*v1alpha1.PodIdentityAssociation, error)
}

// Options are what the service works with.
type Options struct {
	Site     convert.Site
	Backend  Backend
	Reviewer Reviewer
	// Access has the roles, and seals their sessions.
	Access *access.Access
	Audit  *audit.Log
	Log    *slog.Logger
	Now    func() time.Time
	NewID  func() string
}

// Handler answers AssumeRoleForPodIdentity. Connections have to be asked for a client certificate, which it verifies itself: by
// the authority of the cluster that the path names.
type Handler struct {
	Options
	mux *http.ServeMux
}

// New returns the handler.
func New(options Options) *Handler {
	h := &Handler{Options: options, mux: http.NewServeMux()}
	h.mux.HandleFunc("POST "+podroles.AssumePath("{cluster}"), h.serve)
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	event := audit.Event{
		EventTime: h.Now().UTC(), EventSource: "eks-auth.amazonaws.com", EventName: "AssumeRoleForPodIdentity", AWSRegion: h.Site.Region,
		UserAgent: r.UserAgent(), RequestID: w.Header().Get("x-amzn-RequestId"), EventID: h.NewID(), RecipientAccountID: h.Site.Account,
	}
	event.UserIdentity.Type = "Unknown"
	event.SourceIPAddress = audit.SourceIP(r.RemoteAddr)
	answer, err := h.assume(ctx, r, &event)
	if err != nil {
		problem := told(err)
		event.ErrorCode, event.ErrorMessage = string(problem.Code), problem.Message
		h.record(event)
		if problem.Code.Status() >= http.StatusInternalServerError {
			h.Log.Error("pod's role was not given", "request", event.RequestID, "error", err)
		}
		problem.write(w)
		return
	}
	h.record(event)
	write(w, http.StatusOK, answer)
}

func (h *Handler) record(event audit.Event) {
	if err := h.Audit.Write(event); err != nil {
		h.Log.Error("call is not in the audit log", "request", event.RequestID, "error", err)
	}
}

// note adds names to an event; tokens and secrets are never among them.
func note(names map[string]string) json.RawMessage {
	text, err := json.Marshal(names)
	if err != nil {
		return nil // strings can always be encoded
	}
	return text
}

func (h *Handler) assume(ctx context.Context, r *http.Request, event *audit.Event) (*podroles.Answer, error) {
	name, now := r.PathValue("cluster"), h.Now()
	event.RequestParameters = note(map[string]string{"clusterName": name})
	node, err := h.node(ctx, r, name)
	if err != nil {
		return nil, err
	}
	event.UserIdentity.Type, event.UserIdentity.PrincipalID = "AWSService", podroles.NodeUserPrefix+node
	var in podroles.Request
	body, err := io.ReadAll(io.LimitReader(r.Body, 2*maxToken))
	if err != nil || json.Unmarshal(body, &in) != nil || in.Token == "" {
		return nil, refuse(InvalidRequest, "the body has to be {\"token\": …}")
	}
	if err := look(in.Token, now); err != nil {
		return nil, err
	}
	pod, err := h.Reviewer.Review(ctx, name, in.Token)
	if err != nil {
		return nil, err
	}
	event.RequestParameters = note(map[string]string{"clusterName": name, "node": node, "namespace": pod.Namespace, "serviceAccount": pod.ServiceAccount, "pod": pod.Name})
	if pod.Node != node {
		return nil, refuse(AccessDenied, "the token is of a pod on another node than the one that asks")
	}
	association, err := h.association(ctx, name, pod)
	if err != nil {
		return nil, err
	}
	g := grant{association: association, clusterARN: h.Site.ClusterARN(name), name: sessionName(name, pod.Name, h.NewID()), now: now}
	if !association.Spec.DisableSessionTags {
		g.tags = sessionTags(g.clusterARN, name, pod)
	}
	made, user, err := h.seal(ctx, g)
	if err != nil {
		return nil, err
	}
	event.ResponseElements = note(map[string]string{"associationId": association.Name, "assumedRoleArn": user.ARN, "accessKeyId": made.AccessKeyID})
	return &podroles.Answer{
		Subject: podroles.Subject{Namespace: pod.Namespace, ServiceAccount: pod.ServiceAccount}, Audience: podroles.Audience,
		PodIdentityAssociation: podroles.Association{ARN: h.Site.AssociationARN(name, association.Name), ID: association.Name},
		AssumedRoleUser:        podroles.AssumedRoleUser{ARN: user.ARN, ID: user.UserID},
		Credentials: podroles.Credentials{
			AccessKeyID: made.AccessKeyID, SecretAccessKey: made.Secret, SessionToken: made.Token, Expiration: float64(made.Expires.Unix()),
		},
	}, nil
}

// node is who asks. A cluster that does not exist is one that the asker is no node of.
func (h *Handler) node(ctx context.Context, r *http.Request, name string) (string, error) {
	refusal := refuse(AccessDenied, "whoever asks has to show the client certificate of a node of cluster %s", name)
	cluster, err := h.Backend.Cluster(ctx, name)
	var missing *backend.NotFoundError
	if errors.As(err, &missing) {
		return "", refusal
	}
	if err != nil {
		return "", err
	}
	node, ok := nodeOf(r.TLS, cluster.Status.Endpoint.CertificateAuthority, h.Now())
	if !ok {
		return "", refusal
	}
	return node, nil
}

func (h *Handler) association(ctx context.Context, cluster string, pod Pod) (*v1alpha1.PodIdentityAssociation, error) {
	none := refuse(NotFound, "Cluster %s has no pod identity association for service account %s/%s", cluster, pod.Namespace, pod.ServiceAccount)
	found, err := h.Backend.PodIdentityAssociation(ctx, cluster, v1alpha1.PodIdentityAssociationName(pod.Namespace, pod.ServiceAccount))
	var missing *backend.NotFoundError
	switch {
	case errors.As(err, &missing):
		return nil, none
	case err != nil:
		return nil, err
	case found.Spec.Namespace != pod.Namespace || found.Spec.ServiceAccount != pod.ServiceAccount:
		return nil, none // kubectl can give an association any name
	}
	return found, nil
}
