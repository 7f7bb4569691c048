package verify

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestRefusesNobody(t *testing.T) {
	for _, test := range []struct {
		reason, code string
		status       int
		good         bool
	}{
		{"when it refuses what nobody signed, it is well", "MissingAuthenticationTokenException", 403, true},
		{"when it lets nobody in, it is not", "", 200, false},
		{"when somebody else answers, it is not", "", 403, false},
		{"when it fails, it is not", "ServerException", 500, false},
	} {
		t.Run(test.reason, func(t *testing.T) {
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("x-amzn-ErrorType", test.code)
				w.WriteHeader(test.status)
			}))
			defer server.Close()
			trust := server.Client().Transport.(*http.Transport).TLSClientConfig
			if _, err := refusesNobody(t.Context(), server.URL, trust); (err == nil) != test.good {
				t.Errorf("got %v", err)
			}
			if _, err := refusesNobody(t.Context(), server.URL, &tls.Config{}); err == nil {
				t.Error("when its certificate is another's, it is not well")
			}
		})
	}
}
