// Package bootstrap makes an embedded host a control-plane node of the hosting
// cluster. It runs inside the host, once containerd answers and beside the
// kubelet, every time the host starts; what is done already is not done again.
package bootstrap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"naru.dev/naru/internal/node/agent"
	"naru.dev/naru/internal/standalone/layout"
)

// Paths inside a host.
const (
	ConfigPath    = "/etc/naru/bootstrap.json"
	KubeadmConfig = "/etc/naru/kubeadm.yaml"
	PatchesDir    = "/etc/naru/patches"
	ImagesDir     = "/var/lib/naru-images"
	kubernetes    = "/etc/kubernetes"
	importedDir   = "/var/lib/containerd/naru-imported"
	socket        = "/run/containerd/containerd.sock"
)

// Config is what the daemon tells a host.
type Config struct {
	// Archives are the names, below ImagesDir, of what to import; the first is
	// what kubeadm needs.
	Archives []string `json:"archives"`
	// Join is true on all hosts but the one that the cluster began on.
	Join bool `json:"join"`
	// Hosts is the content of /etc/hosts once the host has an API server.
	Hosts string `json:"hosts"`
}

// Run brings the host to the state that the configuration asks for.
func Run(ctx context.Context) error {
	data, err := os.ReadFile(ConfigPath)
	if err != nil {
		return fmt.Errorf("reading bootstrap configuration: %w", err)
	}
	var config Config
	if err := json.Unmarshal(data, &config); err != nil {
		return fmt.Errorf("decoding bootstrap configuration: %w", err)
	}
	first, rest := config.Archives[:1], config.Archives[1:]
	if err := importImages(ctx, first); err != nil {
		return err
	}
	// kubeadm mostly waits; the disk may as well be busy.
	imported := make(chan error, 1)
	go func() { imported <- importImages(ctx, rest) }()
	return errors.Join(controlPlane(ctx, config), <-imported)
}

func controlPlane(ctx context.Context, config Config) error {
	if err := initialise(ctx, config.Join); err != nil {
		return err
	}
	if err := os.WriteFile("/etc/hosts", []byte(config.Hosts), 0o644); err != nil {
		return fmt.Errorf("naming the host's own API server: %w", err)
	}
	if err := renewCertificates(ctx); err != nil {
		return err
	}
	if err := allowAgent(ctx); err != nil {
		return err
	}
	return writeKubeconfigs(ctx)
}

// allowAgent lets the agents of hosts watch what they program the network
// from, before there is one that could be refused: no node is ready without it.
func allowAgent(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(kubernetes, "agent.conf")); err == nil {
		return nil
	}
	var manifest bytes.Buffer
	for _, object := range []any{agent.ClusterRole(), agent.ClusterRoleBinding()} {
		data, err := json.Marshal(object)
		if err != nil {
			return fmt.Errorf("encoding the agent's role: %w", err)
		}
		manifest.Write(append(data, '\n'))
	}
	c := exec.CommandContext(ctx, "kubectl", "--kubeconfig", filepath.Join(kubernetes, "admin.conf"), "apply", "-f", "-")
	c.Stdin, c.Stdout, c.Stderr = &manifest, os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("giving the agent its role: %w", err)
	}
	return nil
}

// importImages imports each archive once: its name says what is in it.
func importImages(ctx context.Context, archives []string) error {
	for _, archive := range archives {
		marker := filepath.Join(importedDir, archive)
		if _, err := os.Stat(marker); err == nil {
			continue
		}
		err := run(ctx, "ctr", "--address", socket, "--namespace", "k8s.io", "images", "import",
			filepath.Join(ImagesDir, archive))
		if err != nil {
			return fmt.Errorf("importing images: %w", err)
		}
		if err := layout.WriteFile(marker, nil, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// initialise runs kubeadm until it has once succeeded. Its phases may be
// repeated: they take the certificates and manifests that are there.
func initialise(ctx context.Context, join bool) error {
	marker := filepath.Join(kubernetes, layout.InitialisedName)
	if _, err := os.Stat(marker); err == nil {
		return nil
	}
	verb := "init"
	if join {
		verb = "join"
	}
	if err := run(ctx, "kubeadm", verb, "--config", KubeadmConfig); err != nil {
		return fmt.Errorf("running kubeadm %s: %w", verb, err)
	}
	return layout.WriteFile(marker, nil, 0o644)
}

// user is a client of the hosting cluster that runs as a process on a host.
type user struct{ name, file string }

func users() []user {
	return []user{
		{"system:kube-proxy", filepath.Join(kubernetes, "kube-proxy.conf")},
		{"naru:agent", filepath.Join(kubernetes, "agent.conf")},
	}
}

func writeKubeconfigs(ctx context.Context) error {
	for _, u := range users() {
		if _, err := os.Stat(u.file); err == nil {
			continue
		}
		out, err := exec.CommandContext(ctx, "kubeadm", "kubeconfig", "user",
			"--client-name", u.name, "--config", KubeadmConfig).Output()
		if err != nil {
			return fmt.Errorf("making the kubeconfig of %s: %w", u.name, withStderr(err))
		}
		if err := layout.WriteFile(u.file, out, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func run(ctx context.Context, name string, args ...string) error {
	c := exec.CommandContext(ctx, name, args...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	return c.Run()
}

func withStderr(err error) error {
	var failed *exec.ExitError
	if errors.As(err, &failed) && len(failed.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(failed.Stderr)))
	}
	return err
}
