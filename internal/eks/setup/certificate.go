package setup

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
	"log/slog"
	"math/big"
	"net"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const (
	caLife      = 10 * 365 * 24 * time.Hour
	leafLife    = 365 * 24 * time.Hour
	renewBefore = 60 * 24 * time.Hour
	// look is how often the Secret is read again: that soon a certificate that somebody put there is used.
	look = time.Minute
	// caSigner is the key of the CA in the Secret. A Secret without it is somebody else's.
	caSigner = "ca.key"
)

// Certificate is the server's, kept in a Secret. Naru makes one for the names, with a CA of its own, and
// renews it. To use another, replace the Secret's tls.crt, tls.key and ca.crt, and take ca.key away.
type Certificate struct {
	*Setup
	// Secret in naru-system that holds it.
	Secret string
	// Names and addresses that clients call the server by.
	Names []string

	current atomic.Pointer[tls.Certificate]
}

// Get returns the certificate, for tls.Config. Keep has to have run.
func (c *Certificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if current := c.current.Load(); current != nil {
		return current, nil
	}
	return nil, fmt.Errorf("there is no certificate yet")
}

// Read makes, renews or reads the certificate once.
func (c *Certificate) Read(ctx context.Context) error {
	secret, err := c.ensure(ctx, c.Secret, c.decide)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return fmt.Errorf("reading the certificate in Secret %s (delete it, and Naru makes another): %w", c.Secret, err)
	}
	c.current.Store(&pair)
	return nil
}

// Keep reads it again and again until ctx ends. While it can't be read, the last one is used.
func (c *Certificate) Keep(ctx context.Context, log *slog.Logger) {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := c.Read(ctx); err != nil && ctx.Err() == nil {
			log.Error("certificate is not up to date", "error", err)
		}
	}
}

// decide says what the Secret is to hold.
func (c *Certificate) decide(have map[string][]byte) (map[string][]byte, error) {
	others := len(have[corev1.TLSCertKey]) > 0 && len(have[caSigner]) == 0
	if others || c.good(have) {
		return have, nil
	}
	now := c.Now()
	ca, err := parse(have[CAKey])
	signer, keyErr := parseKey(have[caSigner])
	caPEM, signerPEM := have[CAKey], have[caSigner]
	if err != nil || keyErr != nil || now.Add(leafLife).After(ca.NotAfter) {
		if ca, signer, caPEM, signerPEM, err = newCA(now); err != nil {
			return nil, err
		}
	}
	leaf, key, err := c.newLeaf(ca, signer, now)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{corev1.TLSCertKey: leaf, corev1.TLSPrivateKeyKey: key, CAKey: caPEM, caSigner: signerPEM}, nil
}

// good tells whether Naru's own certificate has all names and is not near its end.
func (c *Certificate) good(have map[string][]byte) bool {
	leaf, err := parse(have[corev1.TLSCertKey])
	if err != nil || c.Now().Add(renewBefore).After(leaf.NotAfter) {
		return false
	}
	for _, name := range c.Names {
		if leaf.VerifyHostname(name) != nil {
			return false
		}
	}
	_, err = tls.X509KeyPair(have[corev1.TLSCertKey], have[corev1.TLSPrivateKeyKey])
	return err == nil
}

func newCA(now time.Time) (ca *x509.Certificate, signer *ecdsa.PrivateKey, caPEM, signerPEM []byte, err error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Naru server CA"}, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(caLife),
	}
	caPEM, signer, signerPEM, err = sign(template, template, nil)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	ca, err = parse(caPEM)
	return ca, signer, caPEM, signerPEM, err
}

func (c *Certificate) newLeaf(ca *x509.Certificate, signer *ecdsa.PrivateKey, now time.Time) (leaf, key []byte, err error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "naru server"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(leafLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range c.Names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	leaf, _, key, err = sign(template, ca, signer)
	return leaf, key, err
}

// sign makes a key and a certificate for it; without a signer it signs itself.
func sign(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (certificate []byte, key *ecdsa.PrivateKey, keyPEM []byte, err error) {
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, nil, nil, fmt.Errorf("making a key: %w", err)
	}
	if signer == nil {
		signer = key
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return nil, nil, nil, fmt.Errorf("making a serial number: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("signing a certificate: %w", err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("encoding a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), nil
}

func parse(data []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("parsing a certificate: no PEM block")
	}
	return x509.ParseCertificate(block.Bytes)
}

func parseKey(data []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("parsing a key: no PEM block")
	}
	return x509.ParseECPrivateKey(block.Bytes)
}
