package overlay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// RouteProtocol marks the routes that are ours (see ip-route(8), "proto").
const RouteProtocol = 110

// unreachableMetric lets every real route win.
const unreachableMetric = 4096

// Program makes the kernel match the plan, in the network namespace of the
// calling thread, which must be locked if it is not the process's own. It
// returns the MTU for pods. It is idempotent, and leaves traffic that the plan
// keeps undisturbed.
func Program(plan Plan) (int, error) {
	underlay, err := deviceWith(plan.Self.IP)
	if err != nil {
		return 0, fmt.Errorf("finding the underlay device: %w", err)
	}
	mtu := plan.MTU(underlay.Attrs().MTU)
	out := underlay
	if plan.Backend == BackendVXLAN {
		if out, err = ensureDevice(plan, underlay, mtu); err != nil {
			return 0, fmt.Errorf("making device %s: %w", Device, err)
		}
		if err := ensureForwarding(plan, out); err != nil {
			return 0, fmt.Errorf("programming device %s: %w", Device, err)
		}
	} else if err := removeDevice(); err != nil {
		return 0, fmt.Errorf("removing device %s of another backend: %w", Device, err)
	}
	if err := ensureRoutes(routesOf(plan, out.Attrs().Index)); err != nil {
		return 0, fmt.Errorf("programming routes: %w", err)
	}
	return mtu, nil
}

func deviceWith(ip netip.Addr) (netlink.Link, error) {
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("listing addresses: %w", err)
	}
	for _, a := range addrs {
		if a.IP.Equal(ip.AsSlice()) {
			return netlink.LinkByIndex(a.LinkIndex)
		}
	}
	return nil, fmt.Errorf("no device has this node's address %s; the kubelet's --node-ip must be one of its own", ip)
}

func wantedDevice(plan Plan, underlay netlink.Link, mtu int) *netlink.Vxlan {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.HardwareAddr = Device, mtu, plan.Self.MAC()
	return &netlink.Vxlan{
		LinkAttrs: attrs, VxlanId: VNI, Port: Port, Learning: false,
		SrcAddr: plan.Self.IP.AsSlice(), VtepDevIndex: underlay.Attrs().Index,
	}
}

// ensureDevice makes the device anew when the node's address changed.
func ensureDevice(plan Plan, underlay netlink.Link, mtu int) (netlink.Link, error) {
	want := wantedDevice(plan, underlay, mtu)
	link, err := netlink.LinkByName(Device)
	var missing netlink.LinkNotFoundError
	if err != nil && !errors.As(err, &missing) {
		return nil, fmt.Errorf("reading it: %w", err)
	}
	if err == nil && !sameDevice(link, want) {
		if err := netlink.LinkDel(link); err != nil {
			return nil, fmt.Errorf("deleting the outdated one: %w", err)
		}
		link = nil
	}
	if err != nil || link == nil {
		if err := netlink.LinkAdd(want); err != nil {
			return nil, fmt.Errorf("adding it: %w", err)
		}
		if link, err = netlink.LinkByName(Device); err != nil {
			return nil, fmt.Errorf("reading it after adding: %w", err)
		}
	}
	if link.Attrs().MTU != mtu {
		if err := netlink.LinkSetMTU(link, mtu); err != nil {
			return nil, fmt.Errorf("setting MTU %d: %w", mtu, err)
		}
	}
	if err := ensureAddress(link, hostPrefix(plan.Self.Pods.Addr())); err != nil {
		return nil, err
	}
	if link.Attrs().Flags&net.FlagUp == 0 {
		if err := netlink.LinkSetUp(link); err != nil {
			return nil, fmt.Errorf("setting it up: %w", err)
		}
	}
	return link, nil
}

func sameDevice(link netlink.Link, want *netlink.Vxlan) bool {
	have, ok := link.(*netlink.Vxlan)
	return ok && have.VxlanId == want.VxlanId && have.Port == want.Port && have.Learning == want.Learning &&
		have.VtepDevIndex == want.VtepDevIndex && have.SrcAddr.Equal(want.SrcAddr) &&
		have.HardwareAddr.String() == want.HardwareAddr.String()
}

func removeDevice() error {
	link, err := netlink.LinkByName(Device)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return err
	}
	return netlink.LinkDel(link)
}

func ensureAddress(link netlink.Link, want *net.IPNet) error {
	addrs, err := netlink.AddrList(link, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("listing its addresses: %w", err)
	}
	found := false
	for _, a := range addrs {
		if a.IPNet.String() == want.String() {
			found = true
			continue
		}
		if err := netlink.AddrDel(link, &a); err != nil {
			return fmt.Errorf("deleting address %s: %w", a.IPNet, err)
		}
	}
	if found {
		return nil
	}
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: want}); err != nil {
		return fmt.Errorf("adding address %s: %w", want, err)
	}
	return nil
}

