package base

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/internal/kube/apply"
	"naru.dev/naru/internal/registry"
	"naru.dev/naru/internal/standalone/layout"
)

// Secrets of the registry.
const (
	registryCA   = "registry-ca"
	registryTLS  = "registry-tls"
	registryAuth = "registry-auth"
	// RegistryUser is who pushes.
	RegistryUser = "naru"
)

const (
	caLife   = 10 * 365 * 24 * time.Hour
	leafLife = 365 * 24 * time.Hour
	// renewBefore leaves months in which some `naru up` renews the certificate.
	renewBefore = 120 * 24 * time.Hour
)

// EnsureRegistryCredentials makes the registry's CA, certificate and password
// where they are missing or near their end, puts the CA where hosts trust it
// and returns a checksum that changes with what the registry has to reload.
func EnsureRegistryCredentials(ctx context.Context, c client.Client, state layout.State, now time.Time) (string, error) {
	ca, err := ensureSecret(ctx, c, registryCA, func(old map[string][]byte) (map[string][]byte, error) {
		if usable(old[corev1.TLSCertKey], nil, now) {
			return old, nil
		}
		return newCA(now)
	})
	if err != nil {
		return "", err
	}
	leaf, err := ensureSecret(ctx, c, registryTLS, func(old map[string][]byte) (map[string][]byte, error) {
		if usable(old[corev1.TLSCertKey], ca[corev1.TLSCertKey], now) {
			return old, nil
		}
		return newLeaf(ca, now)
	})
	if err != nil {
		return "", err
	}
	password, err := ensurePassword(state)
	if err != nil {
		return "", err
	}
	server, err := ensureSecret(ctx, c, registry.ServerSecret, func(old map[string][]byte) (map[string][]byte, error) {
		own := string(old[registry.ServerPassword])
		if own == "" {
			if own, err = newPassword(); err != nil {
				return nil, err
			}
		}
		return map[string][]byte{registry.ServerPassword: []byte(own), registry.ServerCA: ca[corev1.TLSCertKey]}, nil
	})
	if err != nil {
		return "", err
	}
	auth, err := ensureUsers(ctx, c, []account{
		{RegistryUser, password, bcrypt.DefaultCost},
		{registry.ServerUser, string(server[registry.ServerPassword]), bcrypt.MinCost}, // nobody chose it: it needs no slow hash, which each request would wait for
	})
	if err != nil {
		return "", err
	}
	if err := layout.WriteFile(state.RegistryCA(), ca[corev1.TLSCertKey], 0o644); err != nil {
		return "", err
	}
	sum := sha256.New()
	sum.Write(leaf[corev1.TLSCertKey])
	sum.Write(auth["htpasswd"])
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}

// account is one of the registry's users, and what hashing the password costs.
type account struct {
	user, password string
	cost           int
}

// ensureUsers keeps the registry's list of users.
func ensureUsers(ctx context.Context, c client.Client, accounts []account) (map[string][]byte, error) {
	return ensureSecret(ctx, c, registryAuth, func(old map[string][]byte) (map[string][]byte, error) {
		if matches(old["htpasswd"], accounts) {
			return old, nil
		}
		var list strings.Builder
		for _, a := range accounts {
			hash, err := bcrypt.GenerateFromPassword([]byte(a.password), a.cost)
			if err != nil {
				return nil, fmt.Errorf("hashing the registry's password: %w", err)
			}
			list.WriteString(a.user + ":" + string(hash) + "\n")
		}
		return map[string][]byte{"htpasswd": []byte(list.String())}, nil
	})
}

// ensureSecret keeps a Secret as decide wants it, given what it holds.
func ensureSecret(ctx context.Context, c client.Client, name string, decide func(map[string][]byte) (map[string][]byte, error)) (map[string][]byte, error) {
	var old corev1.Secret
	err := c.Get(ctx, client.ObjectKey{Namespace: Namespace, Name: name}, &old)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading Secret %s: %w", name, err)
	}
	data, err := decide(old.Data)
	if err != nil {
		return nil, err
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: name}, Data: data}
	return data, apply.Typed(ctx, c, secret)
}

func ensurePassword(state layout.State) (string, error) {
	if data, err := os.ReadFile(state.RegistryPassword()); err == nil && len(data) > 0 {
		return strings.TrimSpace(string(data)), nil
	}
	password, err := newPassword()
	if err != nil {
		return "", err
	}
	return password, layout.WriteFile(state.RegistryPassword(), []byte(password+"\n"), 0o600)
}

func newPassword() (string, error) {
	random := make([]byte, 18)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("making a password of the registry: %w", err)
	}
	return hex.EncodeToString(random), nil
}

// matches tells whether an htpasswd file lets these in, and nobody else.
func matches(htpasswd []byte, accounts []account) bool {
	lines := strings.Split(strings.TrimSpace(string(htpasswd)), "\n")
	if len(lines) != len(accounts) {
		return false
	}
	for i, line := range lines {
		user, hash, ok := strings.Cut(line, ":")
		if !ok || user != accounts[i].user || bcrypt.CompareHashAndPassword([]byte(hash), []byte(accounts[i].password)) != nil {
			return false
		}
	}
	return true
}

// usable tells whether a certificate is far from its end and, given a CA, signed by it.
func usable(certificate, ca []byte, now time.Time) bool {
	parsed, err := parseCertificate(certificate)
	if err != nil || now.Add(renewBefore).After(parsed.NotAfter) {
		return false
	}
	if ca == nil {
		return true
	}
	signer, err := parseCertificate(ca)
	return err == nil && parsed.CheckSignatureFrom(signer) == nil
}

func parseCertificate(data []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("parsing certificate: no PEM block")
	}
	return x509.ParseCertificate(block.Bytes)
}

func newCA(now time.Time) (map[string][]byte, error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Naru registry CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(caLife),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	return sign(template, nil, nil)
}

func newLeaf(ca map[string][]byte, now time.Time) (map[string][]byte, error) {
	signer, err := parseCertificate(ca[corev1.TLSCertKey])
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(ca[corev1.TLSPrivateKeyKey])
	if block == nil {
		return nil, fmt.Errorf("parsing the registry CA's key: no PEM block")
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parsing the registry CA's key: %w", err)
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: layout.RegistryHost},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(leafLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{layout.RegistryHost, "localhost", "registry." + Namespace + ".svc", "registry-push." + Namespace + ".svc"},
		IPAddresses: []net.IP{net.ParseIP("127.0.0.1"), net.ParseIP(layout.RegistryAddress)},
	}
	return sign(template, signer, key)
}

// sign makes a key and a certificate for it, self-signed without a signer.
func sign(template, signer *x509.Certificate, signerKey *ecdsa.PrivateKey) (map[string][]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making key: %w", err)
	}
	if signer == nil {
		signer, signerKey = template, key
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, fmt.Errorf("making serial number: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, &key.PublicKey, signerKey)
	if err != nil {
		return nil, fmt.Errorf("signing certificate: %w", err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding key: %w", err)
	}
	return map[string][]byte{
		corev1.TLSCertKey:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		corev1.TLSPrivateKeyKey: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}),
	}, nil
}
