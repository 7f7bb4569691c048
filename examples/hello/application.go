package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	// maxFile bounds what PUT /file takes.
	maxFile = 1 << 20
	// maxBurn bounds one request's work, so that a forgotten load generator ends.
	maxBurn = 10 * time.Second
)

// application is the handler. It is safe for concurrent use.
type application struct {
	config   config
	mux      *http.ServeMux
	stopping atomic.Bool
}

func newApplication(c config) *application {
	a := &application{config: c, mux: http.NewServeMux()}
	a.mux.HandleFunc("GET /{$}", a.hello)
	a.mux.HandleFunc("GET /healthz", a.health)
	a.mux.HandleFunc("GET /file", a.read)
	a.mux.HandleFunc("PUT /file", a.write)
	a.mux.HandleFunc("GET /burn", a.burn)
	return a
}

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

func (a *application) hello(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, "Hello from %s, version %s, on node %s\n", a.config.hostname, version, a.config.node)
}

func (a *application) health(w http.ResponseWriter, _ *http.Request) {
	if a.stopping.Load() {
		http.Error(w, "stopping", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (a *application) path() string { return filepath.Join(a.config.dataDir, "hello.txt") }

func (a *application) read(w http.ResponseWriter, _ *http.Request) {
	content, err := os.ReadFile(a.path())
	if errors.Is(err, fs.ErrNotExist) {
		http.Error(w, "nothing was written yet: PUT /file", http.StatusNotFound)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(content) // The client has gone; nobody is left to tell.
}

func (a *application) write(w http.ResponseWriter, r *http.Request) {
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFile))
	if err != nil {
		http.Error(w, fmt.Sprintf("reading the request (at most %d bytes): %v", maxFile, err), http.StatusRequestEntityTooLarge)
		return
	}
	if err := replace(a.path(), content); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// replace writes a file in one step and returns when it is on disk: whoever was answered can
// pull the plug.
func replace(path string, content []byte) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".hello-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() { _ = os.Remove(file.Name()) }() // Gone already where the rename succeeded.
	_, err = file.Write(content)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

func (a *application) burn(w http.ResponseWriter, r *http.Request) {
	ms, err := strconv.Atoi(r.URL.Query().Get("ms"))
	length := time.Duration(ms) * time.Millisecond
	if err != nil || length < 0 || length > maxBurn {
		http.Error(w, fmt.Sprintf("ms must be a number between 0 and %d", maxBurn.Milliseconds()), http.StatusBadRequest)
		return
	}
	rounds := 0
	for start := time.Now(); time.Since(start) < length && r.Context().Err() == nil; {
		rounds++
	}
	fmt.Fprintf(w, "burnt %v in %d rounds\n", length, rounds)
}
