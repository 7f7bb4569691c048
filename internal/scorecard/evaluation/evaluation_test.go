package evaluation

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/kubernetes/scheme"

	"naru.dev/naru/internal/exitcode"
	"naru.dev/naru/internal/progress"
	"naru.dev/naru/internal/scorecard"
)

// api is a cluster whose user may do what allow says; it takes nothing, and has nothing.
func api(t *testing.T, code int, allow func(authorizationv1.ResourceAttributes) bool) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case code != 0:
			w.WriteHeader(code)
			_ = json.NewEncoder(w).Encode(metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonUnauthorized, Code: int32(code)})
		case r.URL.Path == "/version":
			_ = json.NewEncoder(w).Encode(version.Info{GitVersion: "v1.30.0"})
		case strings.HasSuffix(r.URL.Path, "/selfsubjectaccessreviews"):
			review := &authorizationv1.SelfSubjectAccessReview{}
			body, err := io.ReadAll(r.Body)
			if err == nil {
				_, _, err = scheme.Codecs.UniversalDeserializer().Decode(body, nil, review)
			}
			if err != nil {
				t.Error(err)
				return
			}
			review.Status.Allowed = allow(*review.Spec.ResourceAttributes)
			review.APIVersion, review.Kind = authorizationv1.SchemeGroupVersion.String(), "SelfSubjectAccessReview"
			_ = json.NewEncoder(w).Encode(review)
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNotFound)
			_ = json.NewEncoder(w).Encode(metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonNotFound, Code: 404})
		default:
			w.WriteHeader(http.StatusForbidden)
			_ = json.NewEncoder(w).Encode(metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonForbidden, Code: 403, Message: "it is forbidden"})
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func kubeconfig(t *testing.T, server string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	content := `{apiVersion: v1, kind: Config, current-context: other, contexts: [{name: other, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: "` + server + `"}}], users: [{name: u, user: {token: t}}]}`
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func options(t *testing.T, kubeconfig string, rows ...string) Options {
	return Options{
		Rows: rows, Kubeconfig: kubeconfig, State: filepath.Join(t.TempDir(), "state.json"), Progress: progress.Silent(), Now: time.Now, Version: "test",
		Allow: func(context.Context, []scorecard.Row) (bool, error) {
			t.Error("it asked")
			return false, nil
		},
	}
}

func everything(authorizationv1.ResourceAttributes) bool { return true }

func TestBadInput(t *testing.T) {
	coded := func(err error) int {
		var c interface{ ExitCode() int }
		if !errors.As(err, &c) {
			return -1
		}
		return c.ExitCode()
	}
	for name, c := range map[string]struct {
		options Options
		want    string
		code    int
	}{
		"when a row does not exist, it says which do": {options(t, kubeconfig(t, "http://127.0.0.1:1"), "P99"), `no row "P99"`, exitcode.Usage},
		"when two clusters are named, it says so": {
			Options{Cluster: "prod", Kubeconfig: "x"}, "can't be both", exitcode.Usage},
		"when the kubeconfig does not exist, it says so": {options(t, "/does/not/exist", "A02"), "/does/not/exist", exitcode.Usage},
		"when the cluster does not answer, it says which": {
			options(t, kubeconfig(t, "http://127.0.0.1:1"), "A02"), "the cluster at http://127.0.0.1:1 does not answer", exitcode.Failed},
		"when the credentials are refused, it says so": {options(t, kubeconfig(t, api(t, 401, everything)), "A02"), "its credentials are refused", exitcode.Failed},
		"when the user may not do what has to be done, it lists that": {
			options(t, kubeconfig(t, api(t, 0, func(a authorizationv1.ResourceAttributes) bool { return a.Verb != "create" })), "A02"),
			"may not create namespaces, create pods, create pods/exec at", exitcode.Failed},
		"when nothing was interrupted, it can't be gone on with": {
			func() Options {
				o := options(t, kubeconfig(t, api(t, 0, everything)), "A02")
				o.Resume = true
				return o
			}(), "no run was interrupted", exitcode.Usage},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Run(t.Context(), c.options)
			if err == nil || !strings.Contains(err.Error(), c.want) || coded(err) != c.code {
				t.Errorf("got code %d: %v", coded(err), err)
			}
		})
	}
}

func TestAnyKubernetes(t *testing.T) {
	o := options(t, kubeconfig(t, api(t, 0, everything)), "A02", "P04", "P16", "P12")
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]scorecard.Status{
		"A02": scorecard.Failed, // the API takes nothing
		"P04": scorecard.NeedsPlatform, "P16": scorecard.NeedsPlatform, "P12": scorecard.NotBuilt,
	}
	for row, status := range want {
		if result, ok := report.Result(row); !ok || result.Status != status || result.Points != 0 {
			t.Errorf("%s: %+v", row, result)
		}
	}
	if report.Target.Name != "other" || report.Target.Kubernetes != "v1.30.0" {
		t.Errorf("the target is %+v", report.Target)
	}
	if _, err := os.Stat(o.State); !os.IsNotExist(err) {
		t.Errorf("when nothing is left, there is no state; got %v", err)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := options(t, kubeconfig(t, api(t, 0, everything)), "P04", "A02")
	o.Progress = progress.Silent()
	now := o.Now
	calls := 0
	o.Now = func() time.Time {
		if calls++; calls == 2 { // the first row has begun
			cancel()
		}
		return now()
	}
	_, err := Run(ctx, o)
	var interrupted *InterruptedError
	if !errors.As(err, &interrupted) || interrupted.Of != 2 || !strings.Contains(err.Error(), "--resume") {
		t.Fatalf("got %v", err)
	}
	o.Now, o.Resume = now, true
	if _, err := Run(t.Context(), o); err != nil {
		t.Errorf("when it is resumed, it goes on; got %v", err)
	}
}

// TestKept lets a run keep what it could not make: what is written down is the user's then.
func TestKept(t *testing.T) {
	o := options(t, kubeconfig(t, api(t, 0, everything)), "P04")
	state, err := scorecard.OpenState(o.State)
	if err != nil {
		t.Fatal(err)
	}
	if err := state.Leave(scorecard.Leftover{Kind: scorecard.LeftCluster, Name: "eval-1"}); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	s, o2 := &session{}, o
	o2.Keep, o2.Progress = true, progress.New(&said, progress.Options{})
	if err := s.close(t.Context(), o2, state); err != nil {
		t.Fatal(err)
	}
	o2.Progress.Close()
	if !strings.Contains(said.String(), "naru delete cluster eval-1") || len(state.Leftovers()) > 0 {
		t.Errorf("when everything is kept, it says how it is deleted, and forgets it; it says %q, and remembers %v", said.String(), state.Leftovers())
	}
}
