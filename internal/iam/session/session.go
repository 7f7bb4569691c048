// Package session makes temporary credentials that nothing is stored of: the session token holds everything,
// encrypted with a root key, and the secret follows from the root key and the access key id. So every replica that
// has the root key verifies what any other gave out. It is pure.
package session

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"naru.dev/naru/internal/iam"
)

// RootKeyBytes is how long a root key is.
const RootKeyBytes = 32

// maxToken is more than any token that was sealed has: a longer one is not even decrypted.
const (
	maxToken = 16 << 10
	maxClaim = 64 << 10
)

// Claims are what a session token says.
type Claims struct {
	// Principal is the ARN of the role, or of the user who asked for a token of her own; PrincipalID its unique id.
	Principal   string `json:"p"`
	PrincipalID string `json:"i"`
	// Name of a role's session; empty for a user's.
	Name string `json:"n,omitempty"`
	// Tags and TransitiveTagKeys of the session.
	Tags              map[string]string `json:"t,omitempty"`
	TransitiveTagKeys []string          `json:"k,omitempty"`
	// Policies bound the session.
	Policies []string `json:"b,omitempty"`
	// PolicyARNs bound it as well: managed policies, read at the time of use.
	PolicyARNs []string `json:"a,omitempty"`
	// Chained tells that a role's session assumed it.
	Chained bool `json:"c,omitempty"`
	// Issued and Expires, in seconds since 1970.
	Issued  int64 `json:"f"`
	Expires int64 `json:"e"`
}

// Credentials are what a client signs with.
type Credentials struct {
	AccessKeyID, Secret, Token string
	Expires                    time.Time
}

// ErrToken says that a token is not one that this root key sealed for that access key.
var ErrToken = errors.New("the session token is not valid")

// Sealer seals and opens tokens with one root key.
type Sealer struct {
	root []byte
	aead cipher.AEAD
}

// NewSealer errs where the root key has another length.
func NewSealer(root []byte) (*Sealer, error) {
	if len(root) != RootKeyBytes {
		return nil, fmt.Errorf("the root key has %d bytes, %d are wanted", len(root), RootKeyBytes)
	}
	key, err := hkdf.Key(sha256.New, root, nil, "naru session token v1", RootKeyBytes)
	if err != nil {
		return nil, fmt.Errorf("deriving the token key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("making the token cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("making the token cipher: %w", err)
	}
	return &Sealer{root: bytes.Clone(root), aead: aead}, nil
}

// NewRootKey returns a random root key.
func NewRootKey() []byte {
	key := make([]byte, RootKeyBytes)
	rand.Read(key) // never fails: https://pkg.go.dev/crypto/rand#Read
	return key
}

// Seal makes credentials of claims.
func (s *Sealer) Seal(claims Claims) (Credentials, error) {
	text, err := json.Marshal(claims)
	if err != nil {
		return Credentials{}, fmt.Errorf("encoding session claims: %w", err)
	}
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		return Credentials{}, fmt.Errorf("packing session claims: %w", err)
	}
	if _, err := w.Write(text); err != nil {
		return Credentials{}, fmt.Errorf("packing session claims: %w", err)
	}
	if err := w.Close(); err != nil {
		return Credentials{}, fmt.Errorf("packing session claims: %w", err)
	}
	id := iam.NewID(iam.SessionKeyPrefix)
	secret, err := s.secret(id)
	if err != nil {
		return Credentials{}, err
	}
	token := base64.StdEncoding.EncodeToString(s.aead.Seal(nil, nil, packed.Bytes(), []byte(id)))
	return Credentials{AccessKeyID: id, Secret: secret, Token: token, Expires: time.Unix(claims.Expires, 0).UTC()}, nil
}

// Open reads a token and gives the secret of its access key. It does not look at the clock. Errors: ErrToken.
func (s *Sealer) Open(accessKeyID, token string) (Claims, string, error) {
	var claims Claims
	if len(token) > maxToken {
		return claims, "", ErrToken
	}
	sealed, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return claims, "", ErrToken
	}
	packed, err := s.aead.Open(nil, nil, sealed, []byte(accessKeyID))
	if err != nil {
		return claims, "", ErrToken
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxClaim))
	if err != nil {
		return claims, "", ErrToken
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		return claims, "", ErrToken
	}
	secret, err := s.secret(accessKeyID)
	return claims, secret, err
}

// Key derives a key for another purpose from the root key: what it signs is no session token, and a session token is none of
// what it signs.
func (s *Sealer) Key(purpose string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, s.root, nil, "naru key for "+purpose, RootKeyBytes)
	if err != nil {
		return nil, fmt.Errorf("deriving the key for %s: %w", purpose, err)
	}
	return key, nil
}

func (s *Sealer) secret(accessKeyID string) (string, error) {
	secret, err := hkdf.Key(sha256.New, s.root, nil, "naru session secret v1 "+accessKeyID, 30)
	if err != nil {
		return "", fmt.Errorf("deriving a session's secret: %w", err)
	}
	return base64.StdEncoding.EncodeToString(secret), nil
}
