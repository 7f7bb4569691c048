// Package issuer serves the OpenID Connect discovery of clusters: who verifies the token of a service account finds the keys by
// the token's issuer. All of it is public. See https://openid.net/specs/openid-connect-discovery-1_0.html
package issuer

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/podroles"
)

// Clusters lists clusters, from memory.
type Clusters interface {
	Clusters(ctx context.Context) ([]v1alpha1.Cluster, error)
}

// Issuers knows the issuers of all clusters.
type Issuers struct {
	Clusters Clusters
	Log      *slog.Logger
}

// Keys is the key set of the cluster whose tokens have this issuer; empty where there is none.
func (i Issuers) Keys(ctx context.Context, issuer string) (string, error) {
	return i.find(ctx, func(known v1alpha1.ClusterIssuer) bool { return known.URL == issuer }, func(known v1alpha1.ClusterIssuer) string { return known.Keys })
}

func (i Issuers) find(ctx context.Context, is func(v1alpha1.ClusterIssuer) bool, take func(v1alpha1.ClusterIssuer) string) (string, error) {
	clusters, err := i.Clusters.Clusters(ctx)
	if err != nil {
		return "", err
	}
	for _, cluster := range clusters {
		if known := cluster.Status.Issuer; known.URL != "" && known.Keys != "" && is(known) {
			return take(known), nil
		}
	}
	return "", nil
}

// discovery is the document at the well-known place, as EKS has it.
type discovery struct {
	Issuer        string   `json:"issuer"`
	Keys          string   `json:"jwks_uri"`
	Authorization string   `json:"authorization_endpoint"`
	ResponseTypes []string `json:"response_types_supported"`
	SubjectTypes  []string `json:"subject_types_supported"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	Claims        []string `json:"claims_supported"`
}

// Handler serves <issuer>/.well-known/openid-configuration and <issuer>/keys.
func (i Issuers) Handler() http.Handler {
	mux := http.NewServeMux()
	path := "GET " + podroles.IssuerPath + "{id}"
	mux.HandleFunc(path+"/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		i.serve(w, r, func(known v1alpha1.ClusterIssuer) string {
			text, err := json.Marshal(discovery{
				Issuer: known.URL, Keys: known.URL + "/keys", Authorization: "urn:kubernetes:programmatic_authorization",
				ResponseTypes: []string{"id_token"}, SubjectTypes: []string{"public"}, Algorithms: []string{"ES256"}, Claims: []string{"sub", "iss"},
			})
			if err != nil {
				return "" // strings can always be encoded
			}
			return string(text)
		})
	})
	mux.HandleFunc(path+"/keys", func(w http.ResponseWriter, r *http.Request) {
		i.serve(w, r, func(known v1alpha1.ClusterIssuer) string { return known.Keys })
	})
	return mux
}

func (i Issuers) serve(w http.ResponseWriter, r *http.Request, take func(v1alpha1.ClusterIssuer) string) {
	id := r.PathValue("id")
	text, err := i.find(r.Context(), func(known v1alpha1.ClusterIssuer) bool { return strings.HasSuffix(known.URL, podroles.IssuerPath+id) }, take)
	switch {
	case err != nil:
		i.Log.Error("discovery failed", "error", err)
		http.Error(w, "clusters can't be read at the moment: try again", http.StatusServiceUnavailable)
	case text == "":
		http.Error(w, "no cluster has this issuer", http.StatusNotFound)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write([]byte(text)) // a client that is gone needs no answer
	}
}
