package webidentity

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"naru.dev/naru/internal/iam/query"
)

func noon() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }

// issuer is an OpenID Connect provider with one key.
type issuer struct {
	t      *testing.T
	key    *rsa.PrivateKey
	server *httptest.Server
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{t: t, key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		i.write(w, map[string]any{"issuer": i.server.URL, "jwks_uri": i.server.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		i.write(w, map[string]any{"keys": []any{map[string]string{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1",
			"n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes())}}})
	})
	i.server = httptest.NewServer(mux)
	t.Cleanup(i.server.Close)
	return i
}

func (i *issuer) write(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		i.t.Error(err)
	}
}

func encode(content []byte) string { return base64.RawURLEncoding.EncodeToString(content) }

func (i *issuer) token(key *rsa.PrivateKey, change map[string]any) string {
	i.t.Helper()
	claims := map[string]any{"iss": i.server.URL, "sub": "system:serviceaccount:web:app", "aud": []string{"sts.amazonaws.com"},
		"iat": noon().Unix(), "exp": noon().Add(time.Hour).Unix()}
	for name, value := range change {
		claims[name] = value
	}
	text, err := json.Marshal(claims)
	if err != nil {
		i.t.Fatal(err)
	}
	signed := encode([]byte(`{"alg":"RS256","kid":"1"}`)) + "." + encode(text)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		i.t.Fatal(err)
	}
	return signed + "." + encode(signature)
}

func TestVerify(t *testing.T) {
	i := newIssuer(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	provider := query.Provider{URL: i.server.URL, ClientIDs: []string{"sts.amazonaws.com"}}
	for _, test := range []struct{ name, token, code string }{
		{"when it is good, it says who", i.token(i.key, nil), ""},
		{"when another key signed it, it is refused", i.token(other, nil), "InvalidIdentityToken"},
		{"when it is over, it has expired", i.token(i.key, map[string]any{"exp": noon().Add(-time.Minute).Unix()}), "ExpiredTokenException"},
		{"when it is for somebody else, it is refused", i.token(i.key, map[string]any{"aud": "kubernetes"}), "InvalidIdentityToken"},
		{"when it says another issuer, it is refused", i.token(i.key, map[string]any{"iss": "https://other.example"}), "InvalidIdentityToken"},
		{"when it says that it needs no signature, it is refused", encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(`{"iss":"`+i.server.URL+`","exp":9999999999,"aud":"sts.amazonaws.com"}`)) + ".", "InvalidIdentityToken"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := New(noon, nobody)
			claims, err := v.Verify(t.Context(), test.token, provider)
			if test.code == "" {
				if err != nil || claims.Subject != "system:serviceaccount:web:app" || claims.Audience != "sts.amazonaws.com" {
					t.Errorf("%+v, %v", claims, err)
				}
				return
			}
			var refused *query.Error
			if !errors.As(err, &refused) || refused.Code != test.code || claims.Subject != "" {
				t.Errorf("got %v, want %s", err, test.code)
			}
		})
	}
	t.Run("when the provider does not answer, that is said", func(t *testing.T) {
		v := New(noon, nobody)
		token := i.token(i.key, nil)
		i.server.Close()
		var refused *query.Error
		if _, err := v.Verify(t.Context(), token, provider); !errors.As(err, &refused) || refused.Code != "IDPCommunicationError" {
			t.Errorf("got %v", err)
		}
	})
}

// TestOwn verifies tokens of an issuer that is Naru's own: nobody is asked for its keys.
func TestOwn(t *testing.T) {
	const url = "https://127.0.0.1:6441/id/AA"
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: string(jose.ES256)}}})
	if err != nil {
		t.Fatal(err)
	}
	v := New(noon, func(_ context.Context, issuer string) (string, error) {
		if issuer == url {
			return string(set), nil
		}
		return "", errors.New("nobody else is asked about")
	})
	sign := func(key any, algorithm jose.SignatureAlgorithm, issuer string) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signer.Sign([]byte(`{"iss":"` + issuer + `","sub":"system:serviceaccount:web:app","aud":["sts.amazonaws.com"],"exp":` + fmt.Sprint(noon().Add(time.Hour).Unix()) + `}`))
		if err != nil {
			t.Fatal(err)
		}
		text, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, token string
		good        bool
	}{
		{"when the cluster signed it, it says who", sign(key, jose.ES256, url), true},
		{"when another cluster signed it, it is refused", sign(other, jose.ES256, url), false},
		{"when it says another issuer, it is refused", sign(key, jose.ES256, url+"B"), false},
		{"when the public key is taken for a secret, it is refused", sign(set, jose.HS256, url), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			claims, err := v.Verify(t.Context(), test.token, query.Provider{URL: url, ClientIDs: []string{"sts.amazonaws.com"}})
			if (err == nil) != test.good || (claims.Subject != "") != test.good {
				t.Errorf("%+v, %v", claims, err)
			}
		})
	}
}

// nobody is no issuer of Naru's own.
func nobody(context.Context, string) (string, error) { return "", nil }

func TestIssuer(t *testing.T) {
	v := &Verifier{}
	if got, err := v.Issuer("x." + encode([]byte(`{"iss":"https://a"}`)) + ".y"); err != nil || got != "https://a" {
		t.Errorf("%q, %v", got, err)
	}
	for _, token := range []string{"", "a.b", "a.b.c", "a." + encode([]byte(`{}`)) + ".c"} {
		var refused *query.Error
		if _, err := v.Issuer(token); !errors.As(err, &refused) || refused.Code != "InvalidIdentityToken" {
			t.Errorf("%q: %v", token, err)
		}
	}
}
