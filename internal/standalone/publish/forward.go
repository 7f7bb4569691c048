// Package publish lets users on the machine reach what runs on the hosts: it
// listens on the machine's loopback address and forwards connections to
// endpoints inside.
package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// Endpoint is where connections go.
type Endpoint struct {
	// Address is IP:port.
	Address string
	// Ready endpoints get new connections. One that is not keeps those it has.
	Ready bool
}

// Dial opens a connection to an endpoint's address.
type Dial func(ctx context.Context, address string) (net.Conn, error)

// Forward is one published port.
type Forward struct {
	listener net.Listener
	dial     Dial

	mu        sync.Mutex
	sources   Sources
	endpoints []Endpoint
	next      int
	conns     map[*link]struct{}
	closed    bool
}

// link is one forwarded connection.
type link struct {
	endpoint string
	client   net.Conn
	server   net.Conn
}

func (l *link) close() {
	l.client.Close()
	l.server.Close()
}

// Listen publishes address. It has no endpoints until SetEndpoints.
func Listen(address string, dial Dial) (*Forward, error) {
	listener, err := net.Listen("tcp4", address)
	if err != nil {
		return nil, fmt.Errorf("publishing %s: %w", address, err)
	}
	f := &Forward{listener: listener, dial: dial, conns: map[*link]struct{}{}}
	go f.accept()
	return f, nil
}

// SetEndpoints says where connections go from now on. Those of an endpoint
// that is gone are ended: whoever was behind it cannot answer them any more.
func (f *Forward) SetEndpoints(endpoints []Endpoint) {
	f.mu.Lock()
	f.endpoints = slices.Clone(endpoints)
	var gone []*link
	for l := range f.conns {
		if !slices.ContainsFunc(endpoints, func(e Endpoint) bool { return e.Address == l.endpoint }) {
			gone = append(gone, l)
		}
	}
	f.mu.Unlock()
	for _, l := range gone {
		l.close()
	}
}

// SetSources says who may connect from now on. Connections of others are ended; the rest never notice.
func (f *Forward) SetSources(sources Sources) {
	f.mu.Lock()
	f.sources = sources
	var refused []*link
	for l := range f.conns {
		if !sources.Allow(l.client.RemoteAddr()) {
			refused = append(refused, l)
		}
	}
	f.mu.Unlock()
	for _, l := range refused {
		l.close()
	}
}

// Close ends the port and its connections.
func (f *Forward) Close() error {
	f.mu.Lock()
	f.closed = true
	links := make([]*link, 0, len(f.conns))
	for l := range f.conns {
		links = append(links, l)
	}
	f.mu.Unlock()
	for _, l := range links {
		l.close()
	}
	return f.listener.Close()
}

func (f *Forward) accept() {
	for {
		client, err := f.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of file descriptors, say: others have to end first.
			time.Sleep(50 * time.Millisecond)
			continue
		}
		go f.serve(client)
	}
}

func (f *Forward) serve(client net.Conn) {
	if !f.allows(client) {
		client.Close()
		return
	}
	for _, address := range f.order() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		server, err := f.dial(ctx, address)
		cancel()
		if err != nil {
			continue
		}
		f.join(&link{endpoint: address, client: client, server: server})
		return
	}
	client.Close()
}

func (f *Forward) allows(client net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sources.Allow(client.RemoteAddr())
}

// order lists the endpoints that a new connection tries: the ready ones, each
// time beginning with the next.
func (f *Forward) order() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	return order(f.endpoints, f.next)
}

// order is pure. With no endpoint ready all are tried: readiness is news from
// the hosting API, which itself may be what is not ready.
func order(endpoints []Endpoint, turn int) []string {
	var ready, rest []string
	for _, e := range endpoints {
		if e.Ready {
			ready = append(ready, e.Address)
		} else {
			rest = append(rest, e.Address)
		}
	}
	if len(ready) == 0 {
		ready = rest
	}
	if len(ready) == 0 {
		return nil
	}
	first := turn % len(ready)
	return append(slices.Clone(ready[first:]), ready[:first]...)
}

// join copies both ways until both sides have said all they have to say.
func (f *Forward) join(l *link) {
	f.mu.Lock()
	// Who may connect may have been changed since the connection came.
	if f.closed || !f.sources.Allow(l.client.RemoteAddr()) {
		f.mu.Unlock()
		l.close()
		return
	}
	f.conns[l] = struct{}{}
	f.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		pipe(l.server, l.client)
	}()
	pipe(l.client, l.server)
	<-done
	l.close()
	f.mu.Lock()
	delete(f.conns, l)
	f.mu.Unlock()
}

func pipe(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		_ = half.CloseWrite()
		return
	}
	// A broken side cannot be told; end both.
	to.Close()
	from.Close()
}
