package agent_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"naru.dev/naru/internal/node/agent"
	"naru.dev/naru/internal/node/agent/overlay"
	"naru.dev/naru/internal/node/agent/policy"
)

// world is two nodes and their pods, each a network namespace:
//
//	x/a ──veth──┐                             ┌──veth── x/c
//	x/b ──veth──┤ node-1 eth0 ── eth0 node-2 ├──veth── y/a
//	y/b ──veth──┘                             ┘
//
// The agents are real; the API server is client-go's fake. Pods are attached as
// the ptp plugin does it. The namespaces have no way out of the machine.
type world struct {
	t      *testing.T
	client *fake.Clientset
	nodes  map[string]*node
	pods   map[string]*pod
	// cluster is the range of its pods.
	cluster string
	ownNode policy.OwnNode
}

type node struct {
	name, ip, cidr string
	ns             netns.NsHandle
	cniDir         string
	agent          *agent.Agent
	stop           func()
}

type pod struct {
	name string
	ip   netip.Addr
	ns   netns.NsHandle
}

const serviceCIDR = "10.96.0.0/16"

func emptyWorld(t *testing.T, cluster string) *world {
	return &world{
		t: t, client: fake.NewClientset(), nodes: map[string]*node{}, pods: map[string]*pod{},
		cluster: cluster, ownNode: policy.OwnNodeAllow,
	}
}

func newWorld(t *testing.T, backend overlay.Backend) *world {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test makes network namespaces: run it as root")
	}
	w := emptyWorld(t, "10.244.0.0/16")
	for i, name := range []string{"node-1", "node-2"} {
		w.nodes[name] = &node{
			name: name, ip: fmt.Sprintf("192.168.77.%d", i+1), cidr: fmt.Sprintf("10.244.%d.0/24", i+1),
			ns: w.newNamespace(), cniDir: t.TempDir(),
		}
	}
	w.connect(w.nodes["node-1"], w.nodes["node-2"])
	for _, ns := range []string{"x", "y"} {
		w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns, Labels: map[string]string{"ns": ns}}})
	}
	for _, n := range w.nodes {
		w.create(n.object())
		w.start(n, backend)
	}
	for i, p := range []struct{ namespace, name, node string }{
		{"x", "a", "node-1"}, {"x", "b", "node-1"}, {"y", "b", "node-1"}, {"x", "c", "node-2"}, {"y", "a", "node-2"},
	} {
		w.addPod(p.namespace, p.name, w.nodes[p.node], i+10)
	}
	return w
}

func (n *node) object() *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.name},
		Spec:       corev1.NodeSpec{PodCIDR: n.cidr, PodCIDRs: []string{n.cidr}},
		Status:     corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: n.ip}}},
	}
}

func (w *world) create(object any) {
	w.t.Helper()
	var err error
	ctx := w.t.Context()
	switch o := object.(type) {
	case *corev1.Namespace:
		_, err = w.client.CoreV1().Namespaces().Create(ctx, o, metav1.CreateOptions{})
	case *corev1.Node:
		_, err = w.client.CoreV1().Nodes().Create(ctx, o, metav1.CreateOptions{})
	case *corev1.Pod:
		_, err = w.client.CoreV1().Pods(o.Namespace).Create(ctx, o, metav1.CreateOptions{})
	}
	w.must(err)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// start runs the node's agent until stop or the end of the test.
func (w *world) start(n *node, backend overlay.Backend) {
	w.t.Helper()
	config := agent.Config{
		Node: n.name, Backend: backend, CNIDir: n.cniDir, OwnNode: w.ownNode,
		Cluster: netip.MustParsePrefix(w.cluster), Services: netip.MustParsePrefix(serviceCIDR),
	}
	log := slog.New(slog.NewTextHandler(w.t.Output(), nil)).With("node", n.name)
	a, err := agent.New(config, w.client, log, agent.InNamespace(n.ns))
	w.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stopped := false
	n.agent, n.stop = a, func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("agent of %s: %v", n.name, err)
		}
	}
	w.t.Cleanup(n.stop)
	w.await(n.name+" writes its CNI configuration", func() bool {
		_, err := os.Stat(filepath.Join(n.cniDir, "10-naru.conflist"))
		return err == nil
	})
}

// await fails the test when the condition does not come true in time.
func (w *world) await(what string, condition func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		if time.Now().After(deadline) {
			w.t.Fatalf("waited 30 s in vain until: %s", what)
		}
		<-tick.C
	}
}

