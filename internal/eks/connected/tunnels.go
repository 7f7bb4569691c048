package connected

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/util/retry"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/connector"
	"naru.dev/naru/internal/kube/conditions"
)

const (
	// look is how soon a tunnel ends whose cluster was deregistered.
	look = time.Second
	// observeEvery is how often a cluster is asked how it is, and observePatience how long it may take.
	observeEvery    = 15 * time.Second
	observePatience = 10 * time.Second
	// sweep is how often statuses are looked for that say connected of a cluster that has no tunnel; grace is how long after its
	// start a process leaves them be: longer than the one before it takes to end and its agents to come.
	sweep = 5 * time.Second
	grace = 60 * time.Second
	// maxAnswer is more than an agent answers.
	maxAnswer = 64 << 10
)

// tunnel is one agent's.
type tunnel struct {
	*connector.Tunnel
	cluster, key string
}

// open makes a tunnel of an agent's connection, and holds it until it ends.
func (c *Clusters) open(w http.ResponseWriter, r *http.Request) {
	event := c.event(w, r, "OpenConnectedClusterTunnel")
	cluster, key, err := c.comes(r)
	if err != nil {
		c.tell(w, event, err)
		return
	}
	event.RequestParameters = about(map[string]string{"clusterName": cluster.Name})
	event.UserIdentity.Type, event.UserIdentity.PrincipalID = "AWSService", "connector:"+cluster.Name
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Upgrade", connector.Protocol)
	w.WriteHeader(http.StatusSwitchingProtocols)
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		c.Log.Error("tunnel was not opened", "cluster", cluster.Name, "error", err)
		return
	}
	c.record(event)
	t := &tunnel{Tunnel: connector.NewTunnel(conn, buffered.Reader), cluster: cluster.Name, key: key}
	c.Log.Info("cluster is connected", "cluster", t.cluster, "address", r.RemoteAddr)
	c.put(t)
	c.keep(context.WithoutCancel(r.Context()), t)
}

// comes says whose agent comes. Errors: *refusal.
func (c *Clusters) comes(r *http.Request) (*v1alpha1.ConnectedCluster, string, error) {
	key, err := keyOf(r.TLS)
	if err != nil {
		return nil, "", err
	}
	if r.Header.Get("Upgrade") != connector.Protocol {
		return nil, "", &refusal{http.StatusBadRequest, "this Naru speaks " + connector.Protocol}
	}
	cluster, err := c.find(r.Context(), func(o *v1alpha1.ConnectedCluster) bool { return o.Status.AgentKey == key && o.DeletionTimestamp == nil })
	if err == nil && cluster == nil {
		err = &refusal{http.StatusForbidden, "no registered cluster's agent has this key"}
	}
	return cluster, key, err
}

// put makes a tunnel the cluster's. One that it has already is the agent's of before a restart, and ends.
func (c *Clusters) put(t *tunnel) {
	c.mu.Lock()
	before := c.tunnels[t.cluster]
	c.tunnels[t.cluster] = t
	c.mu.Unlock()
	if before != nil {
		before.Close()
	}
}

// of is the cluster's tunnel, or nil.
func (c *Clusters) of(cluster string) *tunnel {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tunnels[cluster]
}

// drop takes a tunnel away that has ended, and tells whether it was still the cluster's.
func (c *Clusters) drop(t *tunnel) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tunnels[t.cluster] != t {
		return false
	}
	delete(c.tunnels, t.cluster)
	return true
}

func (c *Clusters) all() []*tunnel {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]*tunnel, 0, len(c.tunnels))
	for _, t := range c.tunnels {
		list = append(list, t)
	}
	return list
}

// closeAll ends all tunnels without a word about it in statuses: the agents go to the next process.
func (c *Clusters) closeAll() {
	for _, t := range c.all() {
		c.drop(t)
		t.Close()
	}
}

// keep observes a cluster through its tunnel until that ends.
func (c *Clusters) keep(ctx context.Context, t *tunnel) {
	ticker := time.NewTicker(observeEvery)
	defer ticker.Stop()
	for {
		seen, err := t.observe(ctx)
		if !errors.Is(err, connector.ErrClosed) {
			c.write(ctx, t, func(o *v1alpha1.ConnectedCluster) { observed(o, seen, err) })
		}
		select {
		case <-t.Done():
			if c.drop(t) {
				c.Log.Info("cluster is not connected any more", "cluster", t.cluster)
				c.write(ctx, t, gone)
			}
			return
		case <-ticker.C:
		}
	}
}

