package ecr

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/iam"
)

// tokenLife is ECR's: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
const tokenLife = 12 * time.Hour

// KeyPurpose is what the key that signs tokens is derived for.
const KeyPurpose = "registry tokens v1"

// maxPassword is more than any token has: a session token is at most 16 KiB, and its encoding a third more.
const maxPassword = 32 << 10

// errToken says that a password is no token that this server signed, or one that is over. Which of them is nobody's business.
var errToken = errors.New("the authorization token is not valid, or has expired: get another one with \"aws ecr get-login-password\"")

// claims are what a token says. It has no secret: without one, an access key signs nothing.
type claims struct {
	// AccessKeyID is the key that asked for the token, with its session token where it is a session's.
	AccessKeyID  string `json:"k"`
	SessionToken string `json:"s,omitempty"`
	// UserID tells the caller from a later one.
	UserID string `json:"u"`
	// Expires is in seconds since 1970.
	Expires int64 `json:"e"`
}

// tokens signs and verifies with one key.
type tokens struct {
	key []byte
	now func() time.Time
}

func (t tokens) sign(c claims) (string, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("writing a token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(text) + "." + base64.RawURLEncoding.EncodeToString(t.sum(text)), nil
}

func (t tokens) sum(text []byte) []byte {
	mac := hmac.New(sha256.New, t.key)
	mac.Write(text)
	return mac.Sum(nil)
}

// verify reads a token that this key signed and that is not over. Errors: errToken.
func (t tokens) verify(token string) (claims, error) {
	first, second, _ := strings.Cut(token, ".")
	if len(token) > maxPassword {
		return claims{}, errToken
	}
	text, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil {
		return claims{}, errToken
	}
	sum, err := base64.RawURLEncoding.DecodeString(second)
	if err != nil || !hmac.Equal(sum, t.sum(text)) {
		return claims{}, errToken
	}
	var c claims
	if err := json.Unmarshal(text, &c); err != nil || !t.now().Before(time.Unix(c.Expires, 0)) {
		return claims{}, errToken
	}
	return c, nil
}

// caller is whose token it is. It is looked up anew each time: a key that was deactivated or deleted since, or a session that
// is over, has no token any more. Errors: errToken.
func (t tokens) caller(ctx context.Context, credentials iam.Credentials, token string) (iam.Caller, error) {
	c, err := t.verify(token)
	if err != nil {
		return iam.Caller{}, err
	}
	identity, err := credentials.Lookup(ctx, c.AccessKeyID, c.SessionToken)
	var refused *sigv4.Error
	if errors.As(err, &refused) || err == nil && identity.Caller.UserID != c.UserID {
		return iam.Caller{}, errToken
	}
	return identity.Caller, err
}