// newNamespace returns an empty network namespace with loopback up, which ends
// with the test: nothing but the handle keeps it.
func (w *world) newNamespace() netns.NsHandle {
	w.t.Helper()
	type result struct {
		ns  netns.NsHandle
		err error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread() // The thread ends with the goroutine.
		ns, err := netns.New()
		if err == nil {
			var lo netlink.Link
			if lo, err = netlink.LinkByName("lo"); err == nil {
				err = netlink.LinkSetUp(lo)
			}
		}
		made <- result{ns, err}
	}()
	r := <-made
	w.must(r.err)
	w.t.Cleanup(func() { _ = r.ns.Close() })
	return r.ns
}

// inside runs work on a thread of the namespace and returns its error.
func inside(ns netns.NsHandle, work func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := netns.Set(ns); err != nil {
			done <- err
			return
		}
		done <- work()
	}()
	return <-done
}

// connect joins two nodes by a veth pair, eth0 on both sides, and gives them a
// default route to each other.
func (w *world) connect(a, b *node) {
	w.t.Helper()
	w.must(inside(a.ns, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = "eth0", 1500
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(b.ns), PeerMTU: 1500})
	}))
	for self, other := range map[*node]*node{a: b, b: a} {
		w.must(inside(self.ns, func() error { return configure("eth0", self.ip+"/24", other.ip) }))
	}
}

func configure(device, address, gateway string) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return err
	}
	addr, err := netlink.ParseAddr(address)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, addr); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	return netlink.RouteReplace(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: net.ParseIP(gateway)})
}

// addPod attaches a namespace as the ptp plugin does, starts its servers on TCP
// 80 and 81 and UDP 80, and creates the Pod.
func (w *world) addPod(namespace, name string, n *node, number int) *pod {
	w.t.Helper()
	prefix := netip.MustParsePrefix(n.cidr)
	base := prefix.Addr().As4()
	base[3] = byte(number)
	p := &pod{name: namespace + "/" + name, ip: netip.AddrFrom4(base), ns: w.newNamespace()}
	w.attach(p, n, number)
	w.must(inside(p.ns, w.serve))
	w.pods[p.name] = p
	w.create(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"pod": name}},
		Spec: corev1.PodSpec{NodeName: n.name, Containers: []corev1.Container{{
			Name: "server", Ports: []corev1.ContainerPort{{Name: "serve-81", ContainerPort: 81}},
		}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: p.ip.String()},
	})
	return p
}

func (w *world) attach(p *pod, n *node, number int) {
	w.t.Helper()
	gateway := netip.MustParsePrefix(n.cidr).Addr().Next()
	device := "veth" + strconv.Itoa(number)
	w.must(inside(n.ns, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = device
		veth := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(p.ns)}
		if err := netlink.LinkAdd(veth); err != nil {
			return err
		}
		link, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: single(gateway)}); err != nil {
			return err
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: single(p.ip), Scope: netlink.SCOPE_HOST})
	}))
	w.must(inside(p.ns, func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: single(p.ip)}); err != nil {
			return err
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
		toGateway := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: single(gateway), Scope: netlink.SCOPE_LINK}
		if err := netlink.RouteAdd(toGateway); err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: gateway.AsSlice()})
	}))
}

func single(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(32, 32)}
}

// serve answers every TCP connection and UDP packet with the peer's address.
func (w *world) serve() error {
	for _, port := range []string{"80", "81"} {
		listener, err := net.Listen("tcp4", ":"+port)
		if err != nil {
			return err
		}
		w.t.Cleanup(func() { _ = listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, remote(conn.RemoteAddr()))
				_ = conn.Close()
			}
		}()
	}
	packets, err := net.ListenPacket("udp4", ":80")
	if err != nil {
		return err
	}
	w.t.Cleanup(func() { _ = packets.Close() })
	go func() {
		buffer := make([]byte, 64)
		for {
			_, from, err := packets.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = packets.WriteTo([]byte(remote(from)), from)
		}
	}()
	return nil
}

func remote(a net.Addr) string {
	host, _, _ := net.SplitHostPort(a.String())
	return host
}

// probeTimeout is enough on a busy machine; a false "blocked" is probed again.
const probeTimeout = 400 * time.Millisecond

// probe connects from a namespace and returns the client's address as the
// server saw it, or "" when nothing came back.
func probe(ns netns.NsHandle, network, address string) string {
	var answer []byte
	_ = inside(ns, func() error {
		dialer := net.Dialer{Timeout: probeTimeout}
		conn, err := dialer.Dial(network, address)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		if err := conn.SetDeadline(time.Now().Add(probeTimeout)); err != nil {
			return err
		}
		if network == "udp4" {
			if _, err := io.WriteString(conn, "?"); err != nil {
				return err
			}
		}
		buffer := make([]byte, 64)
		n, err := conn.Read(buffer)
		answer = buffer[:n]
		return err
	})
	return string(answer)
}