// ensureForwarding makes the device's forwarding and neighbour entries those of
// the plan.
func ensureForwarding(plan Plan, link netlink.Link) error {
	index := link.Attrs().Index
	if err := ensureNeighbours(index, unix.AF_BRIDGE, forwardingEntries(plan, index)); err != nil {
		return fmt.Errorf("forwarding entries: %w", err)
	}
	if err := ensureNeighbours(index, unix.AF_INET, neighbourEntries(plan, index)); err != nil {
		return fmt.Errorf("neighbours: %w", err)
	}
	return nil
}

func forwardingEntries(plan Plan, index int) []netlink.Neigh {
	var out []netlink.Neigh
	for _, p := range plan.Peers {
		out = append(out, netlink.Neigh{
			LinkIndex: index, Family: unix.AF_BRIDGE, State: netlink.NUD_PERMANENT, Flags: netlink.NTF_SELF,
			IP: p.IP.AsSlice(), HardwareAddr: p.MAC(),
		})
	}
	return out
}

func neighbourEntries(plan Plan, index int) []netlink.Neigh {
	var out []netlink.Neigh
	for _, p := range plan.Peers {
		out = append(out, netlink.Neigh{
			LinkIndex: index, Family: unix.AF_INET, State: netlink.NUD_PERMANENT, Type: unix.RTN_UNICAST,
			IP: p.Pods.Addr().AsSlice(), HardwareAddr: p.MAC(),
		})
	}
	return out
}

func ensureNeighbours(index, family int, want []netlink.Neigh) error {
	have, err := netlink.NeighList(index, family)
	if err != nil {
		return fmt.Errorf("listing: %w", err)
	}
	key := func(n netlink.Neigh) string { return n.IP.String() + "/" + n.HardwareAddr.String() }
	stale := map[string]netlink.Neigh{}
	for _, n := range have {
		if n.State&netlink.NUD_PERMANENT != 0 {
			stale[key(n)] = n
		}
	}
	var add []netlink.Neigh
	for _, n := range want {
		if _, exists := stale[key(n)]; !exists {
			add = append(add, n)
		}
		delete(stale, key(n))
	}
	// Deleting first: a neighbour is identified by its address alone, so a
	// deletion after the replacement would take the new one.
	for _, n := range stale {
		if err := netlink.NeighDel(&n); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("deleting %s: %w", key(n), err)
		}
	}
	for _, n := range add {
		if err := netlink.NeighSet(&n); err != nil {
			return fmt.Errorf("adding %s: %w", key(n), err)
		}
	}
	return nil
}

// routesOf are the routes to the peers, and two that answer "unreachable" for
// pods that are not there: their clients fail at once instead of waiting, and
// nothing addressed to a pod leaves by the default route.
func routesOf(plan Plan, device int) []netlink.Route {
	routes := []netlink.Route{unreachable(plan.Cluster), unreachable(plan.Self.Pods)}
	for _, p := range plan.Peers {
		r := netlink.Route{Dst: ipNet(p.Pods), LinkIndex: device, Protocol: RouteProtocol, Table: unix.RT_TABLE_MAIN}
		if plan.Backend == BackendVXLAN {
			r.Gw, r.Flags = p.Pods.Addr().AsSlice(), int(netlink.FLAG_ONLINK)
		} else {
			r.Gw = p.IP.AsSlice()
		}
		routes = append(routes, r)
	}
	return routes
}

func unreachable(p netip.Prefix) netlink.Route {
	return netlink.Route{
		Dst: ipNet(p), Type: unix.RTN_UNREACHABLE, Protocol: RouteProtocol, Table: unix.RT_TABLE_MAIN, Priority: unreachableMetric,
	}
}

func ensureRoutes(want []netlink.Route) error {
	filter := &netlink.Route{Protocol: RouteProtocol, Table: unix.RT_TABLE_MAIN}
	have, err := netlink.RouteListFiltered(netlink.FAMILY_V4, filter, netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
	if err != nil {
		return fmt.Errorf("listing: %w", err)
	}
	key := func(r netlink.Route) string {
		return fmt.Sprintf("%s via %s dev %d type %d metric %d", r.Dst, r.Gw, device(r), max(r.Type, unix.RTN_UNICAST), r.Priority)
	}
	stale := map[string]netlink.Route{}
	for _, r := range have {
		stale[key(r)] = r
	}
	for _, r := range want {
		if _, exists := stale[key(r)]; exists {
			delete(stale, key(r))
			continue
		}
		if err := netlink.RouteReplace(&r); err != nil {
			return fmt.Errorf("adding %s: %w", key(r), err)
		}
	}
	for _, r := range stale {
		if err := netlink.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("deleting %s: %w", key(r), err)
		}
	}
	return nil
}

// device ignores the loopback that the kernel reports for unreachable routes.
func device(r netlink.Route) int {
	if r.Type == unix.RTN_UNREACHABLE {
		return 0
	}
	return r.LinkIndex
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 32)}
}

func hostPrefix(a netip.Addr) *net.IPNet { return ipNet(netip.PrefixFrom(a, a.BitLen())) }
