package connector

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// api is what naru server may ask of the agent.
type api struct {
	kube  kubernetes.Interface
	proxy *httputil.ReverseProxy
}

// newAPI answers from the cluster that config reaches.
func newAPI(config *rest.Config, logger *slog.Logger) (http.Handler, error) {
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client of the cluster: %w", err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, fmt.Errorf("making a way to the cluster's API: %w", err)
	}
	server, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("reading the address of the cluster's API: %w", err)
	}
	a := &api{kube: kube, proxy: &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1, Rewrite: rewrite(server),
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			refuse(w, http.StatusBadGateway, "the cluster's API does not answer the agent: "+err.Error())
		},
	}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+ObservationPath, a.observe)
	mux.Handle(ClusterPath+"/", http.StripPrefix(ClusterPath, http.HandlerFunc(a.carry)))
	return mux, nil
}

// rewrite makes a request the cluster's. Of who it is made as only the user is passed on: what that user may do is the
// cluster's to say, and which users the agent may be, as well.
func rewrite(server *url.URL) func(*httputil.ProxyRequest) {
	return func(r *httputil.ProxyRequest) {
		user := r.In.Header.Get(ImpersonateUser)
		r.SetURL(server)
		for name := range r.Out.Header {
			if strings.HasPrefix(name, "Impersonate-") {
				r.Out.Header.Del(name)
			}
		}
		r.Out.Header.Del("Authorization")
		r.Out.Header.Set(ImpersonateUser, user)
	}
}

// carry never lets a request through as the agent itself.
func (a *api) carry(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(ImpersonateUser) == "" {
		refuse(w, http.StatusForbidden, "the agent lends its own rights to nobody: the request does not say who it is made as")
		return
	}
	a.proxy.ServeHTTP(w, r)
}

func (a *api) observe(w http.ResponseWriter, r *http.Request) {
	version, err := a.kube.Discovery().ServerVersion()
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "the cluster's API does not answer the agent: "+err.Error())
		return
	}
	// From the API server's memory: this is asked again and again.
	nodes, err := a.kube.CoreV1().Nodes().List(r.Context(), metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "the agent can't list the cluster's nodes: "+err.Error())
		return
	}
	answer(w, http.StatusOK, observation(version.GitVersion, nodes.Items))
}

func observation(version string, nodes []corev1.Node) Observation {
	o := Observation{Version: version, Nodes: int32(len(nodes))} //nolint:gosec // a cluster has thousands at most
	for _, node := range nodes {
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
				o.ReadyNodes++
			}
		}
	}
	return o
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // who is gone needs no answer
}

func refuse(w http.ResponseWriter, status int, text string) { answer(w, status, Message{Text: text}) }
