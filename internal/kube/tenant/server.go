package tenant

import (
	"context"
	"fmt"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// ServerMetrics reads the metrics of the API server at an address, as 10.0.0.7:6443: behind a cluster's front one of them
// answers, and each counts and tells only of itself. name is one that its certificate has; config is the cluster's. ctx bounds
// the call.
func ServerMetrics(ctx context.Context, config *rest.Config, address, name string) ([]byte, error) {
	result, err := askServer(ctx, config, address, name, "/metrics")
	if err != nil {
		return nil, err
	}
	content, err := result.Raw()
	if err != nil {
		return nil, fmt.Errorf("asking for metrics: %w", err)
	}
	return content, nil
}

// ServerAnswers says whether the API server at an address answers requests, be it that it isn't ready yet. The arguments are
// those of ServerMetrics.
func ServerAnswers(ctx context.Context, config *rest.Config, address, name string) bool {
	result, err := askServer(ctx, config, address, name, "/readyz")
	status := 0
	result.StatusCode(&status)
	return err == nil && status > 0
}

// askServer asks one API server, once.
func askServer(ctx context.Context, config *rest.Config, address, name, path string) (rest.Result, error) {
	direct := rest.CopyConfig(config)
	direct.Host, direct.ServerName = "https://"+address, name
	web, err := rest.HTTPClientFor(direct)
	if err != nil {
		return rest.Result{}, fmt.Errorf("making a client: %w", err)
	}
	defer web.CloseIdleConnections() // the next one that is asked may be another, at the same address
	asker, err := discovery.NewDiscoveryClientForConfigAndClient(direct, web)
	if err != nil {
		return rest.Result{}, fmt.Errorf("making a client: %w", err)
	}
	return asker.RESTClient().Get().AbsPath(path).MaxRetries(0).Do(ctx), nil
}
