// Package cniconf writes the node's CNI configuration, which tells containerd
// how to give a pod its network and the kubelet that the node may be Ready.
//
// The main plugin is ptp, not bridge. A bridge carries traffic between two pods
// of one node at layer 2, past the forward hook where NetworkPolicy is enforced.
// What would bring it there (br_netfilter with bridge-nf-call-iptables) is a
// kernel module that cannot be loaded from inside a node pod and is off by
// default, and a table of family bridge has no view of kube-proxy's address
// translation. With ptp each pod has a veth and a host route of its own, so all
// traffic is routed: one hook sees every packet, after DNAT, on every kernel. It
// makes hairpin mode needless (a pod that reaches itself through a Service is
// routed back into its veth), and pods cannot borrow each other's addresses.
package cniconf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
)

// File is the name of the configuration in the CNI directory.
const File = "10-naru.conflist"

// addressDir keeps host-local's reservations on a tmpfs, as kind does, so that
// they are gone together with the sandboxes when the node restarts.
const addressDir = "/run/naru/cni-addresses"

type object map[string]any

// Render returns the configuration for a node's pod range.
func Render(pods netip.Prefix, mtu int) ([]byte, error) {
	ptp := object{
		"type": "ptp", "mtu": mtu, "ipMasq": false,
		"ipam": object{
			"type": "host-local", "dataDir": addressDir,
			"ranges": [][]object{{{"subnet": pods.String()}}},
			"routes": []object{{"dst": "0.0.0.0/0"}},
		},
	}
	portmap := object{
		"type": "portmap", "backend": "nftables", "snat": true,
		"capabilities": object{"portMappings": true},
	}
	bandwidth := object{"type": "bandwidth", "capabilities": object{"bandwidth": true}}
	out, err := json.MarshalIndent(object{
		"cniVersion": "1.0.0", "name": "naru", "plugins": []object{ptp, portmap, bandwidth},
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("rendering CNI configuration: %w", err)
	}
	return append(out, '\n'), nil
}

// Write puts the content into dir atomically, since containerd watches the
// directory; an unchanged file is not touched. It says whether it wrote.
func Write(dir string, content []byte) (bool, error) {
	path := filepath.Join(dir, File)
	have, err := os.ReadFile(path)
	if err == nil && bytes.Equal(have, content) {
		return false, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("reading CNI configuration: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, fmt.Errorf("making CNI directory: %w", err)
	}
	// A dot file without a CNI extension is not picked up half-written.
	temporary := filepath.Join(dir, "."+File+".new")
	if err := os.WriteFile(temporary, content, 0o644); err != nil {
		return false, fmt.Errorf("writing CNI configuration: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return false, fmt.Errorf("putting CNI configuration in place: %w", err)
	}
	return true, nil
}
