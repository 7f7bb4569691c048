package node

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// maskedSysctls are values that the kubelet wants and would write
// (pkg/kubelet/cm/container_manager_linux.go, setupKernelTunables). They
// belong to the whole machine, which is not ours to change; so the node sees
// files that hold them already.
func maskedSysctls() map[string]string {
	return map[string]string{
		"vm/overcommit_memory":      "1",
		"vm/panic_on_oom":           "0",
		"kernel/panic":              "10",
		"kernel/panic_on_oops":      "1",
		"kernel/keys/root_maxkeys":  "1000000",
		"kernel/keys/root_maxbytes": "25000000",
	}
}

// networkSysctls are settings of the node's own network namespace. Each is
// applied where the kernel has it.
func networkSysctls() map[string]string {
	return map[string]string{
		"net/ipv4/ip_forward":             "1",
		"net/ipv4/conf/all/rp_filter":     "0",
		"net/ipv4/conf/default/rp_filter": "0",
	}
}

func maskSysctls() error {
	dir := filepath.Join(runDir, "sysctl")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("masking sysctls: %w", err)
	}
	for name, value := range maskedSysctls() {
		target := filepath.Join("/proc/sys", name)
		if _, err := os.Stat(target); os.IsNotExist(err) {
			continue
		}
		source := filepath.Join(dir, strings.ReplaceAll(name, "/", "."))
		if err := os.WriteFile(source, []byte(value+"\n"), 0o644); err != nil {
			return fmt.Errorf("masking sysctl %s: %w", name, err)
		}
		if err := bind(source, target); err != nil {
			return fmt.Errorf("masking sysctl %s: %w", name, err)
		}
	}
	return nil
}

func setNetworkSysctls() error {
	for name, value := range networkSysctls() {
		err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644)
		if err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("setting sysctl %s: %w", name, err)
		}
	}
	return nil
}
