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
	// joined says that the node has joined before: then it waits for nobody.
	joined bool
}

// versions is the least that takes an identity, and no rights: the list of the API's versions.
const versions = "/api"

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

// allowed returns nil once the API lets the user of a kubeconfig read a path: a cluster that is being made knows its users and their
// rights some time after it answers, and a process that is refused tries again later and later.
func (c cluster) allowed(kubeconfig, path string) func(context.Context) error {
	return func(ctx context.Context) error {
		if c.joined {
			return nil
		}
		certificate, key, err := identityIn(kubeconfig)
		if err != nil {
			return err
		}
		identity, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			return fmt.Errorf("reading the certificate of %s: %w", kubeconfig, err)
		}
		status, err := c.ask(ctx, path, identity)
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("asking %s%s as the user of %s: status %d", c.server, path, kubeconfig, status)
		}
		return nil
	}
}

// identityIn reads the client certificate, and its key, of a kubeconfig with one user. Both are PEM.
func identityIn(kubeconfig string) (certificate, key []byte, err error) {
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the certificate: %w", err)
	}
	for _, user := range config.AuthInfos {
		certificate, key = user.ClientCertificateData, user.ClientKeyData
	}
	return certificate, key, nil
}

// answers returns nil once the API answers at all.
func (c cluster) answers(ctx context.Context) error {
	if c.joined {
		return nil
	}
	_, err := c.ask(ctx, versions)
	return err
}

// ask reads a path as who the identities say, if any.
func (c cluster) ask(ctx context.Context, path string, identities ...tls.Certificate) (status int, err error) {
	authority, err := os.ReadFile(c.files.clientCA)
	if err != nil {
		return 0, fmt.Errorf("reading the cluster's authority: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, Certificates: identities}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server+path, nil)
	if err != nil {
		return 0, fmt.Errorf("asking %s: %w", c.server, err)
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
