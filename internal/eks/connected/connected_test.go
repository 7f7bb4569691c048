package connected

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/connector"
	"naru.dev/naru/internal/iam/token"
)

const pods = "/api/v1/namespaces/default/pods"

func TestConnected(t *testing.T) {
	h, f, whole := newHub(t), newForeign(t), t
	shown := h.register(t, "foreign")
	stop := h.agent(t, f, shown)
	t.Run("when the agent comes, the cluster is connected, and what it says is told", func(t *testing.T) {
		cluster := h.await(t, "foreign", "connected", connectedIs(metav1.ConditionTrue))
		if s := cluster.Status; s.Version != "v1.35.2" || s.Nodes != 2 || s.ReadyNodes != 1 || len(s.AgentKey) != 64 {
			t.Errorf("it is %+v", s)
		}
	})
	t.Run("when a user with a token asks, the cluster is asked as that user, and with the agent's credentials", func(t *testing.T) {
		code, body := h.get(t, "foreign", pods+"?limit=1", nil)
		if code != http.StatusOK || !strings.Contains(body, "PodList") {
			t.Fatalf("%d, %s", code, body)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if asked := f.asked[len(f.asked)-1]; asked.Get("Impersonate-User") != alice || asked.Get("Authorization") != "Bearer the-agents-own" {
			t.Errorf("it was asked with %v", asked)
		}
	})
	t.Run("when the agent comes again with its key, it needs no code", func(t *testing.T) {
		stop()
		h.await(t, "foreign", "gone", connectedIs(metav1.ConditionFalse))
		if code, body := h.get(t, "foreign", pods, nil); code != http.StatusServiceUnavailable || !strings.Contains(body, "no connection to Naru") {
			t.Errorf("without an agent: %d, %s", code, body)
		}
		stop = h.agent(whole, f, connector.Activation{ID: shown.ID, Code: "forgotten"})
		h.await(t, "foreign", "connected again", connectedIs(metav1.ConditionTrue))
	})
	t.Run("when the cluster is deregistered, what is under way ends at once, and the agent does not come back", func(t *testing.T) {
		began, ended := h.watch(t)
		if line := <-began; line != "event" {
			t.Fatalf("a watch begins with %q", line)
		}
		if _, err := h.Backend.DeregisterCluster(t.Context(), "foreign"); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Fatal("a watch goes on")
		}
		if code, _ := h.get(t, "foreign", pods, nil); code != http.StatusNotFound {
			t.Errorf("it is still there: %d", code)
		}
		if h.of("foreign") != nil {
			t.Error("it has a tunnel")
		}
		stop()
	})
	h.users.Close()
	if text := h.said(); strings.Contains(text, shown.Code) || strings.Contains(text, token.Prefix) || !strings.Contains(text, `"eventName":"ActivateConnectedCluster"`) || !strings.Contains(text, `"eventName":"AccessKubernetesApi"`) {
		t.Error("the audit log has a secret, or lacks a call")
	}
}

// watch reads a stream: its first line, and when it has ended.
func (h *hub) watch(t *testing.T) (began chan string, ended chan struct{}) {
	began, ended = make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		defer close(began)
		shown, err := token.Create("foreign", aliceKey, region, time.Now())
		if err != nil {
			t.Error(err)
			return
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.users.URL+Root+"foreign"+pods+"?watch=1", nil)
		if err != nil {
			t.Error(err)
			return
		}
		r.Header.Set("Authorization", "Bearer "+shown)
		response, err := h.users.Client().Do(r)
		if err != nil {
			t.Error(err)
			return
		}
		defer response.Body.Close()
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			began <- lines.Text()
		}
	}()
	return began, ended
}

func TestNotEntered(t *testing.T) {
	h, f := newHub(t), newForeign(t)
	h.agent(t, f, h.register(t, "foreign"))
	h.await(t, "foreign", "connected", connectedIs(metav1.ConditionTrue))
	for _, test := range []struct {
		name   string
		change func(*http.Request)
		code   int
		text   string
	}{
		{"when there is no token", func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusUnauthorized, "naru token"},
		{"when the token is another cluster's", func(r *http.Request) {
			other, _ := token.Create("other", aliceKey, region, time.Now())
			r.Header.Set("Authorization", "Bearer "+other)
		}, http.StatusUnauthorized, "signature"},
		{"when the token has expired", func(r *http.Request) {
			old, _ := token.Create("foreign", aliceKey, region, time.Now().Add(-time.Hour))
			r.Header.Set("Authorization", "Bearer "+old)
		}, http.StatusUnauthorized, ""},
		{"when the caller would be somebody else", func(r *http.Request) { r.Header.Set("Impersonate-Group", "system:masters") }, http.StatusBadRequest, "impersonated"},
		{"when the policies do not allow it", func(*http.Request) { h.mu.Lock(); h.refused = true; h.mu.Unlock() }, http.StatusForbidden, "eks:AccessKubernetesApi"},
	} {
		t.Run(test.name+", nothing reaches the cluster", func(t *testing.T) {
			before := len(f.asked)
			code, body := h.get(t, "foreign", pods, test.change)
			if code != test.code || !strings.Contains(body, test.text) || !strings.Contains(body, `"kind":"Status"`) {
				t.Errorf("%d, %s", code, body)
			}
			if len(f.asked) != before {
				t.Error("the cluster was asked")
			}
		})
	}
}

