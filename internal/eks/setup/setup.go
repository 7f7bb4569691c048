// Package setup makes the certificate that naru server needs before it can answer. What is there is kept; what somebody else
// put there is used as it is.
package setup

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
)

// Secrets in naru-system.
const (
	// TLSSecret holds the server's certificate and key; CAKey in it is what clients have to trust.
	TLSSecret = "naru-server-tls"
	CAKey     = "ca.crt"
)

// Setup works on Secrets with a client that reads from the API server itself.
type Setup struct {
	Client client.Client
	Now    func() time.Time
}

// ensure keeps a Secret as decide wants it, given what it holds. Of several that write at once, one wins and the
// others take what it wrote.
func (s *Setup) ensure(ctx context.Context, name string, decide func(map[string][]byte) (map[string][]byte, error)) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := s.Client.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: name}, secret)
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return nil, fmt.Errorf("reading Secret %s: %w", name, err)
	}
	data, err := decide(secret.Data)
	if err != nil {
		return nil, err
	}
	switch {
	case missing:
		secret = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: name}, Data: data}
		err = s.Client.Create(ctx, secret)
	case !same(secret.Data, data):
		secret.Data = data
		err = s.Client.Update(ctx, secret)
	}
	if apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) {
		err = s.Client.Get(ctx, client.ObjectKeyFromObject(secret), secret)
	}
	if err != nil {
		return nil, fmt.Errorf("writing Secret %s: %w", name, err)
	}
	return secret, nil
}

func same(a, b map[string][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for key, value := range a {
		if string(b[key]) != string(value) {
			return false
		}
	}
	return true
}
