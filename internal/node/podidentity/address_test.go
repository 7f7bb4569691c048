package podidentity

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"naru.dev/naru/internal/podroles"
)

// TestServe has the agent answer in a network namespace of its own, at the address that AWS's SDKs ask.
func TestServe(t *testing.T) {
	runtime.LockOSThread() // the thread ends with the test
	namespace, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer namespace.Close()
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		t.Fatal(err)
	}
	if err := ownAddress(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := netns.Set(namespace); err != nil {
			ended <- err
			return
		}
		ended <- serve(ctx, newNode().handler())
	}()
	defer func() { cancel(); <-ended }()
	deadline := time.Now().Add(10 * time.Second)
	for {
		connection, err := net.DialTimeout("tcp4", podroles.AgentAddress+":80", time.Second)
		if err != nil {
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
			runtime.Gosched()
			continue
		}
		defer connection.Close()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+podroles.AgentAddress+podroles.CredentialsPath, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", jwt("one", podroles.Audience, time.Hour))
		if err := request.Write(connection); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(connection), request)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("when the address was there already, it is served: %+v, %v", response, err)
		}
		response.Body.Close()
		return
	}
}
