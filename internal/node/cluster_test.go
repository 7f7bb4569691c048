package node

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAllowed(t *testing.T) {
	var known atomic.Bool
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/nodes" || len(r.TLS.PeerCertificates) == 0 || r.TLS.PeerCertificates[0].Subject.CommonName != "worker-1" || !known.Load() {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	defer server.Close()
	dir := t.TempDir()
	files := credentials{clientCA: filepath.Join(dir, "ca.crt"), kubeletBootstrap: filepath.Join(dir, "bootstrap")}
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(files.clientCA, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	certificate, key := selfSigned(t, "worker-1", time.Hour)
	writeKubeconfig(t, files.kubeletBootstrap, certificate, key)
	c := cluster{server: server.URL, files: files}
	allowed := c.allowed(files.kubeletBootstrap, "/api/v1/nodes?limit=1")
	if allowed(t.Context()) == nil {
		t.Error("when the API does not allow it yet, it is awaited")
	}
	if err := c.answers(t.Context()); err != nil {
		t.Errorf("an API that allows nothing answers: %v", err)
	}
	known.Store(true)
	if err := allowed(t.Context()); err != nil {
		t.Errorf("when the API allows it, there is nothing to wait for: %v", err)
	}
	server.Close()
	if allowed(t.Context()) == nil || c.answers(t.Context()) == nil {
		t.Error("when nobody listens, it is waited for")
	}
	c.joined = true
	if err := errors.Join(c.allowed(files.kubeletBootstrap, versions)(t.Context()), c.answers(t.Context())); err != nil {
		t.Errorf("when the node has joined before, it waits for nobody: %v", err)
	}
}

func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		ask := shared(func(context.Context) error {
			asked.Add(1)
			return errors.New("not yet")
		})
		for round := range int32(2) {
			var all sync.WaitGroup
			for range 7 {
				all.Go(func() {
					if ask(t.Context()) == nil {
						t.Error("all who wait hear the answer")
					}
				})
			}
			all.Wait()
			if n := asked.Load(); n != round+1 {
				t.Errorf("when several wait for the same, it is asked once a round: asked %d times in round %d", n, round+1)
			}
			time.Sleep(sharedFor) // the bubble's clock
		}
	})
}
