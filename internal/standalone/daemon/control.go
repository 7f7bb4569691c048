package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"naru.dev/naru/internal/node/supervise"
	"naru.dev/naru/internal/standalone/layout"
)

// Status is what the daemon says of itself.
type Status struct {
	Daemon Identity                   `json:"daemon"`
	Hosts  map[string]supervise.State `json:"hosts"`
	Spec   layout.Spec                `json:"spec"`
	// Problems are published ports that could not be opened, by address.
	Problems map[string]string `json:"problems,omitempty"`
}

// serveControl answers GET /status on the control socket.
func (d *Daemon) serveControl() (stop func(), err error) {
	path := d.state.Socket()
	// Nobody else listens: the lock is ours.
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("removing old control socket: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening on control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return nil, fmt.Errorf("protecting control socket: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(d.status())
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			d.log.Error("control socket ended", "error", err)
		}
	}()
	return func() { server.Close() }, nil
}

func (d *Daemon) status() Status {
	start, _ := startTime(os.Getpid())
	status := Status{
		Daemon: Identity{PID: os.Getpid(), Start: start},
		Hosts:  d.supervisor.States(), Spec: d.spec, Problems: map[string]string{},
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for address, problem := range d.problems {
		status.Problems[address] = problem
	}
	return status
}

// Ask asks the running daemon for its status.
func Ask(ctx context.Context, state layout.State) (Status, error) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", state.Socket())
		},
		DisableKeepAlives: true,
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://daemon/status", nil)
	if err != nil {
		return Status{}, fmt.Errorf("asking the daemon: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return Status{}, fmt.Errorf("asking the daemon: %w", err)
	}
	defer response.Body.Close()
	var status Status
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil {
		return Status{}, fmt.Errorf("asking the daemon: %w", err)
	}
	return status, nil
}