// observe asks the agent. Errors: connector.ErrClosed where the tunnel has ended.
func (t *tunnel) observe(ctx context.Context) (seen connector.Observation, err error) {
	ctx, cancel := context.WithTimeout(ctx, observePatience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+agentHost+connector.ObservationPath, nil)
	if err != nil {
		return seen, fmt.Errorf("asking the agent: %w", err)
	}
	response, err := t.RoundTrip(r)
	if err != nil {
		select {
		case <-t.Done():
			return seen, connector.ErrClosed
		default:
			return seen, fmt.Errorf("the agent does not answer: %w", err)
		}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return seen, fmt.Errorf("the agent does not answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		var message connector.Message
		if json.Unmarshal(body, &message) != nil || message.Text == "" {
			message.Text = "the agent answers " + response.Status
		}
		return seen, errors.New(message.Text)
	}
	if err := json.Unmarshal(body, &seen); err != nil {
		return seen, fmt.Errorf("reading what the agent says: %w", err)
	}
	return seen, nil
}

// maxVersion is more than a version of Kubernetes has: what an agent says is somebody else's word.
const maxVersion = 64

// observed is what an answer, or an error in its place, means for the status.
func observed(cluster *v1alpha1.ConnectedCluster, seen connector.Observation, err error) {
	if err != nil {
		conditions.False(cluster, v1alpha1.ConnectedClusterConnected, v1alpha1.ReasonNoAnswer, cut(err.Error(), maxMessage))
		return
	}
	cluster.Status.Version, cluster.Status.Nodes, cluster.Status.ReadyNodes = cut(seen.Version, maxVersion), seen.Nodes, seen.ReadyNodes
	conditions.True(cluster, v1alpha1.ConnectedClusterConnected, v1alpha1.ReasonReady, "the cluster's API answers through the agent's tunnel")
}

const maxMessage = 1024

func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}

func gone(cluster *v1alpha1.ConnectedCluster) {
	conditions.False(cluster, v1alpha1.ConnectedClusterConnected, v1alpha1.ReasonAgentGone,
		"the agent has no connection to Naru: look at it in the cluster with \"kubectl logs --namespace naru-connector deployment/naru-connector\"")
}

// write changes the status of a tunnel's cluster, unless it is another's by now.
func (c *Clusters) write(ctx context.Context, t *tunnel, change func(*v1alpha1.ConnectedCluster)) {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		cluster, still, err := c.known(ctx, t.cluster, t.key)
		if err != nil || !still {
			return err
		}
		return c.update(ctx, cluster, change)
	})
	if err != nil {
		c.Log.Error("status was not written", "cluster", t.cluster, "error", err)
	}
}

// update writes a status that differs from the one that there is.
func (c *Clusters) update(ctx context.Context, cluster *v1alpha1.ConnectedCluster, change func(*v1alpha1.ConnectedCluster)) error {
	before := cluster.DeepCopy()
	change(cluster)
	if equality.Semantic.DeepEqual(before.Status, cluster.Status) {
		return nil
	}
	return c.Client.Status().Update(ctx, cluster)
}

// revoke ends the tunnels of clusters that are not registered any more.
func (c *Clusters) revoke(ctx context.Context) {
	for _, t := range c.all() {
		if _, still, err := c.known(ctx, t.cluster, t.key); err == nil && !still && c.drop(t) {
			c.Log.Info("cluster was deregistered: its tunnel is closed", "cluster", t.cluster)
			t.Close()
		}
	}
}

// sweep corrects statuses that say connected of clusters without a tunnel.
func (c *Clusters) sweep(ctx context.Context) {
	clusters, err := c.Backend.ConnectedClusters(ctx)
	if err != nil {
		c.Log.Error("connected clusters are not known", "error", err)
		return
	}
	for i := range clusters {
		if cluster := &clusters[i]; conditions.IsTrue(cluster, v1alpha1.ConnectedClusterConnected) && c.of(cluster.Name) == nil {
			if err := c.update(ctx, cluster, gone); err != nil {
				c.Log.Error("status was not written", "cluster", cluster.Name, "error", err)
			}
		}
	}
}
