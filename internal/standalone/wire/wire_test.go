package wire

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestWire(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("making network namespaces takes root: run the tests as root")
	}
	w, err := New("100.66.0.1/24")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	one, err := w.Attach("host-1", "100.66.0.11/24", "100.66.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	two, err := w.Attach("host-2", "100.66.0.12/24", "100.66.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { two.Close() }()
	serve(t, two, "100.66.0.12:7000")
	conn, err := one.Dial(t.Context(), "100.66.0.12:7000", 5*time.Second)
	if err != nil {
		t.Fatalf("when two hosts are on the wire, they reach each other: %v", err)
	}
	conn.Close()
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if link.Name == bridgeName || link.Name == "host-1" {
			t.Errorf("when there is a wire, the machine's own network does not show it: found %s", link.Name)
		}
	}
	awaitHome(t)
	if conn, err := one.Dial(t.Context(), "192.0.2.1:80", 200*time.Millisecond); err == nil {
		conn.Close()
		t.Error("when a host sends something out, it ends on the wire")
	}
	again, err := w.Attach("host-1", "100.66.0.11/24", "100.66.0.1")
	if err != nil {
		t.Fatalf("when a host is attached again before its old cable is gone, it gets a new one: %v", err)
	}
	defer again.Close()
	conn, err = again.Dial(t.Context(), "100.66.0.12:7000", 5*time.Second)
	if err != nil {
		t.Fatalf("when a host is attached again, it reaches the others: %v", err)
	}
	conn.Close()
}

func serve(t *testing.T, ns *Namespace, address string) {
	t.Helper()
	var listener net.Listener
	err := ns.do(func() error {
		var err error
		listener, err = net.Listen("tcp4", address)
		return err
	})
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
			conn.Close()
		}
	}()
}

// awaitHome waits until no thread of this process is in a foreign network
// namespace: one that was left there would carry somebody else's traffic.
func awaitHome(t *testing.T) {
	t.Helper()
	home, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for abroad(t, home) {
		if time.Now().After(deadline) {
			t.Fatal("when a dial is done, its thread comes home: one did not")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func abroad(t *testing.T, home string) bool {
	t.Helper()
	links, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target != home {
			return true
		}
	}
	return false
}
