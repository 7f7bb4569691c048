// Command hello is the application of the demo and of the tests: a small HTTP server that
// says where it runs, keeps a file on its volume and spends CPU when asked to.
//
//	GET  /          host name, version and node
//	GET  /healthz   200 while it serves, 503 once it is stopping
//	GET  /file      what was last PUT; 404 before
//	PUT  /file      replaces the file under $DATA_DIR, on disk before the answer
//	GET  /burn?ms=  spends that many milliseconds of one CPU
//
// It uses the standard library only. $ADDRESS (default :8080), $DATA_DIR (default /data),
// $NODE_NAME and $DRAIN (default 2s: how long it serves after SIGTERM) configure it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// version is set by the linker: -X main.version=2 makes an image whose answers differ.
var version = "1"

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	config, err := configure(os.Getenv)
	if err == nil {
		err = serve(ctx, config, log)
	}
	if err != nil {
		log.Error("hello stops", "error", err)
		os.Exit(1)
	}
}

type config struct {
	address, dataDir, hostname, node string
	// drain is how long new connections are still served after the signal to stop: until then
	// the Service may send some.
	drain time.Duration
}

func configure(getenv func(string) string) (config, error) {
	c := config{address: ":8080", dataDir: "/data", node: getenv("NODE_NAME"), drain: 2 * time.Second}
	if a := getenv("ADDRESS"); a != "" {
		c.address = a
	}
	if d := getenv("DATA_DIR"); d != "" {
		c.dataDir = d
	}
	if d := getenv("DRAIN"); d != "" {
		drain, err := time.ParseDuration(d)
		if err != nil {
			return config{}, fmt.Errorf("reading $DRAIN: %w", err)
		}
		c.drain = drain
	}
	host, err := os.Hostname()
	if err != nil {
		return config{}, fmt.Errorf("finding the host name: %w", err)
	}
	c.hostname = host
	return c, nil
}

func serve(ctx context.Context, c config, log *slog.Logger) error {
	app := newApplication(c)
	server := &http.Server{Addr: c.address, Handler: app, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	log.Info("hello serves", "address", c.address, "version", version, "node", c.node)
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	app.stopping.Store(true)
	time.Sleep(c.drain)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(end); err != nil {
		return fmt.Errorf("finishing open requests: %w", err)
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	log.Info("hello stops")
	return nil
}
