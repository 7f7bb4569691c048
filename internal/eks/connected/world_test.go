package connected

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/connector"
	"naru.dev/naru/internal/eks/audit"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/token"
	"naru.dev/naru/test/simulated"
)

const (
	account, region = "111122223333", "naru-kr-1"
	alice           = "arn:aws:iam::111122223333:user/alice"
	patience        = 20 * time.Second
)

var aliceKey = sigv4.Key{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", Secret: "s3cr3t"}

// hub is naru server's part, in front of a simulated hosting cluster.
type hub struct {
	*Clusters
	agents, users *httptest.Server
	world         *simulated.World

	mu      sync.Mutex
	log     strings.Builder
	clock   time.Duration
	refused bool
}

// Write is the audit log.
func (h *hub) Write(line []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Write(line)
}

// said is what stands in it.
func (h *hub) said() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.String()
}

func (h *hub) Lookup(_ context.Context, key, _ string) (iam.Identity, error) {
	if key != aliceKey.AccessKeyID {
		return iam.Identity{}, &sigv4.Error{Code: sigv4.UnrecognizedClient, Message: "The security token included in the request is invalid."}
	}
	return iam.Identity{Secret: aliceKey.Secret, Caller: iam.Caller{ARN: alice, Principal: alice, AccountID: account, AccessKeyID: key}}, nil
}

func (h *hub) Authorize(_ context.Context, _ iam.Caller, request iam.Request) (iam.Decision, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return iam.Decision{Allowed: !h.refused && request.Action == "eks:AccessKubernetesApi"}, nil
}

func (h *hub) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Now().Add(h.clock)
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{world: simulated.New(t)}
	h.Clusters = New(Options{Site: convert.Site{Account: account, Region: region}, Backend: backend.New(h.world.Client), Client: h.world.Client, Credentials: h, Authorizer: h,
		Audit: audit.NewLog(h), Log: slog.New(slog.DiscardHandler), Now: h.now, NewID: uuid.NewString})
	h.agents = httptest.NewUnstartedServer(h.Agents())
	h.agents.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	h.agents.EnableHTTP2 = true
	h.agents.StartTLS()
	h.users = httptest.NewUnstartedServer(h.Clusters)
	h.users.EnableHTTP2 = true
	h.users.StartTLS()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done; h.agents.Close(); h.users.Close() })
	return h
}

// register registers a cluster, and returns what its agent shows.
func (h *hub) register(t *testing.T, name string) connector.Activation {
	t.Helper()
	cluster := backend.NewConnectedCluster(name, "GKE", "")
	code, err := h.Backend.RegisterCluster(t.Context(), cluster, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return connector.Activation{ID: cluster.Spec.Activation.ID, Code: code}
}

// foreign is a cluster that is not Naru's: as much of an API as an agent needs, which remembers who asked.
type foreign struct {
	server *httptest.Server
	mu     sync.Mutex
	secret corev1.Secret
	asked  []http.Header
	down   bool
}

func newForeign(t *testing.T) *foreign {
	t.Helper()
	f := &foreign{secret: corev1.Secret{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: metav1.ObjectMeta{Namespace: "naru-connector", Name: "naru-connector-key"}}}
	mux := http.NewServeMux()
	reply := func(w http.ResponseWriter, value any) {
		f.mu.Lock()
		defer f.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		if f.down {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_ = json.NewEncoder(w).Encode(value)
	}
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { reply(w, version.Info{GitVersion: "v1.35.2"}) })
	mux.HandleFunc("GET /api/v1/nodes", func(w http.ResponseWriter, _ *http.Request) {
		ready := corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}
		reply(w, corev1.NodeList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "NodeList"}, Items: []corev1.Node{{Status: ready}, {}}})
	})
	mux.HandleFunc("GET /api/v1/namespaces/naru-connector/secrets/naru-connector-key", func(w http.ResponseWriter, _ *http.Request) { reply(w, &f.secret) })
	mux.HandleFunc("PUT /api/v1/namespaces/naru-connector/secrets/naru-connector-key", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewDecoder(r.Body).Decode(&f.secret)
		reply(w, &f.secret)
	})
	mux.HandleFunc("/api/v1/namespaces/default/pods", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.asked = append(f.asked, r.Header.Clone())
		f.mu.Unlock()
		if r.URL.Query().Has("watch") {
			_, _ = w.Write([]byte("event\n"))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		reply(w, corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}})
	})
	f.server = httptest.NewServer(mux)
	t.Cleanup(f.server.Close)
	return f
}

// agent runs a cluster's agent, as the pod would, until stop is called or the test ends.
func (h *hub) agent(t *testing.T, f *foreign, shown connector.Activation) (stop func()) {
	t.Helper()
	address, err := url.Parse(h.agents.URL)
	if err != nil {
		t.Fatal(err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.agents.Certificate().Raw})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := connector.Run(ctx, connector.Options{Cluster: &rest.Config{Host: f.server.URL, BearerToken: "the-agents-own", ContentConfig: rest.ContentConfig{ContentType: "application/json"}}, Server: address, ServerName: "example.com", CA: ca,
			Activation: shown, Namespace: "naru-connector", Secret: "naru-connector-key", Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Errorf("the agent ended: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// await waits until a connected cluster is as wanted.
func (h *hub) await(t *testing.T, name, what string, is func(*v1alpha1.ConnectedCluster) bool) *v1alpha1.ConnectedCluster {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		cluster, err := h.Backend.ConnectedCluster(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if is(cluster) {
			return cluster
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in time; it is %+v", what, cluster.Status)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func connectedIs(status metav1.ConditionStatus) func(*v1alpha1.ConnectedCluster) bool {
	return func(c *v1alpha1.ConnectedCluster) bool {
		for _, condition := range c.Status.Conditions {
			if condition.Type == v1alpha1.ConnectedClusterConnected {
				return condition.Status == status
			}
		}
		return false
	}
}

// get asks a connected cluster as kubectl does.
func (h *hub) get(t *testing.T, cluster, path string, change func(*http.Request)) (int, string) {
	t.Helper()
	shown, err := token.Create(cluster, aliceKey, region, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.users.URL+Root+cluster+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+shown)
	if change != nil {
		change(r)
	}
	response, err := h.users.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var body strings.Builder
	if _, err := io.Copy(&body, response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, body.String()
}
