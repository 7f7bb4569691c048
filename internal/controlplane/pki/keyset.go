package pki

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// KeySet is the JSON Web Key Set of a public key that service account tokens are signed with. The key's id is the one that
// API servers write into tokens: keyIDFromPublicKey in k8s.io/kubernetes pkg/serviceaccount/jwt.go.
func KeySet(public []byte) ([]byte, error) {
	block, _ := pem.Decode(public)
	if block == nil {
		return nil, errors.New("reading the service account key: it is no PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the service account key: %w", err)
	}
	sum := sha256.Sum256(block.Bytes)
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{
		Key: key, KeyID: base64.RawURLEncoding.EncodeToString(sum[:]), Algorithm: string(jose.ES256), Use: "sig",
	}}}
	encoded, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("encoding the service account key: %w", err)
	}
	return encoded, nil
}
