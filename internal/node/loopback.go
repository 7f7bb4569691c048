package node

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

func loopbackUp() error {
	link, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("finding loopback: %w", err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("bringing loopback up: %w", err)
	}
	return nil
}
