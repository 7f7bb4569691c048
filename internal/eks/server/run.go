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
	"time"
)

// How long clients may take, and how long calls have to end when the server is stopped.
const (
	headerPatience = 10 * time.Second
	bodyPatience   = 30 * time.Second
	idle           = 2 * time.Minute
	farewell       = 20 * time.Second
)

// Certificate gives the server's certificate for a handshake.
type Certificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error)

// Run serves TLS on a listener until ctx ends, then lets the calls that have begun come to their
// end. The certificate is asked for at each handshake, so that it can be replaced. Clients are asked for theirs where ask says
// so; nothing here verifies it.
func (s *Server) Run(ctx context.Context, listener net.Listener, certificate Certificate, ask tls.ClientAuthType) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerPatience, ReadTimeout: bodyPatience, WriteTimeout: patience + bodyPatience, IdleTimeout: idle,
		MaxHeaderBytes: 64 << 10,
		TLSConfig:      &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate, ClientAuth: ask},
		ErrorLog:       log.New(failures{s.Log}, "", 0),
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
