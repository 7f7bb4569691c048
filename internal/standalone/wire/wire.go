// Package wire is the network that embedded hosts share: a bridge in a network
// namespace of its own, one cable to each host, and no way out of the machine.
// Nothing of it is visible in the machine's own network namespace, and all of
// it goes when the process that holds it ends.
package wire

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"naru.dev/naru/internal/standalone/thread"
)

// bridgeName is the bridge's name inside the wire's namespace.
const bridgeName = "naru0"

// Namespace is a network namespace held open by this process.
type Namespace struct{ handle netns.NsHandle }

// NewNamespace makes an empty network namespace.
func NewNamespace() (*Namespace, error) {
	var made netns.NsHandle
	err := thread.Throwaway(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("making a network namespace: %w", err)
		}
		handle, err := netns.Get()
		if err != nil {
			return fmt.Errorf("holding a network namespace: %w", err)
		}
		made = handle
		return nil
	})
	return &Namespace{handle: made}, err
}

// Close lets go of the namespace, which ends with its last process.
func (n *Namespace) Close() error { return n.handle.Close() }

// File duplicates the handle, to be passed to a child.
func (n *Namespace) File() (*os.File, error) {
	fd, err := unix.FcntlInt(uintptr(n.handle), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicating network namespace: %w", err)
	}
	return os.NewFile(uintptr(fd), "netns"), nil
}

// Dial opens a TCP connection from inside the namespace to an address in IP:port form.
func (n *Namespace) Dial(ctx context.Context, address string, timeout time.Duration) (net.Conn, error) {
	var conn net.Conn
	err := n.do(func() error {
		// The dialler makes the socket on this goroutine's thread as long as
		// there is one address and no name to look up.
		var err error
		conn, err = (&net.Dialer{Timeout: timeout}).DialContext(ctx, "tcp4", address)
		return err
	})
	return conn, err
}

// do runs f on a thread in the namespace and brings the thread back.
func (n *Namespace) do(f func() error) error {
	runtime.LockOSThread()
	origin, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("holding own network namespace: %w", err)
	}
	defer origin.Close()
	if err := netns.Set(n.handle); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("entering network namespace: %w", err)
	}
	failed := f()
	if err := netns.Set(origin); err != nil {
		// The thread stays locked and is thrown away with its goroutine.
		return fmt.Errorf("leaving network namespace: %w", err)
	}
	runtime.UnlockOSThread()
	return failed
}

// Wire is the hosts' network.
type Wire struct{ ns *Namespace }

// New makes the wire with its bridge at address (CIDR form).
func New(address string) (*Wire, error) {
	ns, err := NewNamespace()
	if err != nil {
		return nil, err
	}
	w := &Wire{ns: ns}
	if err := w.addBridge(address); err != nil {
		ns.Close()
		return nil, err
	}
	return w, nil
}

// Close takes the wire away.
func (w *Wire) Close() error { return w.ns.Close() }

// family is all that the wire asks the kernel for: a kernel without IPsec has
// no sockets of the other kinds that a handle opens by itself.
const family = unix.NETLINK_ROUTE

func (w *Wire) addBridge(address string) error {
	handle, err := netlink.NewHandleAt(w.ns.handle, family)
	if err != nil {
		return fmt.Errorf("opening wire: %w", err)
	}
	defer handle.Close()
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridgeName}}
	if err := handle.LinkAdd(bridge); err != nil {
		return fmt.Errorf("making bridge: %w", err)
	}
	addr, err := netlink.ParseAddr(address)
	if err != nil {
		return fmt.Errorf("parsing the wire's address: %w", err)
	}
	if err := handle.AddrAdd(bridge, addr); err != nil {
		return fmt.Errorf("giving the bridge its address: %w", err)
	}
	if err := handle.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("bringing the bridge up: %w", err)
	}
	return nil
}

// Attach makes a namespace whose eth0 is on the wire with address (CIDR form)
// and whose default route ends at gateway.
func (w *Wire) Attach(port, address, gateway string) (*Namespace, error) {
	ns, err := NewNamespace()
	if err != nil {
		return nil, err
	}
	if err := w.connect(ns, port, address, gateway); err != nil {
		ns.Close()
		return nil, err
	}
	return ns, nil
}

func (w *Wire) connect(ns *Namespace, port, address, gateway string) error {
	inside, err := netlink.NewHandleAt(ns.handle, family)
	if err != nil {
		return fmt.Errorf("opening host network: %w", err)
	}
	defer inside.Close()
	outside, err := netlink.NewHandleAt(w.ns.handle, family)
	if err != nil {
		return fmt.Errorf("opening wire: %w", err)
	}
	defer outside.Close()
	// A restarted host's old cable may not have gone with it yet.
	if old, err := outside.LinkByName(port); err == nil {
		if err := outside.LinkDel(old); err != nil {
			return fmt.Errorf("removing old cable %s: %w", port, err)
		}
	}
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: port,
		PeerNamespace: netlink.NsFd(w.ns.handle)}
	if err := inside.LinkAdd(veth); err != nil {
		return fmt.Errorf("making cable %s: %w", port, err)
	}
	if err := plug(outside, port); err != nil {
		return err
	}
	return configure(inside, address, gateway)
}

func plug(outside *netlink.Handle, port string) error {
	bridge, err := outside.LinkByName(bridgeName)
	if err != nil {
		return fmt.Errorf("finding bridge: %w", err)
	}
	end, err := outside.LinkByName(port)
	if err != nil {
		return fmt.Errorf("finding cable %s: %w", port, err)
	}
	if err := outside.LinkSetMaster(end, bridge); err != nil {
		return fmt.Errorf("plugging cable %s: %w", port, err)
	}
	if err := outside.LinkSetUp(end); err != nil {
		return fmt.Errorf("bringing cable %s up: %w", port, err)
	}
	return nil
}

func configure(inside *netlink.Handle, address, gateway string) error {
	eth0, err := inside.LinkByName("eth0")
	if err != nil {
		return fmt.Errorf("finding eth0: %w", err)
	}
	addr, err := netlink.ParseAddr(address)
	if err != nil {
		return fmt.Errorf("parsing host address: %w", err)
	}
	if err := inside.AddrAdd(eth0, addr); err != nil {
		return fmt.Errorf("giving eth0 its address: %w", err)
	}
	if err := inside.LinkSetUp(eth0); err != nil {
		return fmt.Errorf("bringing eth0 up: %w", err)
	}
	route := &netlink.Route{LinkIndex: eth0.Attrs().Index, Gw: net.ParseIP(gateway)}
	if err := inside.RouteAdd(route); err != nil {
		return fmt.Errorf("setting default route: %w", err)
	}
	return nil
}
