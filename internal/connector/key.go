package connector

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// What the Secret holds: the key, and the activation that it was made for.
const (
	keyKey        = "key.pem"
	activationKey = "activation"
)

// keys is where an agent's key is kept, so that it outlives the pod.
type keys struct {
	secrets corev1client.SecretInterface
	name    string
}

// certificate is what the agent shows. The key is the one that was made for the activation; for another one it is made, and
// kept before anybody sees it.
func (k keys) certificate(ctx context.Context, activation string) (tls.Certificate, error) {
	secret, err := k.secrets.Get(ctx, k.name, metav1.GetOptions{})
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("reading the agent's key (the manifest makes its Secret): %w", err)
	}
	if string(secret.Data[activationKey]) == activation {
		if key, err := parseKey(secret.Data[keyKey]); err == nil {
			return selfSigned(key)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("encoding the agent's key: %w", err)
	}
	secret.Data = map[string][]byte{activationKey: []byte(activation), keyKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})}
	if _, err := k.secrets.Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		return tls.Certificate{}, fmt.Errorf("keeping the agent's key: %w", err)
	}
	return selfSigned(key)
}

func parseKey(data []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("parsing the agent's key: no PEM block")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parsing the agent's key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("parsing the agent's key: it is a %T", parsed)
	}
	return key, nil
}

// selfSigned is a certificate that says nothing but the key: naru server knows that, and asks for nothing else.
func selfSigned(key *ecdsa.PrivateKey) (tls.Certificate, error) {
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "naru connector"}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making the agent's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
