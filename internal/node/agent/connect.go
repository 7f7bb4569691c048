package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// ErrKubeconfigChanged ends an agent whose credentials were renewed: its
// supervisor starts it anew with the new ones.
var ErrKubeconfigChanged = errors.New("the kubeconfig changed") //nolint:gochecknoglobals // sentinel

const (
	// connectEvery is short: a node waits for the agent to become Ready, while
	// the informers' own back-off grows to 30 s.
	connectEvery  = 250 * time.Millisecond
	connectReport = 15 * time.Second
	kubeconfigAge = 30 * time.Second
)

// Connect waits until the kubeconfig exists and its user may watch what the
// agent needs; on a node that is just being made neither is so yet. It returns
// the kubeconfig's content for WatchKubeconfig.
func Connect(ctx context.Context, path string, log *slog.Logger) (kubernetes.Interface, []byte, error) {
	tick := time.NewTicker(connectEvery)
	defer tick.Stop()
	reported := time.Now()
	for {
		client, content, err := connect(ctx, path)
		if err == nil {
			return client, content, nil
		}
		if time.Since(reported) > connectReport {
			reported = time.Now()
			log.Warn("waiting for the API server", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("waiting for the API server: %w", errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

func connect(ctx context.Context, path string) (kubernetes.Interface, []byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading kubeconfig: %w", err)
	}
	// From the file, not from its content: it may name other files beside it.
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading kubeconfig: %w", err)
	}
	config.UserAgent = "naru-agent"
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("making the client: %w", err)
	}
	one := metav1.ListOptions{Limit: 1}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := client.CoreV1().Nodes().List(ctx, one); err != nil {
		return nil, nil, fmt.Errorf("listing nodes: %w", err)
	}
	if _, err := client.NetworkingV1().NetworkPolicies("").List(ctx, one); err != nil {
		return nil, nil, fmt.Errorf("listing network policies: %w", err)
	}
	return client, content, nil
}

// WatchKubeconfig returns ErrKubeconfigChanged when the file's content is no
// longer the given one, and nil when the context ends.
func WatchKubeconfig(ctx context.Context, path string, content []byte) error {
	tick := time.NewTicker(kubeconfigAge)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // Being replaced.
		}
		if err != nil {
			return fmt.Errorf("reading kubeconfig: %w", err)
		}
		if !bytes.Equal(now, content) {
			return ErrKubeconfigChanged
		}
	}
}
