package authenticator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam/store"
	"naru.dev/naru/internal/kube/consistent"
	"naru.dev/naru/internal/platform"
)

const (
	// patience with an API server, which itself waits for three seconds.
	patience = 10 * time.Second
	idle     = 2 * time.Minute
	// leave is how long it still answers when it is told to stop: until nobody is sent here any more.
	leave    = 3 * time.Second
	farewell = 10 * time.Second
)

// Settings are what Run depends on.
type Settings struct {
	// Hosting is the connection to the hosting cluster.
	Hosting *rest.Config
	// Hosts are names that Naru's own STS is reached by, as Options has them.
	Hosts []string
	// Webhooks is where API servers ask, Health where the kubelet does. Run closes both.
	Webhooks, Health net.Listener
	Log              *slog.Logger
	// Out is where what came of tokens is written, beside Log.
	Out io.Writer
}

// Run answers API servers until ctx ends. It begins as soon as it has everything in memory, and from then on needs nobody:
// neither naru server, nor, for what does not change, the hosting cluster's API.
func Run(ctx context.Context, s Settings) error {
	defer s.Webhooks.Close()
	var ready atomic.Bool
	health := &http.Server{Handler: healthHandler(&ready), ReadTimeout: patience, WriteTimeout: patience}
	go func() { _ = health.Serve(s.Health) }() // it ends with Close
	defer health.Close()
	hosting, err := consistent.Client(ctx, s.Hosting, platform.NewScheme(), kinds())
	if err != nil {
		return err
	}
	live, err := platform.NewClient(s.Hosting)
	if err != nil {
		return err
	}
	secrets := &known{live: live, store: store.New(hosting), now: time.Now}
	if err := secrets.await(ctx, s.Log); err != nil {
		return err
	}
	go secrets.keep(ctx, s.Log)
	report := func(err error) { s.Log.Error("review failed", "error", err) }
	handler := NewHandler(Options{Entries: hosting, Credentials: secrets, Hosts: s.Hosts, Now: time.Now,
		Report: report, Records: NewRecords(hosting, s.Out, report)})
	ready.Store(true)
	s.Log.Info("serving", "address", s.Webhooks.Addr().String())
	return serve(ctx, s.Webhooks, newServer(handler, secrets.config), &ready)
}

// newServer speaks HTTP/1.1: a connection to it that is broken is given up with the request on it, while in HTTP/2 the
// requests behind it would go the same way.
func newServer(handler http.Handler, config func(*tls.ClientHelloInfo) (*tls.Config, error)) *http.Server {
	server := &http.Server{
		Handler: handler, ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: idle, MaxHeaderBytes: 16 << 10,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: config},
		// Whoever connects without a certificate could fill the log; reviews that fail are reported by themselves.
		ErrorLog:  log.New(io.Discard, "", 0),
		Protocols: &http.Protocols{},
	}
	server.Protocols.SetHTTP1(true)
	return server
}

// serve ends some time after ctx, when those who ask have gone elsewhere.
func serve(ctx context.Context, listener net.Listener, server *http.Server, ready *atomic.Bool) error {
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		ready.Store(false)
		time.AfterFunc(leave, func() {
			ctx, cancel := context.WithTimeout(context.Background(), farewell)
			defer cancel()
			stopped <- server.Shutdown(ctx)
		})
	})
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return <-stopped
}

func healthHandler(ready *atomic.Bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !ready.Load() {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
		}
	})
	return mux
}

// kinds are what it keeps in memory.
func kinds() map[client.Object]cache.ByObject {
	kept := map[client.Object]cache.ByObject{}
	for _, kind := range []client.Object{&v1alpha1.Cluster{}, &v1alpha1.AccessEntry{}, &v1alpha1.IAMUser{}, &v1alpha1.IAMRole{}, &v1alpha1.IAMPolicy{}} {
		kept[kind] = cache.ByObject{Transform: cache.TransformStripManagedFields()}
	}
	// Of Secrets only access keys: the two others are read by name.
	kept[&corev1.Secret{}] = cache.ByObject{
		Namespaces: map[string]cache.Config{v1alpha1.SystemNamespace: {LabelSelector: labels.SelectorFromSet(labels.Set(store.KeyLabels()))}},
	}
	return kept
}
