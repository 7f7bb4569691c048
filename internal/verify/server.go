package verify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/eks/setup"
	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/standalone/layout"
)

// serverAnswers asks the EKS API for its clusters without a signature: it has to have the certificate that it gives out
// the CA of, and to refuse in its own words.
func serverAnswers(ctx context.Context, c client.Reader) (string, error) {
	secret := &corev1.Secret{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: setup.TLSSecret}, secret); err != nil {
		return "", fmt.Errorf("reading the server's CA: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(secret.Data[setup.CAKey]) {
		return "", fmt.Errorf("secret %s has no CA", setup.TLSSecret)
	}
	return refusesNobody(ctx, fmt.Sprintf("https://127.0.0.1:%d", layout.ServerPort), &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
}

func refusesNobody(ctx context.Context, address string, config *tls.Config) (string, error) {
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/clusters", nil)
	if err != nil {
		return "", fmt.Errorf("asking %s: %w", address, err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return "", fmt.Errorf("asking %s: %w", address, err)
	}
	response.Body.Close()
	if code := response.Header.Get("x-amzn-ErrorType"); response.StatusCode != http.StatusForbidden || code != string(sigv4.MissingAuthenticationToken) {
		return "", fmt.Errorf("%s answered a call that nobody signed with status %d, %q", address, response.StatusCode, code)
	}
	return address, nil
}
