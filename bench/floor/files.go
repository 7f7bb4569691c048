package floor

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/node/nodeconfig"
)

//go:embed start.sh
var startScript []byte

const (
	podCIDR     = "10.244.0.0/16"
	serviceCIDR = "10.96.0.0/16"
)

// network is what the node needs of a pod network: one bridge.
const network = `{
  "cniVersion": "1.0.0", "name": "floor",
  "plugins": [{"type": "bridge", "bridge": "cni0", "isGateway": true,
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]
}
`

// writeFiles makes keys, configuration and the folders that the machine binds.
func (m *machine) writeFiles() error {
	for _, dir := range []string{"floor/log", "floor/certs", "containerd", "kubelet", "etcd", "log", "upper/etc/kubernetes/manifests"} {
		if err := os.MkdirAll(m.path(dir), 0o755); err != nil {
			return fmt.Errorf("making folders: %w", err)
		}
	}
	node, err := json.Marshal(nodeconfig.Config{
		Name: "floor", Role: nodeconfig.RoleHost, IP: address, PodCIDR: podCIDR, ServiceCIDR: serviceCIDR,
		ClusterDNS: "10.96.0.10", PauseImage: m.built.Refs()["pause"], Bootstrap: []string{"/bin/bash", "/floor/start.sh", address},
	})
	if err != nil {
		return fmt.Errorf("encoding the node: %w", err)
	}
	key, err := signingKey()
	if err != nil {
		return err
	}
	ca, kubelet, err := kubeletIdentity()
	if err != nil {
		return err
	}
	m.token = token()
	for path, content := range map[string][]byte{
		"floor/start.sh":                     startScript,
		"floor/sa.key":                       key,
		"floor/tokens.csv":                   []byte(m.token + ",admin,admin,system:masters\n"),
		"floor/admin.kubeconfig":             kubeconfig(fmt.Sprintf("token: %s", m.token)),
		"floor/kubelet.kubeconfig":           kubelet,
		"upper" + nodeconfig.Path:            node,
		"upper/etc/kubernetes/pki/ca.crt":    ca,
		"floor/ca.crt":                       ca,
		"upper/etc/cni/net.d/floor.conflist": []byte(network),
		"upper/etc/hosts":                    []byte("127.0.0.1 localhost\n" + address + " floor\n"),
		"upper/etc/hostname":                 []byte("floor\n"),
		"upper/etc/resolv.conf":              []byte("nameserver " + gateway + "\n"),
		"upper/etc/machine-id":               []byte(token()[:32] + "\n"),
	} {
		if err := write(m.path(path), content); err != nil {
			return err
		}
	}
	return m.writeImage()
}

func (m *machine) writeImage() error {
	file, err := os.Create(m.path("floor", "pause.tar"))
	if err != nil {
		return fmt.Errorf("writing the pod's image: %w", err)
	}
	defer file.Close()
	if err := m.built.Import(file, "pause"); err != nil {
		return err
	}
	return file.Sync()
}

func write(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making folders: %w", err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return fmt.Errorf("writing a file of the machine: %w", err)
	}
	return nil
}

func token() string {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // Never fails.
	return hex.EncodeToString(random)
}

func signingKey() ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), nil
}

// kubeletIdentity is a certificate, as a kubelet that renews its own accepts no token.
func kubeletIdentity() (ca, config []byte, err error) {
	authority, err := pki.NewCA("floor", time.Now())
	if err != nil {
		return nil, nil, err
	}
	leaf, err := pki.Issue(authority, pki.Leaf{
		CommonName: "system:node:floor", Organization: []string{"system:nodes"}, Usage: pki.Client,
	}, time.Now())
	if err != nil {
		return nil, nil, err
	}
	return authority.Certificate, kubeconfig(fmt.Sprintf("client-certificate-data: %s, client-key-data: %s",
		base64.StdEncoding.EncodeToString(leaf.Certificate), base64.StdEncoding.EncodeToString(leaf.Key))), nil
}

func kubeconfig(identity string) []byte {
	return []byte(fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: floor, cluster: {server: "https://127.0.0.1:6443", insecure-skip-tls-verify: true}}]
users: [{name: floor, user: {%s}}]
contexts: [{name: floor, context: {cluster: floor, user: floor}}]
current-context: floor
`, identity))
}
