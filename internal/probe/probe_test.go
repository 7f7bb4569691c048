package probe_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"naru.dev/naru/internal/probe"
)

// server keeps ConfigMaps and misbehaves when told to.
type server struct {
	mu      sync.Mutex
	objects map[string]corev1.ConfigMap
	fault   func(w http.ResponseWriter, r *http.Request) (handled bool)
	remotes map[string]int
	served  chan struct{}
}

func newServer(t *testing.T) (*server, *rest.Config) {
	t.Helper()
	s := &server{objects: map[string]corev1.ConfigMap{}, remotes: map[string]int{}, served: make(chan struct{}, 1000)}
	listener := httptest.NewServer(s)
	t.Cleanup(listener.Close)
	return s, &rest.Config{Host: listener.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The whole body first: the server notices only then that its client has gone.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if fault := s.count(r); fault != nil && fault(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	object := s.objects[name]
	if r.Method != http.MethodGet {
		if err := json.Unmarshal(body, &object); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.objects[object.Name] = object
	}
	object.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object)
}

func (s *server) count(r *http.Request) (fault func(http.ResponseWriter, *http.Request) bool) {
	select {
	case s.served <- struct{}{}:
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remotes[r.RemoteAddr]++
	return s.fault
}

func (s *server) setFault(fault func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// await returns after the server was asked n more times.
func (s *server) await(t *testing.T, n int) {
	t.Helper()
	for len(s.served) > 0 {
		<-s.served
	}
	deadline := time.After(10 * time.Second)
	for range n {
		select {
		case <-s.served:
		case <-deadline:
			t.Fatal("the probe asks nothing")
		}
	}
}

func start(t *testing.T, config *rest.Config) *probe.Probe {
	t.Helper()
	p, err := probe.Start(context.Background(), config, probe.Options{Interval: 5 * time.Millisecond, Deadline: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestWhenTheServerAnswersItReportsNoFailure(t *testing.T) {
	s, config := newServer(t)
	p := start(t, config)
	s.await(t, 60)
	report := p.Stop()
	if err := report.Undisturbed(); err != nil {
		t.Error(err)
	}
	if len(s.remotes) < 10 {
		t.Errorf("used %d connections, want a fresh one for every other request", len(s.remotes))
	}
	if most := mostUsed(s.remotes); most < 10 {
		t.Errorf("no connection served more than %d requests, want one to be kept", most)
	}
}

func mostUsed(remotes map[string]int) int {
	most := 0
	for _, n := range remotes {
		most = max(most, n)
	}
	return most
}

func TestWhenTheServerMisbehavesItSaysHow(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(http.ResponseWriter, *http.Request) bool
		want  string
	}{
		"when it answers 500, it is a failure": {
			func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(500); return true }, "error on the server"},
		"when it asks to come again later than in time, it is a failure": {
			func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(429)
				return true
			}, "deadline exceeded"},
		"when it answers 503 and does not ask to come again, it is a failure": {
			func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true }, "unable to handle the request"},
		"when it cuts connections, it is a failure": {
			func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }, "EOF"},
		"when it does not answer in time, it is a failure": {
			func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }, "deadline exceeded"},
		"when it forgets an acknowledged write, it is a failure": {
			func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodGet {
					return false
				}
				w.Header().Set("Content-Type", "application/json")
				_ = json.NewEncoder(w).Encode(corev1.ConfigMap{
					TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, Data: map[string]string{"sequence": "0"}})
				return true
			}, "acknowledged write is lost"},
	} {
		t.Run(name, func(t *testing.T) {
			s, config := newServer(t)
			p := start(t, config)
			s.await(t, 60)
			s.setFault(c.fault)
			s.await(t, 60)
			s.setFault(nil)
			report := p.Stop()
			if len(report.Failures) == 0 || report.LongestGap <= 5*time.Millisecond {
				t.Fatalf("reported %v, want failures and a gap", report)
			}
			for _, f := range report.Failures {
				if strings.Contains(f.String(), c.want) {
					return
				}
			}
			t.Errorf("no failure says %q: %v", c.want, report.Failures)
		})
	}
}

func TestWhenTheServerAsksItComesAgain(t *testing.T) {
	s, config := newServer(t)
	p := start(t, config)
	var asked atomic.Int64
	s.setFault(func(w http.ResponseWriter, _ *http.Request) bool {
		if asked.Add(1)%3 != 0 {
			return false
		}
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(503)
		return true
	})
	s.await(t, 60)
	s.setFault(nil)
	report := p.Stop()
	if err := report.Undisturbed(); err != nil || report.Asked == 0 {
		t.Errorf("got %v, %v; want it to have come again and no failure", report, err)
	}
}

func TestWhenTheClusterDoesNotAnswerItDoesNotStart(t *testing.T) {
	s, config := newServer(t)
	s.setFault(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true })
	if _, err := probe.Start(context.Background(), config, probe.Options{}); err == nil {
		t.Error("started, want an error")
	}
}

func TestReport(t *testing.T) {
	broken := probe.Failure{Kind: probe.Read, Err: errors.New("cut off")}
	lost := probe.Failure{Kind: probe.Read, Err: probe.ErrLostWrite}
	for name, c := range map[string]struct {
		report              probe.Report
		undisturbed, within bool
	}{
		"when nothing failed, it is undisturbed":      {probe.Report{Reads: 9, Writes: 9, LongestGap: time.Second}, true, true},
		"when nothing was asked, it proves nothing":   {probe.Report{}, false, false},
		"when a request failed, it is disturbed":      {probe.Report{Reads: 9, Writes: 9, Failures: []probe.Failure{broken}}, false, true},
		"when a write is lost, no gap excuses it":     {probe.Report{Reads: 9, Writes: 9, Failures: []probe.Failure{lost}}, false, false},
		"when the gap is longer, it is not within it": {probe.Report{Reads: 9, Writes: 9, LongestGap: time.Minute}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.report.Undisturbed() == nil; got != c.undisturbed {
				t.Errorf("undisturbed is %v", got)
			}
			if got := c.report.Within(10*time.Second) == nil; got != c.within {
				t.Errorf("within is %v", got)
			}
		})
	}
}
