package podidentity

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"naru.dev/naru/internal/podroles"
)

// ownAddress gives the network namespace of the process the address that pods ask. It is on the loopback interface: a
// link-local address that no other node can send to, and that pods reach by their default route.
func ownAddress() error {
	link, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("finding loopback: %w", err)
	}
	address := &netlink.Addr{
		IPNet: &net.IPNet{IP: net.ParseIP(podroles.AgentAddress), Mask: net.CIDRMask(32, 32)}, Scope: unix.RT_SCOPE_LINK,
	}
	if err := netlink.AddrAdd(link, address); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("adding %s: %w", podroles.AgentAddress, err)
	}
	return nil
}
