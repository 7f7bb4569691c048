package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// How long clients may take, and how long calls have to end when the server is stopped.
const (
	headerPatience = 10 * time.Second
	bodyPatience   = 30 * time.Second
	idle           = 2 * time.Minute
	farewell       = 20 * time.Second
)

// Run serves TLS on a listener until ctx ends, then lets the calls that have begun come to their
// end. The certificate is read again when its file was replaced.
func (s *Server) Run(ctx context.Context, listener net.Listener, certificate *Certificate) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerPatience, ReadTimeout: bodyPatience, WriteTimeout: patience + bodyPatience, IdleTimeout: idle,
		MaxHeaderBytes: 64 << 10,
		TLSConfig:      &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate.get},
		ErrorLog:       log.New(failures{s.Log}, "", 0),
	}
	if _, err := certificate.get(nil); err != nil {
		return err
	}
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		stopped <- server.Shutdown(ctx)
	})
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return <-stopped
}

// failures logs what net/http has to say, but not of clients that break off a handshake: anybody can
// make it say that.
type failures struct{ log *slog.Logger }

func (f failures) Write(line []byte) (int, error) {
	if !bytes.Contains(line, []byte("TLS handshake")) {
		f.log.Error("connection failed", "error", string(bytes.TrimSpace(line)))
	}
	return len(line), nil
}

// Certificate is a certificate and its key in files.
type Certificate struct {
	CertificateFile, KeyFile string

	mu      sync.Mutex
	changed time.Time
	loaded  *tls.Certificate
}

func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := os.Stat(c.CertificateFile)
	if err != nil {
		return c.last(fmt.Errorf("reading the certificate: %w", err))
	}
	if c.loaded != nil && info.ModTime().Equal(c.changed) {
		return c.loaded, nil
	}
	loaded, err := tls.LoadX509KeyPair(c.CertificateFile, c.KeyFile)
	if err != nil {
		return c.last(fmt.Errorf("reading the certificate: %w", err))
	}
	c.loaded, c.changed = &loaded, info.ModTime()
	return c.loaded, nil
}

// last is the certificate that was read before: while its files are being replaced they may not fit.
func (c *Certificate) last(err error) (*tls.Certificate, error) {
	if c.loaded != nil {
		return c.loaded, nil
	}
	return nil, err
}
