package node

import (
	"context"
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

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

func TestJoinable(t *testing.T) {
	var known atomic.Bool
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api" || r.Header.Get("Authorization") != "Bearer the-token" || !known.Load() {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	files := credentials{
		clientCA: filepath.Join(dir, "ca.crt"), kubeletBootstrap: filepath.Join(dir, "bootstrap"), kubelet: filepath.Join(dir, "kubelet"),
	}
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(files.clientCA, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	kubeconfig := clientcmdapi.Config{AuthInfos: map[string]*clientcmdapi.AuthInfo{"bootstrap": {Token: "the-token"}}}
	if err := clientcmd.WriteToFile(kubeconfig, files.kubeletBootstrap); err != nil {
		t.Fatal(err)
	}
	c := cluster{server: server.URL, files: files}
	if c.joinable(t.Context()) == nil {
		t.Error("when the API does not know the token, the kubelet waits")
	}
	if err := c.answers(t.Context()); err != nil {
		t.Errorf("an API that knows nobody answers: %v", err)
	}
	known.Store(true)
	if err := c.joinable(t.Context()); err != nil {
		t.Errorf("when the API takes the token, the kubelet can join: %v", err)
	}
	server.Close()
	if c.joinable(t.Context()) == nil || c.answers(t.Context()) == nil {
		t.Error("when nobody listens, it is waited for")
	}
	if err := os.WriteFile(files.kubelet, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.joinable(t.Context()), c.answers(t.Context())); err != nil {
		t.Errorf("when the kubelet has joined before, it waits for nobody: %v", err)
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
