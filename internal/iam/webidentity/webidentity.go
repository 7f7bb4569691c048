// Package webidentity verifies the tokens of OpenID Connect providers, as pods show them for a role (IRSA). Keys are
// found by discovery: https://openid.net/specs/openid-connect-discovery-1_0.html
package webidentity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"naru.dev/naru/internal/iam/query"
)

const (
	// maxToken is what STS takes.
	maxToken = 20000
	// patience is how long a provider may take to answer.
	patience = 5 * time.Second
	// remembered is how long a provider's discovery is. Its keys are asked for anew when a token has an unknown one.
	remembered = 10 * time.Minute
)

// Verifier implements query.WebIdentities.
type Verifier struct {
	// HTTP reaches the providers, whose addresses who may create them has chosen.
	HTTP *http.Client
	// Now is the clock.
	Now func() time.Time
	// Own gives the key set of an issuer that is Naru's own, which nobody has to be asked for; empty for any other.
	Own func(ctx context.Context, issuer string) (keys string, err error)

	mu    sync.Mutex
	known map[string]discovered
}

// New returns a verifier that asks providers over the network. It follows no redirection: a provider is where its issuer
// says, and nowhere else.
func New(now func() time.Time, own func(ctx context.Context, issuer string) (string, error)) *Verifier {
	return &Verifier{Now: now, Own: own, HTTP: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

type discovered struct {
	provider *oidc.Provider
	at       time.Time
}

func refuse(code, format string, args ...any) error {
	return &query.Error{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Issuer implements query.WebIdentities.
func (v *Verifier) Issuer(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(token) > maxToken || len(parts) != 3 {
		return "", refuse("InvalidIdentityToken", "The ID Token provided is not a valid JWT.")
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	if err != nil || claims.Issuer == "" {
		return "", refuse("InvalidIdentityToken", "The ID Token provided is not a valid JWT, or has no issuer.")
	}
	return claims.Issuer, nil
}

// Verify implements query.WebIdentities.
func (v *Verifier) Verify(ctx context.Context, token string, p query.Provider) (query.Claims, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	verifier, err := v.verifier(ctx, p.URL)
	if err != nil {
		return query.Claims{}, refuse("IDPCommunicationError", "The keys of %s can't be read: %v", p.URL, err)
	}
	id, err := verifier.Verify(oidc.ClientContext(ctx, v.HTTP), token)
	var expired *oidc.TokenExpiredError
	switch {
	case errors.As(err, &expired):
		return query.Claims{}, refuse("ExpiredTokenException", "The web identity token has expired")
	case ctx.Err() != nil:
		return query.Claims{}, refuse("IDPCommunicationError", "The keys of %s can't be read in time", p.URL)
	case err != nil:
		return query.Claims{}, refuse("InvalidIdentityToken", "The web identity token is not valid: %v", err)
	}
	for _, audience := range id.Audience {
		if slices.Contains(p.ClientIDs, audience) {
			return query.Claims{Issuer: id.Issuer, Subject: id.Subject, Audience: audience}, nil
		}
	}
	return query.Claims{}, refuse("InvalidIdentityToken", "Incorrect token audience: %s is for %s", p.URL, strings.Join(p.ClientIDs, ", "))
}

// verifier knows the keys of an issuer: from memory, or by asking it.
func (v *Verifier) verifier(ctx context.Context, issuer string) (*oidc.IDTokenVerifier, error) {
	own, err := v.Own(ctx, issuer)
	if err != nil {
		return nil, err
	}
	config := &oidc.Config{SkipClientIDCheck: true, Now: v.Now}
	if own == "" {
		provider, err := v.discover(ctx, issuer)
		if err != nil {
			return nil, err
		}
		return provider.Verifier(config), nil
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(own), &set); err != nil {
		return nil, fmt.Errorf("reading the key set: %w", err)
	}
	keys := &oidc.StaticKeySet{}
	for _, key := range set.Keys {
		keys.PublicKeys = append(keys.PublicKeys, key.Key)
		config.SupportedSigningAlgs = append(config.SupportedSigningAlgs, key.Algorithm)
	}
	return oidc.NewVerifier(issuer, keys, config), nil
}

func (v *Verifier) discover(ctx context.Context, issuer string) (*oidc.Provider, error) {
	v.mu.Lock()
	found, ok := v.known[issuer]
	v.mu.Unlock()
	if ok && v.Now().Before(found.at.Add(remembered)) {
		return found.provider, nil
	}
	// What is remembered outlives this request: its keys are read with a context of their own.
	provider, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), v.bounded()), issuer)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.known == nil {
		v.known = map[string]discovered{}
	}
	v.known[issuer] = discovered{provider, v.Now()}
	return provider, nil
}

// bounded is the HTTP client, with an end to each of its requests.
func (v *Verifier) bounded() *http.Client {
	client := *v.HTTP
	client.Timeout = patience
	return &client
}
