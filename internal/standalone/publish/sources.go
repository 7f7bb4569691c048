package publish

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"naru.dev/naru/api/v1alpha1"
)

// Sources are the addresses that a port takes connections from. The zero value takes them from everywhere.
type Sources struct {
	limited bool
	ranges  []netip.Prefix
}

// nowhere takes connections from nobody.
func nowhere() Sources { return Sources{limited: true} }

// ParseSources reads the value of v1alpha1.AnnotationPublishFrom.
func ParseSources(text string) (Sources, error) {
	if text == v1alpha1.PublishFromNowhere {
		return nowhere(), nil
	}
	s := nowhere()
	for _, each := range strings.Split(text, ",") {
		prefix, err := netip.ParsePrefix(each)
		if err != nil {
			return nowhere(), fmt.Errorf("%q is no range of addresses, as 10.0.0.0/8", each)
		}
		s.ranges = append(s.ranges, prefix.Masked())
	}
	return s, nil
}

// Allow tells whether connections are taken from an address.
func (s Sources) Allow(from net.Addr) bool {
	if !s.limited {
		return true
	}
	address, err := netip.ParseAddrPort(from.String())
	if err != nil {
		return false
	}
	return slices.ContainsFunc(s.ranges, func(p netip.Prefix) bool { return p.Contains(address.Addr().Unmap()) })
}
