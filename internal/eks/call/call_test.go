package call

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"naru.dev/naru/internal/eks/wire"
	"naru.dev/naru/internal/iam/profile"
)

// TestDo calls a server that looks whether a request is what AWS's tools would send.
func TestDo(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.Contains(r.Header.Get("Authorization"), "Credential=AKIAIOSFODNN7EXAMPLE/") || !strings.Contains(r.Header.Get("Authorization"), "/naru-kr-1/eks/aws4_request"):
			w.WriteHeader(http.StatusForbidden)
		case r.URL.EscapedPath() != "/clusters/prod":
			w.Header().Set("x-amzn-ErrorType", "ResourceNotFoundException")
			w.Header().Set("x-amzn-RequestId", "id-1")
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"__type":"ResourceNotFoundException","message":"No cluster found for name: ` + r.PathValue("name") + `."}`))
		default:
			_, _ = w.Write([]byte(`{"cluster":{"name":"prod"}}`))
		}
	}))
	defer server.Close()
	environment(t, server.URL)
	client, err := New(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	model, err := wire.NewModel()
	if err != nil {
		t.Fatal(err)
	}
	operation, _ := model.Operation("DescribeCluster")
	do := func(name string) (string, error) {
		input, err := operation.ParseMembers(map[string]string{"name": name})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(t.Context(), operation, input)
		return string(answer), err
	}
	if answer, err := do("prod"); err != nil || answer != `{"cluster":{"name":"prod"}}` {
		t.Errorf("when it is there, the answer is as it came: %s, %v", answer, err)
	}
	var failure *Error
	if _, err := do("a/b"); !errors.As(err, &failure) || failure.Code != "ResourceNotFoundException" || failure.RequestID != "id-1" {
		t.Errorf("when it is not there, the error is the API's: %v", err)
	}
}

// environment is all that AWS's settings say.
func environment(t *testing.T, endpoint string) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t")
	t.Setenv("AWS_REGION", "naru-kr-1")
	t.Setenv("AWS_ENDPOINT_URL", endpoint)
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_CA_BUNDLE", "")
}

// TestDoUntrusted calls a server whose certificate was signed by somebody else than the settings say.
func TestDoUntrusted(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	own := filepath.Join(t.TempDir(), "own.pem")
	other := filepath.Join(t.TempDir(), "other.pem")
	write := func(path string, certificate []byte) {
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(own, server.Certificate().Raw)
	write(other, stranger(t))
	for name, c := range map[string]struct {
		bundle  string
		want    []string
		trusted bool
	}{
		"when the environment's bundle is another's, the variable and the remedy are named": {
			bundle: other, want: []string{"AWS_CA_BUNDLE=" + other, "overrides the profile's ca_bundle", "unset AWS_CA_BUNDLE"}},
		"when there is no bundle, the remedy is a profile": {want: []string{"naru configure-aws"}},
		"when the bundle is the server's, it is asked":     {bundle: own, trusted: true},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, server.URL)
			t.Setenv("AWS_CA_BUNDLE", c.bundle)
			err := listClusters(t)
			var untrusted *profile.UntrustedError
			if errors.As(err, &untrusted) == c.trusted {
				t.Fatalf("got %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(untrusted.Error(), want) {
					t.Errorf("got %q, want %q in it", untrusted, want)
				}
			}
		})
	}
}

func listClusters(t *testing.T) error {
	t.Helper()
	client, err := New(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	model, err := wire.NewModel()
	if err != nil {
		t.Fatal(err)
	}
	operation, _ := model.Operation("ListClusters")
	input, err := operation.ParseMembers(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Do(t.Context(), operation, input)
	return err
}

// stranger is the certificate of an authority that has signed nothing.
func stranger(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
