package ecr

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/registry"
)

// fresh is how long a password that was read is used: `naru up` may make another one.
const fresh = 30 * time.Second

// Connection reads how the registry of a platform is reached, from the Secret that is for naru server.
type Connection struct {
	Client client.Reader
	Now    func() time.Time

	mu           sync.Mutex
	read         time.Time
	password, ca []byte
	upstream     *Upstream
}

// Connect returns the same upstream for as long as the Secret says the same.
func (c *Connection) Connect(ctx context.Context) (*Upstream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.upstream != nil && c.Now().Sub(c.read) < fresh {
		return c.upstream, nil
	}
	var secret corev1.Secret
	if err := c.Client.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: registry.ServerSecret}, &secret); err != nil {
		return nil, fmt.Errorf("reading how the registry is reached (\"naru up\" makes that): %w", err)
	}
	password, ca := secret.Data[registry.ServerPassword], secret.Data[registry.ServerCA]
	if c.upstream == nil || !bytes.Equal(password, c.password) || !bytes.Equal(ca, c.ca) {
		upstream, err := newUpstream(string(password), ca)
		if err != nil {
			return nil, err
		}
		c.upstream, c.password, c.ca = upstream, password, ca
	}
	c.read = c.Now()
	return c.upstream, nil
}

func newUpstream(password string, ca []byte) (*Upstream, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("reading how the registry is reached: %s in Secret %s holds no certificate", registry.ServerCA, registry.ServerSecret)
	}
	read, err := url.Parse(registry.ReadURL)
	if err != nil {
		return nil, fmt.Errorf("reading how the registry is reached: %w", err)
	}
	write, err := url.Parse(registry.WriteURL)
	if err != nil {
		return nil, fmt.Errorf("reading how the registry is reached: %w", err)
	}
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: longest, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: atOnce,
		DisableCompression: true, // what is stored is what a digest is of
	}
	return &Upstream{Read: read, Write: write, User: registry.ServerUser, Password: password, Transport: transport}, nil
}
