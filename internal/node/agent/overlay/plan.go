// Package overlay gives a node routes to the pods of every other node, either
// directly over a common layer 2 network (host-gw) or in VXLAN.
//
// NewPlan decides (pure), Program makes the kernel of the calling thread's
// network namespace match the plan and nothing else of ours. All that it makes
// can be told from other people's: routes carry RouteProtocol, and the device
// Device is wholly ours. So it needs no memory across restarts.
//
// The VXLAN scheme is flannel's
// (https://github.com/flannel-io/flannel/blob/master/pkg/backend/vxlan/vxlan.go):
// each node's device has the network address of its pod range; a remote range is
// routed via the remote device's address, whose MAC is a permanent neighbour,
// and that MAC leads to the remote node by a permanent forwarding entry. No
// multicast, no learning. Only the MAC differs: it is derived from the node's
// address, so nothing has to be published.
package overlay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Backend says how pod traffic travels between nodes.
type Backend string

const (
	// BackendHostGateway routes without encapsulation; nodes share a layer 2 network.
	BackendHostGateway Backend = "host-gw"
	// BackendVXLAN encapsulates in UDP from node to node.
	BackendVXLAN Backend = "vxlan"
)

const (
	// Device is the VXLAN device.
	Device = "naru.vxlan"
	// VNI and Port are flannel's defaults on Linux.
	VNI  = 1
	Port = 8472
	// encapsulation is the outer IPv4, UDP, VXLAN and inner Ethernet header.
	encapsulation = 50
)

// ErrNodeNotReady is returned while the own Node is missing, or lacks its
// address or pod range: nothing is wrong, there is nothing to program yet.
var ErrNodeNotReady = errors.New("own node has no address or pod range yet") //nolint:gochecknoglobals // sentinel

// Plan is what one node needs.
type Plan struct {
	Backend Backend
	Self    Peer
	// Cluster is the range of all pods; what is not routed in it is unreachable.
	Cluster netip.Prefix
	// Peers are the other nodes, sorted by pod range.
	Peers []Peer
}

// Peer is a node with its address and the range of its pods.
type Peer struct {
	Name string
	IP   netip.Addr
	Pods netip.Prefix
}

// MAC is the hardware address of the node's VXLAN device: locally administered,
// unicast, and unique as far as node addresses are.
func (p Peer) MAC() net.HardwareAddr {
	ip := p.IP.As4()
	return net.HardwareAddr{0x0a, 0x6e, ip[0], ip[1], ip[2], ip[3]}
}

// NewPlan plans for the node named self; nodes without an IPv4 address and pod
// range are left out, as are stale ones that hold this node's address.
func NewPlan(self string, backend Backend, cluster netip.Prefix, nodes []*corev1.Node) (Plan, error) {
	plan := Plan{Backend: backend, Cluster: cluster}
	for _, n := range nodes {
		peer, ok := peerOf(n)
		switch {
		case !ok:
		case n.Name == self:
			plan.Self = peer
		default:
			plan.Peers = append(plan.Peers, peer)
		}
	}
	if plan.Self.Name == "" {
		return Plan{}, fmt.Errorf("planning routes of node %s: %w", self, ErrNodeNotReady)
	}
	plan.Peers = slices.DeleteFunc(plan.Peers, func(p Peer) bool {
		return p.IP == plan.Self.IP || p.Pods.Overlaps(plan.Self.Pods)
	})
	slices.SortFunc(plan.Peers, func(a, b Peer) int {
		if c := a.Pods.Addr().Compare(b.Pods.Addr()); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	plan.Peers = slices.CompactFunc(plan.Peers, func(a, b Peer) bool { return a.Pods == b.Pods })
	return plan, nil
}

func peerOf(n *corev1.Node) (Peer, bool) {
	peer := Peer{Name: n.Name}
	for _, a := range n.Status.Addresses {
		if a.Type != corev1.NodeInternalIP {
			continue
		}
		if ip, err := netip.ParseAddr(a.Address); err == nil && ip.Is4() {
			peer.IP = ip
			break
		}
	}
	for _, cidr := range append(slices.Clone(n.Spec.PodCIDRs), n.Spec.PodCIDR) {
		if p, err := netip.ParsePrefix(cidr); err == nil && p.Addr().Is4() {
			peer.Pods = p.Masked()
			break
		}
	}
	return peer, peer.IP.IsValid() && peer.Pods.IsValid()
}

// MTU of pods on an underlay with the given MTU.
func (p Plan) MTU(underlay int) int {
	if p.Backend == BackendVXLAN {
		return underlay - encapsulation
	}
	return underlay
}
