package authenticator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/access"
	"naru.dev/naru/internal/iam/bootstrap"
)

const (
	// retry is how soon what is not there yet is looked for again, look how often what is there: that soon a renewed
	// certificate is shown, and no session of an account that was deleted is taken any more.
	retry = 500 * time.Millisecond
	look  = 5 * time.Second
	// authorityKey of the certificate's Secret is who signs the certificates of API servers.
	authorityKey = "ca.crt"
)

// known is what two Secrets say: the authenticator's certificate, and the account.
type known struct {
	// live reads the Secrets themselves.
	live  client.Reader
	store *iam.Store
	now   func() time.Time

	tls    atomic.Pointer[tls.Config]
	access atomic.Pointer[access.Access]
	// versions of the Secrets that were read last; only read uses them.
	certificate, account string
}

// read takes over what has changed of the Secrets. An account that is gone is forgotten; whatever else goes
// wrong, what was known stays.
func (k *known) read(ctx context.Context) error {
	return errors.Join(k.readCertificate(ctx), k.readAccount(ctx))
}

func (k *known) readCertificate(ctx context.Context) error {
	secret, err := k.secret(ctx, v1alpha1.SecretAuthenticator)
	if err != nil || secret.ResourceVersion == k.certificate {
		return err
	}
	pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return fmt.Errorf("reading the certificate in Secret %s (delete it, and the controller makes another): %w", secret.Name, err)
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(secret.Data[authorityKey]) {
		return fmt.Errorf("reading %s in Secret %s (delete it, and the controller makes another): it holds no certificate", authorityKey, secret.Name)
	}
	k.tls.Store(&tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"},
		Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert,
	})
	k.certificate = secret.ResourceVersion
	return nil
}

func (k *known) readAccount(ctx context.Context) error {
	secret, err := k.secret(ctx, bootstrap.SecretName)
	if apierrors.IsNotFound(err) {
		k.access.Store(nil)
		k.account = ""
	}
	if err != nil || secret.ResourceVersion == k.account {
		return err
	}
	account, err := bootstrap.Load(ctx, k.live)
	if err != nil {
		return err
	}
	identities, err := account.Access(k.store, k.now)
	if err != nil {
		return err
	}
	k.access.Store(identities)
	k.account = secret.ResourceVersion
	return nil
}

func (k *known) secret(ctx context.Context, name string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	if err := k.live.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: name}, secret); err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", name, err)
	}
	return secret, nil
}

// await reads until both are known, or ctx ends.
func (k *known) await(ctx context.Context, log *slog.Logger) error {
	ticker := time.NewTicker(retry)
	defer ticker.Stop()
	for last := ""; ; {
		err := k.read(ctx)
		if err == nil {
			return nil
		}
		if err.Error() != last {
			last = err.Error()
			log.Info("waiting", "for", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for a certificate and the account: %w", err)
		case <-ticker.C:
		}
	}
}

// keep reads again and again until ctx ends.
func (k *known) keep(ctx context.Context, log *slog.Logger) {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := k.read(ctx); err != nil && ctx.Err() == nil {
			log.Error("certificate and account are not up to date", "error", err)
		}
	}
}

// Lookup implements iam.Credentials by the account that there is now.
func (k *known) Lookup(ctx context.Context, accessKeyID, sessionToken string) (iam.Identity, error) {
	identities := k.access.Load()
	if identities == nil {
		return iam.Identity{}, &bootstrap.NotReadyError{}
	}
	return identities.Lookup(ctx, accessKeyID, sessionToken)
}

// config is for tls.Config: each handshake has the newest certificate.
func (k *known) config(*tls.ClientHelloInfo) (*tls.Config, error) {
	if config := k.tls.Load(); config != nil {
		return config, nil
	}
	return nil, errors.New("there is no certificate yet")
}