func TestNotActivated(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	cluster := func(change func(*v1alpha1.ConnectedCluster)) *v1alpha1.ConnectedCluster {
		c := &v1alpha1.ConnectedCluster{Spec: v1alpha1.ConnectedClusterSpec{Activation: v1alpha1.Activation{CodeHash: connector.CodeHash("code"), Expires: metav1.NewTime(now.Add(time.Hour))}}}
		c.Name = "foreign"
		change(c)
		return c
	}
	for _, test := range []struct {
		name, code string
		change     func(*v1alpha1.ConnectedCluster)
		already    bool
		want       string
	}{
		{"when the code is right, the agent is admitted", "code", func(*v1alpha1.ConnectedCluster) {}, false, ""},
		{"when the agent has not heard the answer, it is told again", "code", func(c *v1alpha1.ConnectedCluster) { c.Status.AgentKey = "mine" }, true, ""},
		{"when the code is wrong, nothing is told", "guess", func(c *v1alpha1.ConnectedCluster) { c.Status.AgentKey = "mine" }, false, "no cluster is registered"},
		{"when another agent has used the code, it is refused", "code", func(c *v1alpha1.ConnectedCluster) { c.Status.AgentKey = "another" }, false, "used already"},
		{"when the code has expired, it is refused", "code", func(c *v1alpha1.ConnectedCluster) { c.Spec.Activation.Expires = metav1.NewTime(now) }, false, "has expired"},
		{"when the cluster is on its way out, it is unknown", "code", func(c *v1alpha1.ConnectedCluster) { c.DeletionTimestamp = &metav1.Time{Time: now} }, false, "no cluster is registered"},
	} {
		t.Run(test.name, func(t *testing.T) {
			already, err := admit(cluster(test.change), test.code, "mine", now)
			said := ""
			if err != nil {
				said = err.Error()
			}
			if already != test.already || (test.want == "") != (said == "") || !strings.Contains(said, test.want) {
				t.Errorf("already %t, %q", already, said)
			}
		})
	}
}

func TestExpired(t *testing.T) {
	h, f := newHub(t), newForeign(t)
	shown := h.register(t, "foreign")
	h.mu.Lock()
	h.clock = 4 * 24 * time.Hour
	h.mu.Unlock()
	h.agent(t, f, shown)
	deadline := time.Now().Add(patience)
	for !strings.Contains(h.said(), "has expired") {
		if time.Now().After(deadline) {
			t.Fatalf("the audit log says %s", h.said())
		}
		<-time.After(10 * time.Millisecond)
	}
	cluster, err := h.Backend.ConnectedCluster(t.Context(), "foreign")
	if err != nil || cluster.Status.AgentKey != "" || len(cluster.Status.Conditions) != 0 {
		t.Errorf("when the code has expired, nothing is changed: %+v, %v", cluster.Status, err)
	}
}

func TestAgentsWithoutCertificate(t *testing.T) {
	h := newHub(t)
	for _, r := range []*http.Request{httptest.NewRequest(http.MethodGet, connector.TunnelPath, nil), httptest.NewRequest(http.MethodPost, connector.ActivatePath, strings.NewReader("{}"))} {
		w := httptest.NewRecorder()
		h.Agents().ServeHTTP(w, r)
		if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "client certificate") {
			t.Errorf("%s: %d, %s", r.URL.Path, w.Code, w.Body)
		}
	}
}

func TestSweep(t *testing.T) {
	h := newHub(t)
	h.register(t, "foreign")
	cluster, err := h.Backend.ConnectedCluster(t.Context(), "foreign")
	if err != nil {
		t.Fatal(err)
	}
	observed(cluster, connector.Observation{Version: "v1.35.2"}, nil)
	if err := h.Client.Status().Update(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	h.sweep(t.Context())
	if cluster, err = h.Backend.ConnectedCluster(t.Context(), "foreign"); err != nil || !connectedIs(metav1.ConditionFalse)(cluster) {
		t.Errorf("when a process that was killed has left a status, the next one corrects it: %+v, %v", cluster.Status, err)
	}
}
