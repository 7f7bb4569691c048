package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"naru.dev/naru/internal/standalone/layout"
)

// authorities are the files below /etc/kubernetes/pki that all control-plane
// hosts have in common; kubeadm makes every other one on the host itself.
func authorities() []string {
	return []string{"ca.crt", "ca.key", "sa.key", "sa.pub", "front-proxy-ca.crt", "front-proxy-ca.key", "etcd/ca.crt", "etcd/ca.key"}
}

// shareAuthorities gives a host that is to join the first one's CAs.
func (d *Daemon) shareAuthorities(joining layout.HostDir) error {
	for _, name := range authorities() {
		source := filepath.Join(d.state.Host(first().Name()).Kubernetes(), "pki", name)
		data, err := os.ReadFile(source)
		if err != nil {
			return fmt.Errorf("sharing certificate authorities: %w", err)
		}
		if err := layout.WriteFile(filepath.Join(joining.Kubernetes(), "pki", name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// joinKubeconfig is the first host's administrator, by that host's address.
func (d *Daemon) joinKubeconfig() ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(d.state.Host(first().Name()).Kubernetes(), "admin.conf"))
	if err != nil {
		return nil, fmt.Errorf("reading the first host's kubeconfig: %w", err)
	}
	return []byte(strings.ReplaceAll(string(data), layout.APIName, first().IP())), nil
}
