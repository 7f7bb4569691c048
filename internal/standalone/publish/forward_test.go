package publish

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

// backend answers each line with its name and the line.
func backend(t *testing.T, name string) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				lines := bufio.NewScanner(conn)
				for lines.Scan() {
					fmt.Fprintf(conn, "%s:%s\n", name, lines.Text())
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func forward(t *testing.T, endpoints ...Endpoint) *Forward {
	t.Helper()
	dial := func(ctx context.Context, address string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp4", address)
	}
	f, err := Listen("127.0.0.1:0", dial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	f.SetEndpoints(endpoints)
	return f
}

func connect(t *testing.T, f *Forward) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp4", f.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func ask(t *testing.T, conn net.Conn) string {
	t.Helper()
	fmt.Fprintln(conn, "hi")
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestForwardSkipsRefusing(t *testing.T) {
	refusing, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing.Close()
	f := forward(t, Endpoint{refusing.Addr().String(), true}, Endpoint{backend(t, "b"), true})
	for range 4 {
		if got := ask(t, connect(t, f)); got != "b:hi\n" {
			t.Errorf("when an endpoint refuses, the next is tried: got %q", got)
		}
	}
}

func TestForwardDropsConnectionsOfGoneEndpoints(t *testing.T) {
	a, b := backend(t, "a"), backend(t, "b")
	f := forward(t, Endpoint{a, true})
	conn := connect(t, f)
	ask(t, conn)
	f.SetEndpoints([]Endpoint{{a, false}, {b, true}})
	if got := ask(t, conn); got != "a:hi\n" {
		t.Errorf("when an endpoint is no longer ready, it keeps its connections: got %q", got)
	}
	f.SetEndpoints([]Endpoint{{b, true}})
	if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("when an endpoint is gone, its connections end: this one did not")
	}
	if got := ask(t, connect(t, f)); got != "b:hi\n" {
		t.Errorf("when an endpoint is gone, new connections go elsewhere: got %q", got)
	}
}

// connectFrom connects from another loopback address.
func connectFrom(t *testing.T, f *Forward, address string) (net.Conn, error) {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	conn, err := dialer.DialContext(t.Context(), "tcp4", f.listener.Addr().String())
	if err == nil {
		t.Cleanup(func() { conn.Close() })
		err = conn.SetDeadline(time.Now().Add(20 * time.Second))
	}
	return conn, err
}

func TestForwardSources(t *testing.T) {
	f := forward(t, Endpoint{backend(t, "a"), true})
	one, err := connectFrom(t, f, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	two, err := connectFrom(t, f, "127.0.0.2")
	if err != nil {
		t.Fatal(err)
	}
	ask(t, one)
	ask(t, two)
	sources, err := ParseSources("10.0.0.0/8,127.0.0.2/32")
	if err != nil {
		t.Fatal(err)
	}
	f.SetSources(sources)
	if _, err := io.ReadAll(one); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("when an address may no longer connect, its connections end: this one did not")
	}
	if got := ask(t, two); got != "a:hi\n" {
		t.Errorf("when an address still may, its connections go on: got %q", got)
	}
	if refused, err := connectFrom(t, f, "127.0.0.1"); err == nil {
		if text, _ := io.ReadAll(refused); len(text) > 0 {
			t.Errorf("when an address may not connect, it gets nothing: got %q", text)
		}
	}
	f.SetSources(Sources{})
	if got := ask(t, connect(t, f)); got != "a:hi\n" {
		t.Errorf("when everybody may again, so may this one: got %q", got)
	}
}

func TestParseSources(t *testing.T) {
	cases := map[string]struct {
		text, address string
		want, errs    bool
	}{
		"when an address is in a range, it may":         {"10.0.0.0/8,192.0.2.1/32", "192.0.2.1:5", true, false},
		"when it is in none, it may not":                {"10.0.0.0/8", "127.0.0.1:5", false, false},
		"when a range has more than its network, it is": {"10.1.2.3/8", "10.9.9.9:5", true, false},
		"when it is nowhere, nobody may":                {"none", "127.0.0.1:5", false, false},
		"when it is no range, nobody may":               {"10.0.0.0/8,x", "10.0.0.1:5", false, true},
		"when it is empty, nobody may":                  {"", "10.0.0.1:5", false, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			sources, err := ParseSources(c.text)
			if got := sources.Allow(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.address))); got != c.want || (err != nil) != c.errs {
				t.Errorf("got %v, %v, want %v", got, err, c.want)
			}
		})
	}
}

func TestForwardHalfClose(t *testing.T) {
	f := forward(t, Endpoint{backend(t, "a"), true})
	conn := connect(t, f)
	fmt.Fprintln(conn, "last")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(conn)
	if err != nil || string(all) != "a:last\n" {
		t.Errorf("when the client has said all, it still hears the answer: %q, %v", all, err)
	}
}
