package node

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// facts are what a node observes of its surroundings before it renders anything.
type facts struct {
	// cgroupV2 is true on the unified hierarchy, false on v1 and hybrid ones.
	cgroupV2 bool
	// lowersOOMScore is true when this node may protect processes from the
	// OOM killer, which takes CAP_SYS_RESOURCE.
	lowersOOMScore bool
	// ip is the node's address.
	ip string
}

// capSysResource is CAP_SYS_RESOURCE's bit in the capability sets of /proc/self/status.
const capSysResource = 24

func observe(wantIP string) (facts, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return facts{}, fmt.Errorf("reading capabilities: %w", err)
	}
	caps, err := effectiveCapabilities(string(status))
	if err != nil {
		return facts{}, err
	}
	v2, err := isCgroupV2()
	if err != nil {
		return facts{}, err
	}
	ip := wantIP
	if ip == "" {
		if ip, err = firstAddress("eth0"); err != nil {
			return facts{}, err
		}
	}
	return facts{cgroupV2: v2, lowersOOMScore: caps&(1<<capSysResource) != 0, ip: ip}, nil
}

// effectiveCapabilities reads the CapEff line of /proc/<pid>/status.
func effectiveCapabilities(status string) (uint64, error) {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, "CapEff:"); ok {
			set, err := strconv.ParseUint(strings.TrimSpace(rest), 16, 64)
			if err != nil {
				return 0, fmt.Errorf("parsing capabilities: %w", err)
			}
			return set, nil
		}
	}
	return 0, fmt.Errorf("parsing capabilities: no CapEff line")
}

func isCgroupV2() (bool, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs("/sys/fs/cgroup", &fs); err != nil {
		return false, fmt.Errorf("looking at /sys/fs/cgroup: %w", err)
	}
	return fs.Type == unix.CGROUP2_SUPER_MAGIC, nil
}

func firstAddress(name string) (string, error) {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return "", fmt.Errorf("finding the node's address: %w", err)
	}
	addresses, err := link.Addrs()
	if err != nil {
		return "", fmt.Errorf("finding the node's address: %w", err)
	}
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && network.IP.IsGlobalUnicast() {
			return network.IP.String(), nil
		}
	}
	return "", fmt.Errorf("finding the node's address: %s has none; give the node configuration an ip", name)
}
