// Package authenticator answers the API servers of all clusters: who a token belongs to, and what access policies
// allow. It only reads: access keys, users and roles, and the access entries of the cluster that asks.
package authenticator

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/token"
)

// Options are what the webhooks work with.
type Options struct {
	// Entries reads access entries. A key or an entry that was taken away stops working as soon as it sees that.
	Entries client.Reader
	// Credentials know the secrets.
	Credentials iam.Credentials
	// Hosts are names, with ports, that Naru's own STS is reached by.
	Hosts []string
	// Now is the clock.
	Now func() time.Time
	// Report hears of errors that are Naru's own.
	Report func(error)
	// Records write down what came of tokens.
	Records *Records
}

// clusterName is what a cluster may be called, so that nothing else gets into a namespace's name.
var clusterName = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$`)

// Path is the root of a cluster's webhooks, which are token.AuthenticatePath and token.AuthorizePath below it.
func Path(cluster string) string { return "/clusters/" + cluster }

// NewHandler serves the webhooks of all clusters. A token is good for the cluster in its path only, as its signature says,
// and only who shows the certificate of that cluster's API servers is answered; that it is a good one the TLS server has checked.
func NewHandler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /clusters/{cluster}/{webhook}", func(w http.ResponseWriter, r *http.Request) {
		cluster := r.PathValue("cluster")
		if !clusterName.MatchString(cluster) {
			http.NotFound(w, r)
			return
		}
		if !shows(r, v1alpha1.AuthenticatorClient(cluster)) {
			http.Error(w, "the certificate is not that of this cluster's API servers", http.StatusForbidden)
			return
		}
		hook := &token.Webhook{
			Verifier: &token.Verifier{Cluster: cluster, Hosts: o.Hosts, Credentials: o.Credentials, Now: o.Now},
			Entries:  entries{reader: o.Entries, cluster: cluster}, Report: o.Report, Record: o.Records.Of(r.Context(), cluster),
		}
		http.StripPrefix(Path(cluster), hook.Handler()).ServeHTTP(w, r)
	})
	return mux
}

// shows tells whether a request came with a certificate of that name.
func shows(r *http.Request, name string) bool {
	return r.TLS != nil && len(r.TLS.PeerCertificates) > 0 && r.TLS.PeerCertificates[0].Subject.CommonName == name
}

// entries are those of one cluster.
type entries struct {
	reader  client.Reader
	cluster string
}

// Entry implements token.Entries.
func (e entries) Entry(ctx context.Context, principal string) (token.Entry, bool, error) {
	object := &v1alpha1.AccessEntry{}
	err := e.reader.Get(ctx, client.ObjectKey{Namespace: v1alpha1.Namespace(e.cluster), Name: v1alpha1.AccessEntryName(principal)}, object)
	if apierrors.IsNotFound(err) || err == nil && (object.Spec.PrincipalARN != principal || object.DeletionTimestamp != nil) {
		return token.Entry{}, false, nil
	}
	if err != nil {
		return token.Entry{}, false, fmt.Errorf("reading an access entry of cluster %q: %w", e.cluster, err)
	}
	return FromObject(object), true, nil
}

// FromObject is an access entry as package token decides by it.
func FromObject(object *v1alpha1.AccessEntry) token.Entry {
	entry := token.Entry{Principal: object.Spec.PrincipalARN, Type: object.Spec.Type, Username: object.Spec.Username, Groups: object.Spec.KubernetesGroups}
	for _, association := range object.Spec.Policies {
		// A scope of type namespace without namespaces is refused by the kind; it must not become the whole cluster.
		if association.Scope.Type == "namespace" && len(association.Scope.Namespaces) == 0 {
			continue
		}
		entry.Policies = append(entry.Policies, token.Association{Policy: association.Policy, Namespaces: association.Scope.Namespaces})
	}
	return entry
}
