// Package pki decides which certificates and kubeconfigs a control plane has, and makes them. It
// reads and writes nothing: the caller keeps Material in Secrets and passes the time in.
package pki

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

const (
	// CALifetime is how long an authority is valid. Authorities are not renewed by themselves: see Authorities.
	CALifetime = 10 * 365 * 24 * time.Hour
	// LeafLifetime is how long other certificates are valid that say nothing else.
	LeafLifetime = 365 * 24 * time.Hour
	// clockSkew is how far a certificate's start lies back, for machines whose clock is late.
	clockSkew = 5 * time.Minute
)

// Material is a certificate and its key, both PEM.
type Material struct {
	Certificate []byte
	Key         []byte
}

// Usage says which end of a connection a certificate is for.
type Usage int

// Usages.
const (
	Client Usage = 1 << iota
	Server
)

// Leaf is what a certificate that an authority signs has to say.
type Leaf struct {
	CommonName   string
	Organization []string
	DNSNames     []string
	IPs          []net.IP
	Usage        Usage
	// Life is how long it is valid; 0: LeafLifetime.
	Life time.Duration
}

// NewCA makes a self-signed authority.
func NewCA(commonName string, now time.Time) (Material, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(CALifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	return sign(template, nil)
}

// Issue makes a new key and a certificate for it, signed by ca. Its end is never after the authority's.
func Issue(ca Material, leaf Leaf, now time.Time) (Material, error) {
	parent, err := parsePair(ca)
	if err != nil {
		return Material{}, fmt.Errorf("reading the authority: %w", err)
	}
	end := now.Add(cmp.Or(leaf.Life, LeafLifetime))
	if end.After(parent.certificate.NotAfter) {
		end = parent.certificate.NotAfter
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: leaf.CommonName, Organization: leaf.Organization},
		NotBefore:   now.Add(-clockSkew),
		NotAfter:    end,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		DNSNames:    leaf.DNSNames,
		IPAddresses: leaf.IPs,
	}
	if leaf.Usage&Client != 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	if leaf.Usage&Server != 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	return sign(template, parent)
}

type pair struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func sign(template *x509.Certificate, parent *pair) (Material, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Material{}, fmt.Errorf("generating a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return Material{}, fmt.Errorf("generating a serial number: %w", err)
	}
	template.SerialNumber = serial
	if parent == nil {
		parent = &pair{certificate: template, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.certificate, key.Public(), parent.key)
	if err != nil {
		return Material{}, fmt.Errorf("signing the certificate of %s: %w", template.Subject.CommonName, err)
	}
	encoded, err := encodeKey(key)
	if err != nil {
		return Material{}, err
	}
	return Material{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:         encoded,
	}, nil
}

// NewSigningKey makes the key pair that service-account tokens are signed with: the private and
// the public half, both PEM.
func NewSigningKey() (private, public []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("generating a key: %w", err)
	}
	if private, err = encodeKey(key); err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a public key: %w", err)
	}
	return private, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

func parsePair(m Material) (*pair, error) {
	certificate, err := Parse(m.Certificate)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(m.Key)
	if block == nil {
		return nil, errors.New("the key is no PEM")
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the key: %w", err)
	}
	if !key.PublicKey.Equal(certificate.PublicKey) {
		return nil, errors.New("the key does not belong to the certificate")
	}
	return &pair{certificate: certificate, key: key}, nil
}

// Parse reads the first certificate of a PEM file.
func Parse(data []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("the certificate is no PEM")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	return certificate, nil
}
