package connector

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"log/slog"
)

func TestCarried(t *testing.T) {
	var asked []http.Header
	cluster := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Clone())
		_, _ = w.Write([]byte(r.URL.RequestURI()))
	}))
	defer cluster.Close()
	agent, err := newAPI(&rest.Config{Host: cluster.URL, BearerToken: "own"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	send := func(path string, headers map[string]string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		for name, value := range headers {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		agent.ServeHTTP(w, r)
		return w
	}
	t.Run("when a request says who it is made as, it goes on as that user and no more", func(t *testing.T) {
		w := send("/cluster/api/v1/pods?limit=1", map[string]string{"Impersonate-User": "alice", "Impersonate-Group": "system:masters", "Impersonate-Extra-Scopes": "all", "Authorization": "Bearer hers"})
		if w.Code != http.StatusOK || w.Body.String() != "/api/v1/pods?limit=1" || len(asked) != 1 {
			t.Fatalf("%d, %s", w.Code, w.Body)
		}
		got := asked[0]
		if got.Get("Impersonate-User") != "alice" || got.Get("Authorization") != "Bearer own" || got.Get("Impersonate-Group") != "" || got.Get("Impersonate-Extra-Scopes") != "" {
			t.Errorf("it has %v", got)
		}
	})
	t.Run("when a request does not say so, it goes nowhere", func(t *testing.T) {
		w := send("/cluster/api/v1/secrets", nil)
		if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "lends its own rights to nobody") || len(asked) != 1 {
			t.Errorf("%d, %s", w.Code, w.Body)
		}
	})
	t.Run("when something else is asked of the agent, there is nothing", func(t *testing.T) {
		if w := send("/api/v1/secrets", map[string]string{"Impersonate-User": "alice"}); w.Code != http.StatusNotFound || len(asked) != 1 {
			t.Errorf("%d, %s", w.Code, w.Body)
		}
	})
}
