package verify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
)

// certificate is one that was seen, and where.
type certificate struct {
	where string
	leaf  *x509.Certificate
}

// lastPart is the part of a certificate's life at whose beginning it should long have been renewed.
const lastPart = 10

// soonest says which certificate ends first, and fails when that one is in the last tenth of its life.
func soonest(now time.Time, certificates []certificate) (string, error) {
	if len(certificates) == 0 {
		return "", errors.New("there is none")
	}
	first := certificates[0]
	for _, c := range certificates {
		left, life := c.leaf.NotAfter.Sub(now), c.leaf.NotAfter.Sub(c.leaf.NotBefore)
		if left <= 0 {
			return "", fmt.Errorf("%s has ended %s ago", c.where, duration.HumanDuration(-left))
		}
		if left < life/lastPart {
			return "", fmt.Errorf("%s ends in %s and was not renewed", c.where, duration.HumanDuration(left))
		}
		if c.leaf.NotAfter.Before(first.leaf.NotAfter) {
			first = c
		}
	}
	return fmt.Sprintf("%d, the first to end is %s, in %s", len(certificates), first.where, duration.HumanDuration(first.leaf.NotAfter.Sub(now))), nil
}

// servedBy connects to an API server, verifies its certificate, and returns it.
func servedBy(ctx context.Context, config *rest.Config) (*x509.Certificate, error) {
	address, err := url.Parse(config.Host)
	if err != nil {
		return nil, fmt.Errorf("reading the address of the API server: %w", err)
	}
	trust, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, fmt.Errorf("reading the CA of the API server: %w", err)
	}
	if trust.ServerName == "" {
		trust.ServerName = address.Hostname()
	}
	return served(ctx, address.Host, trust)
}

func insecure(serverName string) *tls.Config {
	return &tls.Config{ServerName: serverName, InsecureSkipVerify: true} //nolint:gosec // nothing is sent: the certificate is what is asked for
}

// served connects to an address and returns the certificate that it shows.
func served(ctx context.Context, address string, config *tls.Config) (*x509.Certificate, error) {
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: config}
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", address, err)
	}
	defer connection.Close()
	shown := connection.(*tls.Conn).ConnectionState().PeerCertificates
	if len(shown) == 0 {
		return nil, fmt.Errorf("connecting to %s: it showed no certificate", address)
	}
	return shown[0], nil
}

// stored returns the certificates in a cluster's Secrets, those of its kubeconfigs included.
func (v *Verifier) stored(ctx context.Context, cluster string) ([]certificate, error) {
	secrets := &corev1.SecretList{}
	if err := v.Platform.Client.List(ctx, secrets, client.InNamespace(v1alpha1.Namespace(cluster))); err != nil {
		return nil, fmt.Errorf("listing Secrets: %w", err)
	}
	var found []certificate
	for _, secret := range secrets.Items {
		for _, data := range [][]byte{secret.Data[corev1.TLSCertKey], clientCertificate(secret.Data["kubeconfig"])} {
			if len(data) == 0 {
				continue
			}
			leaf, err := parse(data)
			if err != nil {
				return nil, fmt.Errorf("reading the certificate in Secret %s: %w", secret.Name, err)
			}
			found = append(found, certificate{where: "Secret " + secret.Name, leaf: leaf})
		}
	}
	return found, nil
}

func clientCertificate(kubeconfig []byte) []byte {
	config, err := clientcmd.Load(kubeconfig)
	if err != nil {
		return nil // its users fail by other checks
	}
	for _, user := range config.AuthInfos {
		return user.ClientCertificateData
	}
	return nil
}

func parse(data []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("it is no PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}
