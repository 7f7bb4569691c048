package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// connectEvery is short: a node waits for the agent to become Ready, while
	// the informers' own back-off grows to 30 s.
	connectEvery  = 250 * time.Millisecond
	connectReport = 15 * time.Second
)

// Connect waits until the kubeconfig exists and its user may watch what the
// agent needs; on a node that is just being made neither is so yet. The
// kubeconfig is read once: who starts the agent starts it again when it changes.
func Connect(ctx context.Context, path string, log *slog.Logger) (kubernetes.Interface, error) {
	tick := time.NewTicker(connectEvery)
	defer tick.Stop()
	reported := time.Now()
	for {
		client, err := connect(ctx, path)
		if err == nil {
			return client, nil
		}
		if time.Since(reported) > connectReport {
			reported = time.Now()
			log.Warn("waiting for the API server", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the API server: %w", errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

func connect(ctx context.Context, path string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return nil, fmt.Errorf("reading kubeconfig: %w", err)
	}
	config.UserAgent = "naru-agent"
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making the client: %w", err)
	}
	one := metav1.ListOptions{Limit: 1}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := client.CoreV1().Nodes().List(ctx, one); err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	if _, err := client.NetworkingV1().NetworkPolicies("").List(ctx, one); err != nil {
		return nil, fmt.Errorf("listing network policies: %w", err)
	}
	return client, nil
}
