package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestApplication(t *testing.T) {
	a := newApplication(config{dataDir: t.TempDir(), hostname: "pod-1", node: "node-1"})
	for _, step := range []struct {
		name, method, target, body string
		code                       int
		want                       string
	}{
		{"when asked for /, it says where it runs", "GET", "/", "", 200, "Hello from pod-1, version 1, on node node-1\n"},
		{"when nothing was written, it says so", "GET", "/file", "", 404, "PUT /file"},
		{"when a file is put, it keeps it", "PUT", "/file", "kept", 204, ""},
		{"when a file was put, it gives it back", "GET", "/file", "", 200, "kept"},
		{"when too much is put, it refuses", "PUT", "/file", strings.Repeat("x", maxFile+1), 413, "at most"},
		{"when a put was refused, it keeps the file", "GET", "/file", "", 200, "kept"},
		{"when asked to burn, it does", "GET", "/burn?ms=1", "", 200, "burnt 1ms"},
		{"when asked to burn for too long, it refuses", "GET", "/burn?ms=99999999", "", 400, "between 0 and"},
		{"when asked to burn nonsense, it refuses", "GET", "/burn?ms=x", "", 400, "between 0 and"},
		{"when it serves, it is healthy", "GET", "/healthz", "", 200, "ok"},
		{"when there is no such page, it says so", "GET", "/other", "", 404, ""},
	} {
		t.Run(step.name, func(t *testing.T) {
			check(t, a, httptest.NewRequest(step.method, step.target, strings.NewReader(step.body)), step.code, step.want)
		})
	}
	t.Run("when it is stopping, it is not healthy", func(t *testing.T) {
		a.stopping.Store(true)
		check(t, a, httptest.NewRequest("GET", "/healthz", nil), 503, "stopping")
	})
}

func check(t *testing.T, handler http.Handler, request *http.Request, code int, want string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	body, err := io.ReadAll(recorder.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	if recorder.Code != code || !strings.Contains(string(body), want) {
		t.Errorf("got %d %q, want %d and %q", recorder.Code, body, code, want)
	}
}
