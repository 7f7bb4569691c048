package connected

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"k8s.io/client-go/util/retry"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/connector"
	"naru.dev/naru/internal/eks/audit"
	"naru.dev/naru/internal/kube/conditions"
)

// maxActivation is more than an activation has.
const maxActivation = 4 << 10

// activate exchanges an activation code for being known by the key of the connection's certificate.
func (c *Clusters) activate(w http.ResponseWriter, r *http.Request) {
	event := c.event(w, r, "ActivateConnectedCluster")
	if err := c.activated(r, w, &event); err != nil {
		c.tell(w, event, err)
		return
	}
	c.record(event)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte("{}")) // who is gone asks again
}

func (c *Clusters) activated(r *http.Request, w http.ResponseWriter, event *audit.Event) error {
	key, err := keyOf(r.TLS)
	if err != nil {
		return err
	}
	var shown connector.Activation
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxActivation)).Decode(&shown); err != nil {
		return &refusal{http.StatusBadRequest, "the body has to be {\"activationId\": …, \"activationCode\": …}"}
	}
	event.RequestParameters = about(map[string]string{"activationId": shown.ID})
	// Of two agents that show one code, the one whose write comes first has it.
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		cluster, err := c.find(r.Context(), func(o *v1alpha1.ConnectedCluster) bool { return o.Spec.Activation.ID == shown.ID })
		if err != nil {
			return err
		}
		already, err := admit(cluster, shown.Code, key, c.Now())
		if err != nil || already {
			return err
		}
		event.UserIdentity.Type, event.UserIdentity.PrincipalID = "AWSService", "connector:"+cluster.Name
		cluster.Status.AgentKey = key
		conditions.True(cluster, v1alpha1.ConnectedClusterActivated, v1alpha1.ReasonReady, "an agent has shown the activation code")
		return c.Client.Status().Update(r.Context(), cluster)
	})
}

// admit decides whether an agent of this key may be the cluster's by this code; already tells that it is. Whoever has not the code
// learns nothing: cluster is nil where the id is nobody's.
func admit(cluster *v1alpha1.ConnectedCluster, code, key string, now time.Time) (already bool, err error) {
	wrong := &refusal{http.StatusForbidden, "no cluster is registered with this activation id and code"}
	if cluster == nil || cluster.DeletionTimestamp != nil {
		return false, wrong
	}
	activation := cluster.Spec.Activation
	if subtle.ConstantTimeCompare([]byte(connector.CodeHash(code)), []byte(activation.CodeHash)) != 1 {
		return false, wrong
	}
	switch {
	case cluster.Status.AgentKey == key:
		return true, nil // it did not hear the answer
	case cluster.Status.AgentKey != "":
		return false, &refusal{http.StatusForbidden, fmt.Sprintf("the activation code of cluster %s was used already: deregister the cluster, and register it again", cluster.Name)}
	case !now.Before(activation.Expires.Time):
		return false, &refusal{http.StatusForbidden, fmt.Sprintf("the activation of cluster %s has expired at %s: deregister the cluster, and register it again",
			cluster.Name, activation.Expires.UTC().Format(time.RFC3339))}
	}
	return false, nil
}

// keyOf is what the agent at the other end is known by.
func keyOf(state *tls.ConnectionState) (string, error) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return "", &refusal{http.StatusForbidden, "an agent has to show a client certificate"}
	}
	return connector.KeyID(state.PeerCertificates[0]), nil
}

// find is the connected cluster of which is is true, or nil.
func (c *Clusters) find(ctx context.Context, is func(*v1alpha1.ConnectedCluster) bool) (*v1alpha1.ConnectedCluster, error) {
	all, err := c.Backend.ConnectedClusters(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if is(&all[i]) {
			return &all[i], nil
		}
	}
	return nil, nil
}

// known tells whether a cluster is still the one whose agent has this key.
func (c *Clusters) known(ctx context.Context, name, key string) (*v1alpha1.ConnectedCluster, bool, error) {
	cluster, err := c.Backend.ConnectedCluster(ctx, name)
	if missing(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return cluster, cluster.DeletionTimestamp == nil && cluster.Status.AgentKey == key, nil
}

func missing(err error) bool {
	var gone *backend.NotFoundError
	return errors.As(err, &gone)
}
