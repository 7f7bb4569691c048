package node

import (
	"fmt"
	"strings"

	"naru.dev/naru/internal/node/nodeconfig"
)

// capacityFiles generates what cadvisor reads the machine's size from
// (github.com/google/cadvisor/lib machine/machine.go and utils/sysfs/sysfs.go):
// MemTotal of /proc/meminfo, the clock and core ids of /proc/cpuinfo, and one
// folder a processor below /sys/devices/system/cpu. The folders are empty:
// with a topology the kubelet would put its pods into a cpuset of processors
// 0 to n-1, which the machine may not have. Keys are paths below a folder
// whose entries are then bound over /proc and /sys; one with a slash at its
// end is a folder.
func capacityFiles(capacity nodeconfig.Capacity) map[string]string {
	cores := wholeCores(capacity.CPU)
	files := map[string]string{
		"meminfo":      meminfo(capacity.Memory),
		"cpuinfo":      cpuinfo(cores),
		"cpu/online":   cpuRange(cores),
		"cpu/possible": cpuRange(cores),
		"cpu/present":  cpuRange(cores),
		"node/":        "",
	}
	for i := range cores {
		files[fmt.Sprintf("cpu/cpu%d/", i)] = ""
	}
	return files
}

// capacityBinds maps what is generated to what it is bound over. The NUMA
// folder becomes an empty one: cadvisor then counts processors, and a
// machine's real NUMA nodes would contradict the promise.
func capacityBinds() map[string]string {
	return map[string]string{
		"meminfo": "/proc/meminfo",
		"cpuinfo": "/proc/cpuinfo",
		"cpu":     "/sys/devices/system/cpu",
		"node":    "/sys/devices/system/node",
	}
}

// wholeCores rounds thousandths of a core up: a kernel has no half processor.
func wholeCores(milli int64) int {
	return int((milli + 999) / 1000)
}

func cpuRange(cores int) string {
	if cores == 1 {
		return "0\n"
	}
	return fmt.Sprintf("0-%d\n", cores-1)
}

func meminfo(bytes int64) string {
	kib := bytes / 1024
	return fmt.Sprintf("MemTotal:       %d kB\nMemFree:        %d kB\nMemAvailable:   %d kB\n"+
		"Buffers:        0 kB\nCached:         0 kB\nSwapCached:     0 kB\nSwapTotal:      0 kB\nSwapFree:       0 kB\n", kib, kib, kib)
}

func cpuinfo(cores int) string {
	var b strings.Builder
	for i := range cores {
		fmt.Fprintf(&b, "processor\t: %d\nvendor_id\t: Naru\nmodel name\t: Naru virtual processor\ncpu MHz\t\t: 2000.000\n"+
			"physical id\t: 0\nsiblings\t: %d\ncore id\t\t: %d\ncpu cores\t: %d\n\n", i, cores, i, cores)
	}
	return b.String()
}
