package connector

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// An end that says nothing for quiet is asked whether it is there, and given up if it does not answer for patience.
const (
	quiet    = 15 * time.Second
	patience = 10 * time.Second
)

// maxHeaders is more than the headers of an answer have: what comes through a tunnel is somebody else's.
const maxHeaders = 64 << 10

// ErrClosed says that the tunnel is no more.
var ErrClosed = errors.New("the tunnel is closed")

// connection is a network connection of which some bytes were read already, and whose end can be waited for.
type connection struct {
	net.Conn
	read *bufio.Reader
	once sync.Once
	done chan struct{}
}

func newConnection(conn net.Conn, read *bufio.Reader) *connection {
	return &connection{Conn: conn, read: read, done: make(chan struct{})}
}

func (c *connection) Read(p []byte) (int, error) { return c.read.Read(p) }

func (c *connection) Close() error {
	c.once.Do(func() { close(c.done) })
	return c.Conn.Close()
}

func onlyHTTP2() *http.Protocols {
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true) // the connection below is TLS
	return protocols
}

// Tunnel is naru server's end: requests go to the agent. It is an http.RoundTripper for any number of goroutines, whatever
// host their URLs name.
type Tunnel struct {
	connection *connection
	transport  *http.Transport
}

// NewTunnel makes a tunnel of a connection that was upgraded; read is what reads from it.
func NewTunnel(conn net.Conn, read *bufio.Reader) *Tunnel {
	t := &Tunnel{connection: newConnection(conn, read)}
	given := make(chan struct{}, 1)
	t.transport = &http.Transport{
		Protocols: onlyHTTP2(), DisableCompression: true, MaxResponseHeaderBytes: maxHeaders,
		HTTP2: &http.HTTP2Config{SendPingTimeout: quiet, PingTimeout: patience, StrictMaxConcurrentRequests: true},
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			select {
			case given <- struct{}{}:
				return t.connection, nil
			default:
				return nil, ErrClosed // there is one connection, and nobody to dial
			}
		},
	}
	return t
}

// RoundTrip implements http.RoundTripper.
func (t *Tunnel) RoundTrip(r *http.Request) (*http.Response, error) { return t.transport.RoundTrip(r) }

// Close ends the tunnel, with all requests that are in it.
func (t *Tunnel) Close() {
	t.connection.Close()
	t.transport.CloseIdleConnections()
}

// Done is closed when the tunnel has ended, by whichever end.
func (t *Tunnel) Done() <-chan struct{} { return t.connection.done }

// serve is the agent's end: handler answers until the tunnel or ctx ends.
func serve(ctx context.Context, conn net.Conn, read *bufio.Reader, handler http.Handler) {
	c := newConnection(conn, read)
	server := &http.Server{
		Handler: handler, Protocols: onlyHTTP2(), ReadHeaderTimeout: patience,
		HTTP2:       &http.HTTP2Config{SendPingTimeout: quiet, PingTimeout: patience},
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	_ = server.Serve(&single{connection: c}) // it ends when the connection does, and has no other end
	server.Close()
}

// single is a listener that has one connection, and ends with it.
type single struct {
	connection *connection
	once       sync.Once
}

func (s *single) Accept() (conn net.Conn, err error) {
	s.once.Do(func() { conn = s.connection })
	if conn != nil {
		return conn, nil
	}
	<-s.connection.done
	return nil, net.ErrClosed
}

func (s *single) Close() error   { return nil }
func (s *single) Addr() net.Addr { return s.connection.LocalAddr() }
