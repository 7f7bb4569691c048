package call

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"naru.dev/naru/internal/eks/wire"
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
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t")
	t.Setenv("AWS_REGION", "naru-kr-1")
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
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
