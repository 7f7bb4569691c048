package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"naru.dev/naru/api/v1alpha1"
)

// clusters are all that there are; nil: they can't be read.
type clusters []v1alpha1.Cluster

func (c clusters) Clusters(context.Context) ([]v1alpha1.Cluster, error) {
	if c == nil {
		return nil, errors.New("down")
	}
	return c, nil
}

const url = "https://127.0.0.1:6441/id/AA"

func known() clusters {
	one, young := v1alpha1.Cluster{}, v1alpha1.Cluster{}
	one.Status.Issuer = v1alpha1.ClusterIssuer{URL: url, Keys: `{"keys":[]}`}
	return clusters{young, one}
}

func TestDiscovery(t *testing.T) {
	for _, test := range []struct {
		name     string
		clusters clusters
		path     string
		status   int
	}{
		{"when a cluster has the issuer, it is told", known(), "/id/AA/.well-known/openid-configuration", http.StatusOK},
		{"when its keys are asked for, they are told", known(), "/id/AA/keys", http.StatusOK},
		{"when no cluster has it, there is nothing", known(), "/id/BB/keys", http.StatusNotFound},
		{"when only the end is right, there is nothing", known(), "/id/A/keys", http.StatusNotFound},
		{"when something else is asked for, there is nothing", known(), "/id/AA", http.StatusNotFound},
		{"when clusters can't be read, it is to be tried again", nil, "/id/AA/keys", http.StatusServiceUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			Issuers{Clusters: test.clusters, Log: slog.New(slog.DiscardHandler)}.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, test.path, nil))
			if recorder.Code != test.status {
				t.Fatalf("got %d %s, want %d", recorder.Code, recorder.Body, test.status)
			}
			var found discovery
			if test.status == http.StatusOK && json.Unmarshal(recorder.Body.Bytes(), &found) != nil {
				t.Errorf("got %s", recorder.Body)
			}
			if found.Issuer != "" && (found.Issuer != url || found.Keys != url+"/keys") {
				t.Errorf("got %+v", found)
			}
		})
	}
}

func TestKeys(t *testing.T) {
	issuers := Issuers{Clusters: known(), Log: slog.New(slog.DiscardHandler)}
	if keys, err := issuers.Keys(t.Context(), url); err != nil || keys != `{"keys":[]}` {
		t.Errorf("when it is a cluster's, there are keys: %q, %v", keys, err)
	}
	for _, other := range []string{"", "https://127.0.0.1:6441/id/BB", "https://evil.example/id/AA"} {
		if keys, err := issuers.Keys(t.Context(), other); err != nil || keys != "" {
			t.Errorf("when it is %q, there are none: %q, %v", other, keys, err)
		}
	}
}
