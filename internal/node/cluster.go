package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

// askTimeout is longer than a working API server ever takes for an answer of a few bytes.
const askTimeout = 2 * time.Second

// cluster is the API that a worker waits for: a machine may start before the control plane does.
type cluster struct {
	server string
	files  credentials
}

// sharedFor is how long one answer serves all who wait for the same.
const sharedFor = 100 * time.Millisecond

// shared asks once for all processes that wait for the same: each would make a connection of its own several times a second, to
// servers that are just starting.
func shared(ask func(context.Context) error) func(context.Context) error {
	var mu sync.Mutex
	var answer error
	var until time.Time
	return func(ctx context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if !time.Now().Before(until) {
			answer = ask(ctx)
			until = time.Now().Add(sharedFor)
		}
		return answer
	}
}

// joinable returns nil once the API takes the token that the kubelet joins with, and at once where the kubelet has
// joined before. The cluster has what a node needs by then: what comes earlier ends, and is started again later and later.
func (c cluster) joinable(ctx context.Context) error {
	if exists(c.files.kubelet) {
		return nil
	}
	config, err := clientcmd.LoadFromFile(c.files.kubeletBootstrap)
	if err != nil {
		return fmt.Errorf("reading the token: %w", err)
	}
	for _, user := range config.AuthInfos {
		status, err := c.ask(ctx, user.Token)
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("asking %s with the token: status %d", c.server, status)
		}
	}
	return nil
}

// answers returns nil once the API answers at all, and at once where the kubelet has joined before.
func (c cluster) answers(ctx context.Context) error {
	if exists(c.files.kubelet) {
		return nil
	}
	_, err := c.ask(ctx, "")
	return err
}

// ask sends the least that takes an identity: the list of the API's versions.
func (c cluster) ask(ctx context.Context, token string) (status int, err error) {
	authority, err := os.ReadFile(c.files.clientCA)
	if err != nil {
		return 0, fmt.Errorf("reading the cluster's authority: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server+"/api", nil)
	if err != nil {
		return 0, fmt.Errorf("asking %s: %w", c.server, err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := (&http.Client{Transport: transport, Timeout: askTimeout}).Do(request)
	if err != nil {
		return 0, fmt.Errorf("asking %s: %w", c.server, err)
	}
	response.Body.Close()
	return response.StatusCode, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
